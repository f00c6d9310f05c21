"""Character error rate of the engine `classic` on the ground truth of `../shared/data`, by set and script, as a table.

    python -m tests.bench cer [--only NAME] [--threads 1]

The answer's blocks in order, as plain text, tables cell by cell, are compared with the reference. Both are normalised: NFKC, no
Markdown marks, runs of white space as one space, and none beside Chinese or Japanese. Punctuation is kept, and case, but for the
receipts, whose reference is all in capitals. CER is Levenshtein distance over the reference's length, summed over a
set; it passes 100 % where more is read than is written. Order counts. `words F1` does not mind it: words (characters, where a
script has no spaces) found, as multisets.

The truth, no target. Sets whose reference is another program's output say so. A page the engine refuses (`unsupported_script`) is
counted in `refused` and not in CER; a wrong refusal so costs nothing in CER and shows there.
"""

import argparse
import asyncio
import csv
import json
import platform
import re
import statistics
import tempfile
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pymupdf
from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from schemas.failure import FailureKind
from schemas.page import RenderedPage
from schemas.settings import ClassicSettings, EngineSettings, RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from workers.engines.engine import Engine, Prompt, Request
from workers.engines.registry import make_engine
from workers.rendering.renderer import Renderer

NOTO = Path("/usr/share/fonts/truetype/noto")
_CJK = r"\u2e80-\u9fff\uff00-\uffef"
_TAGS = "table|thead|tbody|tr|td|th|br|p|b|i|u|sup|sub|img|div|span"
_ADDRESS = re.compile(r"\(?https?://[^\s)]*\)?")
DEBIAN_PAGES = range(8, 20)
FONTS = {
    "amh": "NotoSansEthiopic", "arb": "NotoNaskhArabic", "ben": "NotoSansBengali", "bod": "NotoSerifTibetan", "ell": "NotoSans",
    "hin": "NotoSansDevanagari", "hye": "NotoSansArmenian", "jpn": None, "kat": "NotoSansGeorgian", "mar": "NotoSansDevanagari",
    "mya": "NotoSansMyanmar", "nep": "NotoSansDevanagari", "pan": "NotoSansGurmukhi", "pes": "NotoNaskhArabic", "pol": "NotoSerif",
    "sin": "NotoSansSinhala", "spa": "NotoSans", "tam": "NotoSansTamil", "tel": "NotoSansTelugu", "tha": "NotoSansThai",
    "tur": "NotoSerif", "ukr": "NotoSans", "urd": "NotoNaskhArabic",
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    path: Path
    reference: str
    pages: tuple[int, ...] = (0,)
    is_elsewhere: bool = False
    """The reference is the whole document in another layout, with footnotes at the end of chapters. So each block of 20 characters
    and more is compared with the part that fits it best, without addresses, which only the PDF prints. That says nothing of order,
    nor of what is left out."""
    ignores_case: bool = False


@dataclass
class Score:
    num_samples: int = 0
    num_refused: int = 0
    num_chars: int = 0
    distance: int = 0
    found: int = 0
    expected: int = 0
    answered: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, answer: str, reference: str) -> None:
        self.num_chars += len(reference)
        self.distance += Levenshtein.distance(answer, reference)
        a, r = Counter(_tokens(answer)), Counter(_tokens(reference))
        self.found += (a & r).total()
        self.expected += r.total()
        self.answered += a.total()

    def join(self, other: "Score") -> None:
        for name in ("num_samples", "num_refused", "num_chars", "distance", "found", "expected", "answered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seconds += other.seconds

    def row(self, name: str) -> str:
        cer = f"{self.distance / self.num_chars:.1%}" if self.num_chars else "-"
        f1 = f"{2 * self.found / max(self.expected + self.answered, 1):.1%}" if self.num_chars else "-"
        mean_s = sum(self.seconds) / max(len(self.seconds), 1)
        return f"| {name} | {self.num_samples} | {self.num_refused} | {self.num_chars} | {cer} | {f1} | {mean_s:.2f} |"


def normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL))
    text = re.sub(
        r"\$\$?|\\\(|\\\)|\\\[|\\\]|```\w*|^\s*\|?[\s:|-]+\|[\s:|-]*$|^\s*[#>]+\s|^\s*[-*+]\s", " ", text, flags=re.MULTILINE
    )
    text = re.sub(r"!?\[([^\]\n]*)\]\([^)\n]*\)", r"\1", text)
    text = (
        re.sub(rf"</?(?:{_TAGS})\b[^<>]*>|[|*`]|&nbsp;", " ", text)
        .replace("\\_", "_")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
    )
    return re.sub(rf"(?<=[{_CJK}]) | (?=[{_CJK}])", "", " ".join(text.split()))


def _tokens(text: str) -> list[str]:
    return re.findall(rf"[{_CJK}\u0e00-\u0eff]|[^\s{_CJK}\u0e00-\u0eff]+", text)


def plain(answer: str) -> str:
    parts = []
    for block in json.loads(answer)["blocks"]:
        for key, value in block.items():
            if key == "table":
                parts += [cell for row in value for cell in row if cell]
            elif key == "code":
                parts.append(" ".join(value.split()))  # one block, where the reference is compared by lines
            elif key not in ("box", "confidence") and isinstance(value, str):
                parts.append(value)
    return "\n".join(parts)


class Reader:
    """Renders and reads as the pipeline does, one page after the other."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.renderer = Renderer(RenderSettings(), RegionSettings(enabled=False), [])

    async def read(self, sample: Sample) -> tuple[str | None, list[float]]:
        """The text, None when a page was refused, and the engine's seconds for each page."""
        texts, seconds = [], []
        self.renderer.probe(sample.path, None, None)
        for page in self.renderer.render(sample.path, sample.pages):
            completion = await self.engine.read(request_of(page))
            seconds.append(completion.engine_s)
            if completion.failure is not None and not completion.text:
                if completion.failure.kind is not FailureKind.unsupported_script:
                    raise RuntimeError(f"{sample.path.name}: {completion.failure}")
                return None, seconds
            texts.append(plain(completion.text))
        return "\n".join(texts), seconds


def request_of(page: RenderedPage) -> Request:
    if page.image is None:
        raise RuntimeError(f"page {page.page_index}: {page.failure}")
    return Request(
        label="bench", task="ocr", image=page.image, prompt=Prompt("", ""), answer_schema=None, max_output_tokens=1,
        text_layer=page.text_layer, is_blank=page.is_blank, is_scan=page.is_scan,
    )  # fmt: skip


# --- The sets ---


def olmocr_markdown() -> Iterator[Sample]:
    for path in sorted((SHARED_DATA / "a_olmocr_bench/olmocr_pipeline").rglob("*.md")):
        name = re.sub(r"_pg1_repeat1$", "", path.stem)
        folder = SHARED_DATA / "a_olmocr_bench/pdfs" / path.parent.relative_to(SHARED_DATA / "a_olmocr_bench/olmocr_pipeline")
        yield Sample(folder / f"{name}.pdf", path.read_text())


def docling(*, rtl: bool) -> Iterator[Sample]:
    for path in sorted((SHARED_DATA / "a_docling/pdf/groundtruth").glob("*.md")):
        pdf = SHARED_DATA / "a_docling/pdf/sources" / f"{path.stem}.pdf"
        if ("right_to_left" in path.stem) == rtl and pdf.exists():
            yield Sample(pdf, path.read_text(), tuple(range(len(pymupdf.open(pdf)))))


def debian(name: str) -> Iterator[Sample]:
    reference = (SHARED_DATA / f"a_debian_docs_multilingual/{name}.txt").read_text()
    pdf = SHARED_DATA / f"a_debian_docs_multilingual/{name}.pdf"
    for page_index in DEBIAN_PAGES:
        yield Sample(pdf, reference, (page_index,), is_elsewhere=True)


def fraktur() -> Iterator[Sample]:
    for path in sorted((SHARED_DATA / "e_ocrd_fraktur_lines").glob("*.tif")):
        yield Sample(path, path.with_suffix(".gt.txt").read_text())


def receipts() -> Iterator[Sample]:
    for path in sorted((SHARED_DATA / "e_sroie_receipts/box").glob("*.csv")):
        rows = [",".join(row[8:]) for row in csv.reader(path.read_text().splitlines(), quoting=csv.QUOTE_NONE) if len(row) > 8]
        yield Sample(SHARED_DATA / "e_sroie_receipts/img" / f"{path.stem}.jpg", "\n".join(rows), ignores_case=True)


def tesseract() -> Iterator[Sample]:
    for name in ("8071_093.3B", "eurotext"):
        reference = re.sub(r"(?<=[a-z])-\n\s*(?=[a-z])", "", (SHARED_DATA / f"e_tesseract_test/{name}.txt").read_text())
        yield Sample(SHARED_DATA / f"e_tesseract_test/{name}.tif", reference)


def declaration(language: str, folder: Path, *, is_image: bool) -> Iterator[Sample]:
    """One page of the Universal Declaration of Human Rights, laid out by MuPDF, as PDF with its text or as a picture at 150 dpi."""
    source = next(SHARED_DATA.glob(f"e_udhr_text/udhr_{language}*.xml"))
    paragraphs = [
        " ".join(e.text.split()) for e in ET.parse(source).iter() if e.tag.endswith("}para") and e.text and e.text.strip()
    ][3:12]
    font = FONTS[language]
    css, archive = "body{font-size:11px}", None
    if font:
        file = NOTO / f"{font}-Regular.ttf"
        if not file.exists():
            print(f"skipped {language}: no {file} (Debian: fonts-noto-core)")
            return
        archive = pymupdf.Archive()
        archive.add(file.read_bytes(), "font.ttf")
        css = "@font-face{font-family:F;src:url(font.ttf)} body{font-family:F;font-size:11px}"
    direction = ' dir="rtl"' if language in ("arb", "pes", "urd") else ""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_htmlbox(
        pymupdf.Rect(50, 50, 545, 790), "".join(f"<p{direction}>{p}</p>" for p in paragraphs), css=css, archive=archive
    )  # fmt: skip
    path = folder / f"{language}.{'png' if is_image else 'pdf'}"
    if is_image:
        page.get_pixmap(dpi=150, alpha=False).save(path)
    else:
        document.subset_fonts()
        document.save(path)
    yield Sample(path, "\n".join(paragraphs))


def sets(folder: Path) -> dict[str, Callable[[], Iterator[Sample]]]:
    result: dict[str, Callable[[], Iterator[Sample]]] = {
        "olmOCR-bench pdfs (reference: olmOCR's output)": olmocr_markdown,
        "docling pdfs, Latin (reference: docling's output, reviewed)": lambda: docling(rtl=False),
        "docling pdfs, Arabic": lambda: docling(rtl=True),
        "Debian guide, Simplified Chinese, text layer": lambda: debian("maint-guide-zh-cn"),
        "Debian guide, Traditional Chinese, text layer": lambda: debian("maint-guide-zh-tw"),
        "OCR-D Fraktur lines 1816-1898": fraktur,
        "SROIE receipts": receipts,
        "Tesseract test pages": tesseract,
    }
    for language in FONTS:
        result[f"UDHR {language}, text layer"] = lambda language=language: declaration(language, folder, is_image=False)  # type: ignore[misc]
        result[f"UDHR {language}, picture"] = lambda language=language: declaration(language, folder, is_image=True)  # type: ignore[misc]
    return result


async def measure(only: str, num_threads: int) -> None:
    engine = make_engine(EngineSettings(classic=ClassicSettings(num_threads=num_threads)))
    await engine.start()
    reader = Reader(engine)
    print(f"{platform.processor() or platform.machine()}, {num_threads} thread(s), engine seconds a page beside what else runs\n")
    print("| set | samples | refused | characters | CER | words F1 | s/page |\n|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, samples in sets(Path(folder)).items():
            if only not in name:
                continue
            score = Score()
            for sample in samples():
                answer, seconds = await reader.read(sample)
                score.num_samples += 1
                score.seconds += seconds
                if answer is None:
                    score.num_refused += 1
                    continue
                for part, reference in compared(answer, sample):
                    score.add(part, reference)
            if score.num_samples:
                print(score.row(name), flush=True)
    if not only:
        await olmocr_tests(reader)
    reader.renderer.close()
    await engine.close()


def compared(answer: str, sample: Sample) -> Iterator[tuple[str, str]]:
    reference = normal(sample.reference)
    if sample.is_elsewhere:
        reference = _ADDRESS.sub("", reference)
        for part in (_ADDRESS.sub("", normal(line)) for line in answer.splitlines()):
            if len(part) >= 20:
                yield part, _best_fit(part, reference)
    elif sample.ignores_case:
        yield normal(answer).upper(), reference.upper()
    else:
        yield normal(answer), reference


def _best_fit(part: str, reference: str) -> str:
    """The stretch of the reference where most of the part's runs of ten characters stand, and of it what aligns best."""
    places = [found - k for k in range(0, len(part) - 9, 5) if (found := reference.find(part[k : k + 10])) >= 0]
    if not places:
        return reference[: len(part)]
    start = max(int(statistics.median(places)) - 40, 0)
    window = reference[start : start + len(part) + 80]
    edits = Levenshtein.editops(part, window)
    inside = sorted(set(range(len(window))) - {op.dest_pos for op in edits if op.tag == "insert"})
    return window[inside[0] : inside[-1] + 1] if inside else window


async def olmocr_tests(reader: Reader, *, alone: bool = False) -> None:
    """olmOCR-bench's own tests that plain text can pass or fail. A text counts as found from 95 % similarity on. `alone`: of the
    pages that are read, not of the refused ones."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    texts: dict[str, str | None] = {}
    for line in (SHARED_DATA / "a_olmocr_bench/dataset.jsonl").read_text().splitlines():
        test = json.loads(line)
        path = SHARED_DATA / "a_olmocr_bench/pdfs" / test["pdf"]
        if test["type"] not in ("present", "absent", "order") or not path.exists():
            continue
        if test["pdf"] not in texts:
            texts[test["pdf"]] = (await reader.read(Sample(path, "", (test["page"] - 1,))))[0]
        if alone and texts[test["pdf"]] is None:
            continue
        total[test["type"]] += 1
        passed[test["type"]] += passes(test, normal(texts[test["pdf"]] or ""))
    print("\nolmOCR-bench tests passed: " + ", ".join(f"{kind} {passed[kind]}/{total[kind]}" for kind in sorted(total)))


def passes(test: dict[str, str], text: str) -> bool:
    def place(wanted: str) -> int:
        wanted = normal(wanted)
        found = fuzz.partial_ratio_alignment(wanted, text, score_cutoff=95) if text else None
        return -1 if found is None else (found.dest_start if len(wanted) <= len(text) else -1)

    if last := int(test.get("last_n", 0)):  # the test looks at the text's end alone
        text = text[-last:]
    if test["type"] == "present":
        return place(test["text"]) >= 0
    if test["type"] == "absent":
        return place(test["text"]) < 0
    before, after = place(test["before"]), place(test["after"])
    return 0 <= before < after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="sets whose name contains this")
    parser.add_argument("--threads", type=int, default=1, help="threads of the OCR")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.only, arguments.threads))
