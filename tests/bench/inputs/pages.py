"""The pages that benchmarks run over: real PDFs where shared data lies beside the repository, else the examples."""

from collections.abc import Sequence
from pathlib import Path

import pymupdf

from tests.bench.inputs.places import EXAMPLES, SHARED_DATA


def pdfs() -> list[Path]:
    return sorted(SHARED_DATA.glob("a_*/**/*.pdf")) or sorted(EXAMPLES.glob("*.pdf"))


def make_corpus(
    folder: Path, num_pages: int | None = None, *, turns: int | None = None, paths: Sequence[Path] | None = None
) -> int:
    """Copies PDFs, each time with other last bytes, until `num_pages` are there, of which the last may add a few; or so many
    `turns`. Gives the number of pages."""
    folder.mkdir(parents=True)
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    files = [(path, count) for path in (pdfs() if paths is None else paths) if (count := _num_pages(path))]
    made = turn = 0
    while turn != turns:
        for path, count in files:
            if num_pages is not None and made >= num_pages:
                return made
            body = path.read_bytes() + b"\n%% %d\n" % turn
            (folder / f"{turn:03d}-{made:06d}-{path.stem[:60]}.pdf").write_bytes(body)
            made += count
        turn += 1
    return made


def _num_pages(path: Path) -> int:
    """0 where it does not open as it is."""
    try:
        with pymupdf.open(path, filetype="pdf") as document:
            return 0 if document.needs_pass else len(document)
    except Exception:  # noqa: BLE001 (MuPDF's errors share no class)
        return 0
