"""How many points of charts drawn as vectors are read right, wrong or not at all, and what a region costs:
`python -m tests.bench vector_charts [FOLDER] [--show] [--regions]`.

FOLDER holds one PDF and one CSV (`series,x,y`) for each chart; without it, `../shared/charts` is read. Make others with `python
-m tests.bench made_charts`. A chart whose name begins with `trap_` has to be refused, or read in full. Halves are by the CRC of
the names: the reader was tuned on the first. A point is right where series and x are the data's and the value lies within 1 % of
the axis' range of it (of a logarithmic axis, of its logarithms; of a pie, of the whole).

Peer: none is known. PDF tools give the drawing's paths (pdfplumber, PyMuPDF) or a picture; what reads charts reads pictures.
"""

import argparse
import csv
import math
import statistics
import sys
import time
import zlib
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pymupdf

from schemas.answers import ChartAnswer
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_CHARTS
from workers.charts.points import ChartReader
from workers.labels.numbers import parse_number
from workers.labels.times import parse_time
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.shown_page import ShownPage
from workers.rendering.pages.vector_charts.reader import Reading

WITHIN = 0.01


class Point(NamedTuple):
    series: str
    x: str
    x_number: float | None
    value: float


class Score(NamedTuple):
    name: str
    num_right: int
    num_wrong: int
    num_missed: int
    num_refused: int
    """Points of a chart that was refused."""
    reason: str
    millis: float
    is_series_missing: bool


def truth(path: Path) -> list[Point]:
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["y"] not in ("", "NA")]
    return [Point(row["series"], row["x"], _x_number(row["x"]), float(row["y"])) for row in rows]


def _x_number(text: str) -> float | None:
    """Days since 1970 for dates, years among them; a number otherwise; None for names."""
    number = parse_number(text)
    if number is not None and not (number.unit or 1500 < number.value < 2200):
        return number.value
    day = _time(text)
    return day if day is not None else number.value if number and not number.unit else None


def _plain(text: str) -> float | None:
    number = parse_number(text)
    return number.value if number else None


def _time(text: str) -> float | None:
    try:
        time_ = datetime.fromisoformat(text.replace(" ", "T")) if len(text) > 10 else parse_time(text)
    except ValueError:
        time_ = parse_time(text)
    return time_.timestamp() / 86400 if time_ else None


def answered(answer: ChartAnswer) -> list[Point]:
    """As the rows of `chart_points` would have it."""
    points = ChartReader(answer, []).points()
    return [
        Point(point.series or "", point.x_text or "", _x_number(point.x_text or ""), point.value)
        for point in points
        if point.value is not None
    ]


def score(name: str, reading: Reading, wanted: list[Point], millis: float) -> Score:
    if reading.answer is None:
        return Score(name, 0, 0, 0, len(wanted), f"{reading.reason} {reading.detail}", millis, False)
    got = answered(reading.answer)
    if reading.answer.chart == "scatter" and reading.answer.x_kind == "number":  # 1825 is no year there
        got, wanted = ([point._replace(x_number=_plain(point.x)) for point in points] for points in (got, wanted))
    if reading.answer.chart == "pie":
        whole = sum(point.value for point in wanted)
        wanted = [point._replace(value=100 * point.value / whole) for point in wanted]
    if reading.answer.unit == "%" and reading.answer.chart != "pie" and max(abs(point.value) for point in wanted) <= 1.0001:
        wanted = [point._replace(value=100 * point.value) for point in wanted]
    is_log = reading.answer.scale == "log"
    values = [point.value for point in wanted]
    low, high = min(values), max(values)
    if reading.answer.chart in ("bar", "area"):
        low, high = min(low, 0.0), max(high, 0.0)
    span = 100.0 if reading.answer.chart == "pie" else math.log10(high / low) if is_log and low > 0 else high - low
    xs = [point.x_number for point in wanted if point.x_number is not None]
    x_span = (max(xs) - min(xs)) if len(xs) > 1 else 1.0
    x_log = reading.answer.x_scale == "log"
    left = list(wanted)
    num_right = 0
    for point in got:
        hit = next(
            (
                other
                for other in left
                if _is_right(point, other, span, x_span, is_log=is_log, x_log=x_log, names=names_matter(wanted))
            ),
            None,
        )
        if hit is not None:
            left.remove(hit)
            num_right += 1
    wanted_series = {point.series.casefold() for point in wanted}
    got_series = {point.series.casefold() for point in got}
    is_missing = len(wanted_series) > 1 and not wanted_series <= got_series
    return Score(name, num_right, len(got) - num_right, len(left), 0, "", millis, is_missing)


def names_matter(points: list[Point]) -> bool:
    return len({point.series for point in points}) > 1


def _is_right(point: Point, other: Point, span: float, x_span: float, *, is_log: bool, x_log: bool, names: bool) -> bool:
    if names and _folded(point.series) != _folded(other.series):
        return False
    if _folded(point.x) != _folded(other.x):
        if point.x_number is None or other.x_number is None:
            return False
        off = abs(point.x_number - other.x_number)
        if x_log:
            off = abs(math.log10(max(point.x_number, 1e-300) / other.x_number))
            x_span = 3.0
        if off > WITHIN * x_span + 1e-9:
            return False
    if is_log:
        return point.value > 0 and other.value > 0 and abs(math.log10(point.value / other.value)) <= WITHIN * span + 1e-9
    return abs(point.value - other.value) <= WITHIN * span + 1e-9


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def read_page(page: pymupdf.Page, *, by_regions: bool) -> tuple[list[Reading], float]:
    """The readings of its regions, or of the page as one region; and CPU milliseconds of reading alone, for each."""
    shown = ShownPage(page, RenderSettings())
    view = shown.view()
    areas = [found.rect_pt for found in find_regions(view, RegionSettings())] if by_regions else [shown.page_pt]
    started = time.process_time()
    readings = shown.vector_readings(areas)
    return readings, 1000 * (time.process_time() - started) / max(len(areas), 1)


def scores(folder: Path, *, by_regions: bool) -> list[Score]:
    found: list[Score] = []
    for path in sorted(folder.glob("*.csv")):
        wanted = truth(path)
        with pymupdf.open(path.with_suffix(".pdf")) as pdf:
            readings, millis = read_page(pdf[0], by_regions=by_regions)
        if not readings:
            found.append(Score(path.stem, 0, 0, 0, len(wanted), "no region", millis, False))
            continue
        each = [score(path.stem, reading, wanted, millis) for reading in readings]
        found.append(max(each, key=lambda one: (one.num_right, one.num_wrong)))
    return found


def is_tuned_on(name: str) -> bool:
    return zlib.crc32(name.encode()) % 2 == 0


def report(title: str, found: list[Score]) -> None:
    if not found:
        return
    right, wrong, missed, refused = (sum(one[place] for one in found) for place in (1, 2, 3, 4))
    accepted = [one for one in found if not one.reason]
    print(
        f"{title}: {len(accepted)} of {len(found)} charts accepted; points: {right} right, {wrong} wrong, {missed} missed in "
        f"accepted charts, {refused} in refused ones; {100 * right / max(right + wrong, 1):.1f} % of accepted points right, "
        f"{100 * right / max(right + missed + refused, 1):.1f} % of all points read; "
        f"{sum(one.is_series_missing for one in accepted)} accepted with a series missing; "
        f"{statistics.median(one.millis for one in found):.0f} CPU ms a region (median), "
        f"{max(one.millis for one in found):.0f} at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED_CHARTS)
    parser.add_argument("--show", action="store_true", help="a line for each chart that is not all right")
    parser.add_argument("--regions", action="store_true", help="read what `regions.find_regions` finds, not the page as a whole")
    given = parser.parse_args()
    if not given.folder.is_dir():
        sys.exit(f"{given.folder} is not there: nothing is measured.")
    found = scores(given.folder, by_regions=given.regions)
    if given.show:
        for one in found:
            if one.reason or one.num_wrong or one.num_missed:
                half = "tuned on" if is_tuned_on(one.name) else "other half"
                print(f"  {one.name} ({half}): {one.num_right} right, {one.num_wrong} wrong, {one.num_missed} missed {one.reason}")
    plain = [one for one in found if not one.name.startswith("trap_")]
    traps = [one for one in found if one.name.startswith("trap_")]
    if given.folder == SHARED_CHARTS:
        report("half that was tuned on", [one for one in plain if is_tuned_on(one.name)])
        report("other half", [one for one in plain if not is_tuned_on(one.name)])
    report("all", plain)
    report("traps", traps)
    reasons = Counter(one.reason.split()[0] for one in found if one.reason)
    print("refused:", ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "none")
    by_producer: dict[str, list[Score]] = {}
    for one in plain:
        by_producer.setdefault(one.name.split("_")[0], []).append(one)
    for producer, each in sorted(by_producer.items()):
        right, wrong, missed, refused = (sum(one[place] for one in each) for place in (1, 2, 3, 4))
        num_read = sum(not one.reason for one in each)
        print(f"  {producer}: {right} right, {wrong} wrong, {missed + refused} not read; {num_read} of {len(each)} charts")


if __name__ == "__main__":
    main()
