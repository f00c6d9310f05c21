"""A small drop folder, made anew: documents whose every page says which one it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymupdf
from PIL import Image, ImageDraw


def make_pdf(path: Path, num_pages: int) -> None:
    with pymupdf.open() as document:
        for number in range(num_pages):
            page = document.new_page(width=300, height=400)
            page.insert_text((30, 60), f"{path.stem}, page {number + 1} of {num_pages}", fontsize=11)
            page.insert_text((30, 90), "The quick brown fox jumps over the lazy dog.", fontsize=11)
        document.save(path)


def make_png(path: Path, text: str) -> None:
    image = Image.new("RGB", (400, 200), "white")
    ImageDraw.Draw(image).text((20, 80), text, fill="black")
    image.save(path)


def make_drop(folder: Path) -> dict[str, int]:
    """Files and how many pages are read of each."""
    folder.mkdir(parents=True, exist_ok=True)
    make_pdf(folder / "three.pdf", 3)
    make_pdf(folder / "eleven pages + more%20.pdf", 11)
    make_png(folder / "bild ü.png", "one image")
    (folder / "garbage.pdf").write_bytes(b"this is no PDF")
    (folder / "empty.pdf").write_bytes(b"")
    return {"three.pdf": 3, "eleven pages + more%20.pdf": 11, "bild ü.png": 1, "garbage.pdf": 0, "empty.pdf": 0}


def write_script(path: Path, *rules: dict[str, object]) -> Path:
    path.write_text(json.dumps({"rules": rules}))
    return path


def hang_once(script: Path, label: str, **more: Any) -> Callable[[], bool]:
    """Writes a script by which the first request with that label hangs, in whichever process. Gives what says whether it
    hangs."""
    counters = script.with_suffix(".counters")
    rule = {"label": label, "delay_s": 3600, "times": 1}
    script.write_text(json.dumps({"counters": str(counters), "rules": [rule], **more}))
    count = counters / "rule-0"
    return lambda: count.exists() and count.stat().st_size > 0
