"""How many charts become candidates, how many candidates are no charts, and what a page costs: `python -m tests.bench regions`.

Three parts: the chart pictures of shared data, each placed on a page among text lines; our own drawn charts; and the real PDFs
(`a_*`), whose charts were labelled by eye. A chart is found when its centre lies in a candidate; a candidate is right when it
holds the centre of a chart.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import pymupdf
from PIL import Image

from schemas.settings import RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from tests.examples import texts
from tests.examples.charts import bar_chart, line_chart, pie_chart, scatter_chart
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.shown_page import ShownPage

PAGES_PER_DOCUMENT = 25  # of longer documents, evenly spread
EU, US = "a_icdar2013_tables/competition-dataset-eu/eu-", "a_icdar2013_tables/competition-dataset-us/us-"

CHARTS: dict[tuple[str, int], list[tuple[float, float]]] = {
    ("a_docling/pdf/sources/picture_classification.pdf", 0): [(0.50, 0.52)],
    (f"{EU}005.pdf", 0): [(0.51, 0.23)],
    (f"{EU}015.pdf", 0): [(0.67, 0.33)],
    (f"{EU}015.pdf", 1): [(0.65, 0.27), (0.65, 0.50), (0.65, 0.75)],
    (f"{EU}020.pdf", 2): [(0.50, 0.45), (0.50, 0.80)],
    (f"{EU}020.pdf", 3): [(0.50, 0.18), (0.50, 0.69)],
    (f"{EU}022.pdf", 0): [(0.50, 0.31)],
    (f"{EU}022.pdf", 1): [(0.50, 0.69)],
    (f"{EU}022.pdf", 2): [(0.50, 0.28), (0.50, 0.77)],
    (f"{US}002.pdf", 3): [(0.45, 0.30)],
    (f"{US}028.pdf", 0): [(0.50, 0.30), (0.45, 0.73)],
    (f"{US}028.pdf", 3): [(0.40, 0.33)],
    ("a_multilingual_pdf/pdfminer/matplotlib.pdf", 0): [(0.50, 0.50)],
}
"""Charts of the real PDFs, by file and page_index: centres as shares of the page. All pages with images or drawings were looked
at. Pages that are one scan are left out: their charts come from the OCR answer's boxes."""

LINE = "The harbour master wrote down the height of the water twice a day for 200 years."


class Tally(NamedTuple):
    name: str
    num_pages: int
    num_charts: int
    num_found: int
    num_candidates: int
    num_right: int
    millis: list[float]
    missed: list[str]
    wrong: list[str]


class Case(NamedTuple):
    label: str
    page: pymupdf.Page
    charts: list[tuple[float, float]]


def pictures(folder: str) -> Iterator[Case]:
    """Each chart picture at 96 pixels an inch, or as wide as the text, among lines of text."""
    for path in sorted((SHARED_DATA / folder).glob("*.png")):
        with Image.open(path) as image:
            width, height = image.size
        scale = min(0.75, 475 / width, 560 / height)
        page = pymupdf.open().new_page(width=595, height=842)
        box = pymupdf.Rect(60, 130, 60 + width * scale, 130 + height * scale)
        if min(box.width, box.height) < 72:
            continue
        page.insert_image(box, filename=path)
        for y in (70, 84, 98, box.y1 + 30, box.y1 + 44, box.y1 + 58):
            page.insert_text((60, y), LINE, fontsize=10.5)
        yield Case(path.name, page, [((box.x0 + box.x1) / 2 / 595, (box.y0 + box.y1) / 2 / 842)])


def drawn() -> Iterator[Case]:
    """Our own vector charts at five sizes, upright and turned."""
    for width in (160, 220, 300, 400, 475):
        for rotation in (0, 90):
            for kind in ("bar", "line", "pie", "scatter"):
                page = pymupdf.open().new_page(width=595, height=842)
                box = pymupdf.Rect(60, 130, 60 + width, 130 + width * 0.65)
                for y in (70, 84, 98, box.y1 + 30, box.y1 + 44, box.y1 + 58):
                    page.insert_text((60, y), LINE, fontsize=10.5)
                if kind == "bar":
                    bar_chart(page, box, "Generation", texts.QUARTERS, texts.GENERATION_MWH, y_label="MWh", printed=True)
                elif kind == "line":
                    line_chart(page, box, "Price", texts.QUARTERS, texts.GENERATION_MWH, y_label="EUR")
                elif kind == "pie":
                    pie_chart(page, box, "Customers", texts.CUSTOMERS_PERCENT)
                else:
                    scatter_chart(page, box, "Yield", texts.YIELD_MWH, x_label="Wind", y_label="MWh")
                page.set_rotation(rotation)
                centre = pymupdf.Point((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) * page.rotation_matrix
                yield Case(
                    f"{kind} {width} pt /Rotate {rotation}", page, [(centre.x / page.rect.width, centre.y / page.rect.height)]
                )


def documents() -> Iterator[Case]:
    for line in (SHARED_DATA / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        if (
            not row["path"].startswith("a_")
            or row["kind"] != "pdf"
            or row["role"] != "input"
            or not row["expected"].startswith("ok")
        ):
            continue
        document = pymupdf.open(SHARED_DATA / row["path"])
        if document.needs_pass:
            continue
        step = max(1, math.ceil(document.page_count / PAGES_PER_DOCUMENT))
        for index in range(0, document.page_count, step):
            yield Case(f"{row['path']}#{index}", document[index], CHARTS.get((row["path"], index), []))


def tally(name: str, cases: Iterator[Case]) -> Tally:
    settings = RegionSettings()
    num_pages = num_charts = num_found = num_candidates = num_right = 0
    millis, missed, wrong = [], [], []
    for case in cases:
        view = ShownPage(case.page, RenderSettings()).view()
        start = time.perf_counter()
        regions = find_regions(view, settings)
        millis.append((time.perf_counter() - start) * 1000)
        centres = [(x * case.page.rect.width, y * case.page.rect.height) for x, y in case.charts]
        hits = [
            [r.rect_pt.left <= x <= r.rect_pt.right and r.rect_pt.top <= y <= r.rect_pt.bottom for x, y in centres] for r in regions
        ]
        found = [any(row[index] for row in hits) for index in range(len(centres))]
        num_pages += 1
        num_charts += len(centres)
        num_found += sum(found)
        num_candidates += len(regions)
        num_right += sum(any(row) for row in hits)
        missed += [case.label] * (len(found) - sum(found))
        wrong += [case.label for row in hits if not any(row)]
    return Tally(name, num_pages, num_charts, num_found, num_candidates, num_right, millis, missed, wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name what was missed, and what is no chart")
    arguments = parser.parse_args()
    if not SHARED_DATA.is_dir():
        raise SystemExit(f"there is no {SHARED_DATA}: nothing is measured")
    tallies = [
        tally("Vega-Lite pictures", pictures("d_vegalite_charts")),
        tally("Plotly pictures", pictures("d_plotly_charts")),
        tally("drawn charts", drawn()),
        tally("real PDFs", documents()),
    ]
    print("| pages of | pages | charts | found | candidates | no charts | ms median | ms max |")
    print("|---|---|---|---|---|---|---|---|")
    for t in tallies:
        counts = f"{t.num_pages} | {t.num_charts} | {t.num_found} | {t.num_candidates} | {t.num_candidates - t.num_right}"
        print(f"| {t.name} | {counts} | {statistics.median(t.millis):.0f} | {max(t.millis):.0f} |")
    if arguments.list:
        for t in tallies:
            for label in t.missed:
                print(f"missed: {t.name}: {label}")
            for label in t.wrong:
                print(f"no chart: {t.name}: {label}")


if __name__ == "__main__":
    main()
