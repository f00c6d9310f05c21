"""The pages that benchmarks run over: real PDFs where shared data lies beside the repository, else the examples."""

from pathlib import Path

import pymupdf

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
EXAMPLES = ROOT / "pipeline" / "examples"


def make_corpus(folder: Path, num_pages: int) -> int:
    """Copies PDFs, each time with other last bytes, until `num_pages` are there; the last may add a few. Gives their number."""
    folder.mkdir(parents=True)
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    paths = sorted(SHARED_DATA.glob("a_*/**/*.pdf")) or sorted(EXAMPLES.glob("*.pdf"))
    files = [(path, count) for path in paths if (count := _num_pages(path))]
    made = turn = 0
    while True:
        for path, count in files:
            if made >= num_pages:
                return made
            body = path.read_bytes() + b"\n%% %d\n" % turn
            (folder / f"{turn:03d}-{made:06d}-{path.stem[:60]}.pdf").write_bytes(body)
            made += count
        turn += 1


def _num_pages(path: Path) -> int:
    """0 where it does not open as it is."""
    try:
        with pymupdf.open(path, filetype="pdf") as document:
            return 0 if document.needs_pass else len(document)
    except Exception:  # noqa: BLE001 (MuPDF's errors share no class)
        return 0
