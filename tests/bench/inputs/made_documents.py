"""Documents in any number, the same ones each time, for benchmarks of memory and scale."""

import io
import random
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image, ImageDraw

_WORDS = ("tide", "harbour", "grey", "point", "ledger", "meeting", "annual", "report", "figure", "table", "number", "energy")
_MIXED_PAGES = (1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 5, 5, 8, 8, 12, 20, 40, 300)


def make_large_pdf(path: Path, num_pages: int) -> None:
    """Text and lines on each page, noise that JPEG cannot shrink on each second (about 130 kB), bars on each tenth."""
    chance = random.Random(1)
    with pymupdf.open() as document:
        for number in range(num_pages):
            page = _text_page(document, chance, f"page {number + 1}", num_lines=40)
            if number % 2 == 0:
                page.insert_image(pymupdf.Rect(60, 560, 260, 760), stream=_noise(number, 350))
            if number % 10 == 0:
                _bars(page, chance)
        document.save(path)


def make_mixed(folder: Path, num_pages: int) -> int:
    """PDFs of 1 to 300 pages, images, a few broken files, `num_pages` readable pages or a few more; gives how many files."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(2)
    num_files = 0
    while num_pages > 0:
        name = folder / f"{num_files:05d}"
        kind = chance.random()
        if kind < 0.05:
            _broken(name.with_suffix(".pdf"), num_files)
        elif kind < 0.35:
            _image(name, num_files)
            num_pages -= 1
        else:
            length = min(chance.choice(_MIXED_PAGES), num_pages)
            _mixed_pdf(name.with_suffix(".pdf"), chance, length, num_files)
            num_pages -= length
        num_files += 1
    return num_files


def make_small(folder: Path, num_documents: int) -> None:
    """One-page PDFs and PNGs of 1 to 2 kB, no two alike, a thousand a folder."""
    mark = "document 000000"
    with pymupdf.open() as document:
        document.new_page(width=300, height=200).insert_text((30, 60), mark)
        pdf = document.tobytes(expand=255)
    assert pdf.count(mark.encode().hex().encode()) + pdf.count(mark.encode()) == 1
    for number in range(num_documents):
        below = folder / f"{number // 1000:03d}"
        below.mkdir(parents=True, exist_ok=True)
        if number % 2:
            image = Image.new("L", (240, 120), 255)
            ImageDraw.Draw(image).text((20, 50), f"image {number:06d}", fill=0)
            image.save(below / f"{number:06d}.png")
        else:
            words = f"document {number:06d}".encode()
            body = pdf.replace(mark.encode(), words).replace(mark.encode().hex().encode(), words.hex().encode())
            (below / f"{number:06d}.pdf").write_bytes(body)


def _text_page(document: pymupdf.Document, chance: random.Random, title: str, *, num_lines: int) -> pymupdf.Page:
    page = document.new_page()
    lines = [title] + [" ".join(chance.choices(_WORDS, k=10)) for _ in range(num_lines)]
    page.insert_text((60, 60), lines, fontsize=10)
    page.draw_line((60, 66), (535, 66))
    return page


def _bars(page: pymupdf.Page, chance: random.Random) -> None:
    left, bottom = 320, 750
    page.draw_line((left, bottom), (left, bottom - 160))
    page.draw_line((left, bottom), (left + 200, bottom))
    for index in range(6):
        height = chance.randrange(20, 150)
        x = left + 12 + 31 * index
        page.draw_rect(pymupdf.Rect(x, bottom - height, x + 20, bottom), fill=(0.2, 0.4, 0.7))
        page.insert_text((x + 4, bottom - height - 4), str(height), fontsize=8)
        page.insert_text((x + 2, bottom + 12), f"20{20 + index}", fontsize=8)


def _noise(seed: int, side_px: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=90)
    return sink.getvalue()


def _mixed_pdf(path: Path, chance: random.Random, num_pages: int, seed: int) -> None:
    with pymupdf.open() as document:
        for number in range(num_pages):
            page = _text_page(document, chance, f"{path.stem}, page {number + 1}", num_lines=chance.randrange(5, 55))
            if chance.random() < 0.2:
                page.insert_image(pymupdf.Rect(60, 560, 260, 760), stream=_noise(seed * 1000 + number, 200))
            if chance.random() < 0.2:
                _bars(page, chance)
            if chance.random() < 0.1:
                page.set_rotation(90)
        document.save(path)


def _image(path: Path, number: int) -> None:
    pixels = np.random.default_rng(number).integers(200, 256, (900, 700), np.uint8)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text((80, 400), f"image {number}", fill=0)
    image.save(path.with_suffix((".png", ".jpg", ".tiff", ".webp")[number % 4]))


def _broken(path: Path, number: int) -> None:
    with pymupdf.open() as document:
        document.new_page().insert_text((60, 60), path.stem)
        whole = document.tobytes()
        locked = document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret")
    path.write_bytes((whole[: len(whole) // 2], b"this is no PDF", b"", locked)[number % 4])
