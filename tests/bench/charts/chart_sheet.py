"""Every chart of real PDFs that is read from its drawing, its picture beside what was read, drawn again, as one page to look at:
`python -m tests.bench chart_sheet SHEET.html [FOLDER ...]`.

Without a folder: the real PDFs of shared data. Charts that were refused are counted by reason.
"""

import argparse
import base64
import html
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pymupdf

from pipeline.documents.model import ReadChart, ReadPoint
from pipeline.report.charts import chart_svg
from schemas.answers import ChartAnswer
from schemas.page import Box
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.charts.regions import CHARTS as LABELLED
from tests.bench.inputs.places import SHARED_DATA
from workers.charts.points import ChartReader
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.shown_page import ShownPage
from workers.rendering.pages.vector_charts.reader import Reading

MOST_PAGES = 25
FIELDS = set(ReadPoint.model_fields)


def read_regions(path: Path) -> Iterator[tuple[pymupdf.Page, int, Box, Reading]]:
    """Each region of the first pages that may be a chart, in points. Nothing for what is no PDF."""
    try:
        pdf = pymupdf.open(path)
        pages = [pdf[index] for index in range(min(len(pdf), MOST_PAGES))]
    except Exception:  # noqa: BLE001 (shared data has damaged files)
        return
    for page in pages:
        try:
            shown = ShownPage(page, RenderSettings())
            areas = [region.rect_pt for region in find_regions(shown.view(), RegionSettings())]
            readings = shown.vector_readings(areas) if areas else []
        except Exception:  # noqa: BLE001
            continue
        for area, reading in zip(areas, readings, strict=True):
            yield page, int(page.number or 0), area, reading


def beside(page: pymupdf.Page, area: Box, answer: ChartAnswer, caption: str) -> str:
    """The region's picture, the chart drawn again, and its rows."""
    picture = base64.b64encode(page.get_pixmap(dpi=110, clip=pymupdf.Rect(*area)).tobytes("png")).decode()
    points = [
        ReadPoint(**{name: value for name, value in vars(point).items() if name in FIELDS})
        for point in ChartReader(answer, []).points()
    ]
    chart = ReadChart(
        page_index=0, region_index=0, status="ok", engine="vector", kind=answer.chart, subtype=answer.subtype, points=points,
        title=answer.title, x_label=answer.x, y_label=answer.y, x_scale=answer.x_scale, y_scale=answer.scale,
    )  # fmt: skip
    said = f"{answer.chart} {answer.subtype or ''} · {answer.title or 'no title'} · x {answer.x} · y {answer.y} [{answer.unit}]"
    values = "; ".join(" ".join(filter(None, (point.series, point.x_text, point.y_text))) for point in points[:24])
    return (
        f'<section><h2>{html.escape(caption)}</h2><p>{html.escape(said)}</p><div><img src="data:image/png;base64,{picture}">'
        f"{chart_svg(chart)}</div><p>{html.escape(values)}</p></section>"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("folders", type=Path, nargs="*", help="default: the real PDFs of shared data")
    given = parser.parse_args()
    folders = given.folders or sorted(SHARED_DATA.glob("[abc]_*"))
    if not folders:
        sys.exit(f"{SHARED_DATA} is not there: nothing is read.")
    sections = []
    reasons: Counter[str] = Counter()
    num_labelled = num_read = 0
    for path in sorted(path for folder in folders for path in folder.rglob("*.pdf")):
        name = str(path.relative_to(SHARED_DATA)) if path.is_relative_to(SHARED_DATA) else path.name
        for page, index, area, reading in read_regions(path):
            width, height = page.rect.width, page.rect.height
            is_chart = any(
                area.left <= x * width <= area.right and area.top <= y * height <= area.bottom
                for x, y in LABELLED.get((name, index), ())
            )
            num_labelled += is_chart
            if reading.answer is None:
                if is_chart:
                    reasons[str(reading.reason)] += 1
                continue
            num_read += is_chart
            sections.append(beside(page, area, reading.answer, f"{name} page {index + 1}"))
            print(f"{name} page {index + 1}: {reading.answer.chart}, {len(ChartReader(reading.answer, []).points())} points")
    style = "body{font:14px sans-serif;margin:2em}section div{display:flex;gap:1em}img,svg{width:520px;align-self:start}"
    head = f"<!doctype html><meta charset=utf-8><title>Charts read</title><style>{style}</style>"
    given.sheet.write_text(head + "".join(sections))
    print(f"{len(sections)} charts read; {num_read} of {num_labelled} labelled as charts by eye; the others: {dict(reasons)}")


if __name__ == "__main__":
    main()
