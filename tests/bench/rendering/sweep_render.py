"""Render every input of the shared data and print expected against outcome: `python -m tests.bench sweep_render [FOLDER]`.

Counts by (expected, outcome), then each disagreement. Exits 1 when there is one.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from schemas.failure import PageError
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from workers.rendering.renderer import Renderer

LIMITS = RenderSettings(wall_s=20, cpu_s=15)
MAX_PAGES = 8
_OPENS = {"ok", "blank", "partial"}
ALLOWED: dict[str, set[str]] = {
    "ok": {"ok", "blank"},
    "ok_blank": {"blank"},
    "encrypted_owner_only": {"ok", "blank"},
    "encrypted": {"ok", "blank", "encrypted"},
    "empty": {"empty"},
    "zero_pages": {"no_pages"},
    "wrong_extension": {"ok", "unsupported_type"},
    "not_pdf": {"ok", "unsupported_type"},
    "huge": {"ok", "too_large", "render_timeout", "render_out_of_memory"},
    "corrupt": {"corrupt", "unsupported_type", "no_pages", "unreadable", "too_large", "render_timeout", *_OPENS},
}
ALLOWED["corrupt_maybe_repairable"] = ALLOWED["corrupt_or_bomb"] = ALLOWED["corrupt"] | {
    "encrypted",  # the encryption dictionary is what is damaged
    "render_out_of_memory",
    "render_crashed",
}
ALLOWED["corrupt_or_bomb_but_decodable"] = ALLOWED["corrupt"]
MISLABELLED = {"c_jp2_tiff_opf/lorem-ipsum.txt": {"unsupported_type"}}
"""Labelled `ok`, but plain text: neither a PDF nor an image."""


def allowed(path: str, expected: str) -> set[str]:
    return MISLABELLED.get(path, ALLOWED[expected])


class Outcome(NamedTuple):
    path: str
    expected: str
    outcome: str
    detail: str
    seconds: float

    @property
    def agrees(self) -> bool:
        return self.outcome in allowed(self.path, self.expected)


def inputs(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    return [row for row in rows if row["role"] == "input"]


def sweep(rows: list[dict[str, Any]], folder: Path, max_pages: int = MAX_PAGES) -> Iterator[Outcome]:
    """One renderer for all, with every password the manifest knows."""
    passwords = sorted({row["password"] for row in rows if row["password"]})
    with Renderer(LIMITS, RegionSettings(), passwords) as renderer:
        for row in rows:
            started = time.perf_counter()
            outcome, detail = render(renderer, folder / row["path"], max_pages)
            yield Outcome(row["path"], row["expected"], outcome, detail, time.perf_counter() - started)


def render(renderer: Renderer, path: Path, max_pages: int) -> tuple[str, str]:
    try:
        document = renderer.probe(path, None, None)
    except PageError as error:
        return error.kind, error.message
    pages = list(renderer.render(path, range(min(document.num_pages or 0, max_pages))))
    failures = [page.failure for page in pages if page.failure]
    flags = sorted({flag for page in pages for flag in page.flags})
    detail = " ".join([f"{len(pages)} pages", *flags, *(failure.message for failure in failures[:1])])
    if len(failures) == len(pages):
        return failures[0].kind, detail
    if failures:
        return "partial", detail
    return ("blank" if all(page.is_blank for page in pages) else "ok"), detail


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED_DATA, help="has manifest.jsonl; the shared data by default")
    folder = parser.parse_args().folder
    if not (folder / "manifest.jsonl").is_file():
        sys.exit(f"{folder} has no manifest.jsonl: nothing is drawn.")
    outcomes = []
    for each in sweep(inputs(folder), folder):
        outcomes.append(each)
        if each.seconds > 5 or os.environ.get("VERBOSE"):
            print(f"{each.seconds:6.1f} s  {each.path}: {each.outcome}: {each.detail[:120]}", flush=True)
    print(f"\n{'expected':32}{'outcome':24}inputs")
    for (expected, outcome, agrees), count in sorted(
        Counter((each.expected, each.outcome, each.agrees) for each in outcomes).items()
    ):
        print(f"{expected:32}{outcome:24}{count:6}{'' if agrees else '   <- not as expected'}")
    wrong = [each for each in outcomes if not each.agrees]
    print(f"\n{len(outcomes)} inputs, {len(wrong)} not as expected, {sum(each.seconds for each in outcomes):.0f} s")
    for each in wrong:
        print(f"  {each.path}: expected {each.expected}, got {each.outcome}: {each.detail[:150]}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
