"""Charts whose data is known, as pages and as the answers a faultless reader would give.

A folder of them holds NAME.pdf, NAME.csv (`series,x,y`) and meta.json (type, producer, traits): `../shared/charts`, or what
`tests.bench made_charts` made with a seed of your own.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pymupdf

from schemas.answers import ChartAnswer
from schemas.page import Box, PageImage, Region, RenderedPage
from schemas.settings import RegionSettings, RenderSettings
from workers.rendering.pages.finding_regions.regions import FoundRegion, find_regions
from workers.rendering.pages.shown_page import ShownPage

KINDS = {"bar": "bar", "barh": "bar", "line": "line", "area": "area", "pie": "pie", "scatter": "scatter", "dual": "combo",
         "facet": "bar", "step": "line", "heatmap": "heatmap", "hist": "histogram"}  # fmt: skip
DIGITS = 4
"""Significant digits of an answered value: better than any reader estimates, so the truth is never what fails a check."""


class TrueChart(NamedTuple):
    name: str
    producer: str
    path: Path
    answer: ChartAnswer


def true_charts(folder: Path) -> Iterator[TrueChart]:
    """Every chart of the folder that has its data; reports of several charts are left out."""
    for name, traits in sorted(json.loads((folder / "meta.json").read_text()).items()):
        table = folder / f"{name}.csv"
        if table.is_file() and traits["type"].split("_")[0] in KINDS:
            with table.open(newline="") as lines:
                yield TrueChart(name, traits["producer"], folder / f"{name}.pdf", answer_of(list(csv.DictReader(lines)), traits))


def answer_of(rows: Sequence[Mapping[str, str]], traits: Mapping[str, Any]) -> ChartAnswer:
    """What a faultless reader answers: values as numbers in the axis' own unit (percent where the axis prints percent)."""
    form = traits["type"]
    kind = KINDS[form.split("_")[0]]
    series = list(dict.fromkeys(row["series"] for row in rows))
    common: dict[str, Any] = {
        "chart": kind,
        "subtype": " ".join(
            word for word, given in (("horizontal", form.startswith("barh")), ("stacked", "stacked" in form)) if given
        ) or None,
        "title": traits.get("title"),
        "x": traits.get("x"),
        "y": traits.get("y"),
        "series": [name for name in series if name and not traits.get("unnamed")] if len(series) > 1 else [],
        "scale": "log" if traits.get("logy") else "linear",
        "printed": "all" if traits.get("labels") else "none",
    }  # fmt: skip
    if traits.get("dual"):
        common |= {"y2": traits.get("y2") or series[-1], "y2_series": series[-1:]}
    if kind == "scatter":
        points = [[[_text(row["x"]), _value(row["y"], traits)] for row in rows if row["series"] == name] for name in series]
        return ChartAnswer.model_validate(common | {"x_kind": "number", "points": points})
    if kind == "pie":  # no axis says more than shares
        whole = sum(float(row["y"]) for row in rows)
        rows = [{**row, "y": f"{float(row['y']) / whole}"} for row in rows]
        traits = {**traits, "pct": 1}
        common["printed"] = "none"
    places = list(dict.fromkeys(row["x"] for row in rows))
    values = {(row["x"], row["series"]): _value(row["y"], traits) for row in rows}
    x_kind = "time" if traits.get("datex") else "number" if kind in ("line", "area") or traits.get("numx") else "category"
    table = [[place, *(values.get((place, name)) for name in series)] for place in places]
    return ChartAnswer.model_validate(common | {"x_kind": x_kind, "rows": table})


def _value(text: str, traits: Mapping[str, Any]) -> str | None:
    if not text.strip() or text.strip() in ("NA", "nan"):
        return None
    number = float(text)
    if traits.get("pct"):
        return f"{_rounded(number * 100)}%"
    return _rounded(number)


def _rounded(number: float) -> str:
    if number == 0 or not math.isfinite(number):
        return "0"
    return f"{round(number, DIGITS - 1 - math.floor(math.log10(abs(number)))):.12f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return text.strip()


def shown(path: Path, page_index: int = 0) -> tuple[ShownPage, RenderedPage]:
    """The page as it is drawn for reading, with its regions."""
    drawn = ShownPage(pymupdf.open(path)[page_index], RenderSettings())
    settings = RegionSettings()
    regions = [drawn.region(index, found, settings) for index, found in enumerate(find_regions(drawn.view(), settings))]
    page = RenderedPage(
        page_index=page_index,
        image=PageImage.from_rgb(*drawn.size, drawn.drawn),
        text_layer=drawn.text.layer(drawn.x, drawn.y),
        regions=regions,
    )
    return drawn, page


def whole_page(drawn: ShownPage, page: RenderedPage) -> Region:
    """The page as one region with all its words: what a check sees where the region was found as it should be."""
    assert page.image is not None
    box = Box(0, 0, page.image.width_px, page.image.height_px)
    words = page.text_layer.words if page.text_layer else []
    return Region(region_index=0, bbox_px=box, origin="drawing", image=region_image(drawn), words=words)


def region_image(drawn: ShownPage) -> PageImage:
    """The page at the resolution of a region: its smallest text is GLYPH_PX high."""
    found = FoundRegion(drawn.page_pt, drawn.page_pt, "drawing", 192.0)
    region = drawn.region(0, found, RegionSettings())
    assert region.image is not None
    return region.image
