"""Errors planted into true answers: what a chart's checks catch, how often they cry wolf: `python -m tests.bench chart_checks`.

For each chart whose data is known the true answer is checked first: every flag on it is a false alarm. Then each kind of error
is planted into it, and caught means that a flag is raised which the true answer did not raise. Checked is as in a run: beside the
drawing where it can be read (`vector_disagrees`), else beside the picture. `--scanned`: every chart beside its picture alone, as of
a scan whose text layer has the words.
"""

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from schemas.answers import ChartAnswer
from schemas.page import Region, RenderedPage
from tests.bench.inputs.places import SHARED_CHARTS
from tests.bench.inputs.true_charts import shown, true_charts, whole_page
from workers.charts.agreement import agreement
from workers.charts.content import chart_content
from workers.labels.numbers import parse_number

WORDS = ("Quixol", "Brantham", "Velodrin", "Ostrika", "Marlune", "Tessivar")
Cells = list[list[str | None]]


class NotApplicable(Exception):
    """The chart has no place for this error."""


def planted(answer: ChartAnswer, change: Callable[[Cells, random.Random], Cells], dice: random.Random) -> ChartAnswer:
    """The answer with `change` applied to its table; of a scatter chart, to the points of its first series."""
    if answer.points:
        first = change([list(point) for point in answer.points[0]], dice)
        return answer.model_copy(update={"points": [first, *answer.points[1:]]})
    return answer.model_copy(update={"rows": change([list(row) for row in answer.rows], dice)})


def scaled(factor: float) -> Callable[[Cells, random.Random], Cells]:
    """One value times `factor`."""

    def change(cells: Cells, dice: random.Random) -> Cells:
        row, column, value = _pick(cells, dice)
        cells[row][column] = _like(cells[row][column], value * factor)
        return cells

    return change


def all_scaled(factor: float) -> Callable[[Cells, random.Random], Cells]:
    """Every value times `factor`: a multiplier misread."""
    return lambda cells, _: [[row[0], *(_like(cell, value * factor) if (value := _number(cell)) is not None else cell
                                        for cell in row[1:])] for row in cells]  # fmt: skip


def one_off(cells: Cells, dice: random.Random) -> Cells:
    """One value moved by a tenth to a half of the values' range."""
    values = [value for row in cells for cell in row[1:] if (value := _number(cell)) is not None]
    row, column, value = _pick(cells, dice)
    span = max(values) - min(values) or abs(values[0])
    moved = value + dice.choice((-1, 1)) * dice.uniform(0.1, 0.5) * span
    cells[row][column] = _like(cells[row][column], moved if min(values) <= moved <= max(values) else 2 * value - moved)
    return cells


def swapped(cells: Cells, dice: random.Random) -> Cells:
    """Two series change their values; of one series, two neighbours do."""
    if len(cells[0]) > 2:
        one, other = dice.sample(range(1, len(cells[0])), 2)
        for row in cells:
            row[one], row[other] = row[other], row[one]
        return cells
    if len(cells) < 2:
        raise NotApplicable
    at = dice.randrange(len(cells) - 1)
    cells[at][1], cells[at + 1][1] = cells[at + 1][1], cells[at][1]
    return cells


def shifted(cells: Cells, _: random.Random) -> Cells:
    """Every label stands at the next row's values."""
    labels = [row[0] for row in cells]
    return [[label, *row[1:]] for label, row in zip([*labels[1:], labels[0]], cells, strict=True)]


def missing_row(cells: Cells, dice: random.Random) -> Cells:
    if len(cells) < 3:
        raise NotApplicable
    del cells[dice.randrange(len(cells))]
    return cells


def invented(answer: ChartAnswer, dice: random.Random) -> ChartAnswer:
    """One name (a series, or a category) is a word that stands nowhere."""
    word = dice.choice(WORDS)
    is_named = answer.x_kind == "category" and bool(answer.rows)
    if answer.series and (not is_named or dice.random() < 0.5):
        at = dice.randrange(len(answer.series))
        return answer.model_copy(update={"series": [*answer.series[:at], word, *answer.series[at + 1 :]]})
    if not is_named:
        raise NotApplicable
    at = dice.randrange(len(answer.rows))
    return answer.model_copy(update={"rows": [[word, *row[1:]] if index == at else row for index, row in enumerate(answer.rows)]})


def invented_title(answer: ChartAnswer, dice: random.Random) -> ChartAnswer:
    return answer.model_copy(update={"title": " ".join(dice.sample(WORDS, 2))})


def _on_cells(change: Callable[[Cells, random.Random], Cells]) -> Callable[[ChartAnswer, random.Random], ChartAnswer]:
    return lambda answer, dice: planted(answer, change, dice)


ERRORS: dict[str, Callable[[ChartAnswer, random.Random], ChartAnswer]] = {
    "one value off": _on_cells(one_off),
    "one value +10 %": _on_cells(scaled(1.1)),
    "one value x10": _on_cells(scaled(10)),
    "one value x1000": _on_cells(scaled(1000)),
    "all values x10": _on_cells(all_scaled(10)),
    "all values x1000": _on_cells(all_scaled(1000)),
    "swapped": _on_cells(swapped),
    "labels shifted": _on_cells(shifted),
    "a row missing": _on_cells(missing_row),
    "invented name": invented,
    "invented title": invented_title,
}


def _number(cell: str | None) -> float | None:
    found = parse_number(cell) if cell else None
    return found.value if found else None


def _pick(cells: Cells, dice: random.Random) -> tuple[int, int, float]:
    places = [
        (row, column, value)
        for row, line in enumerate(cells)
        for column, cell in enumerate(line)
        if column and (value := _number(cell))
    ]
    if not places:
        raise NotApplicable
    return dice.choice(places)


def _like(cell: str | None, value: float) -> str:
    return f"{value:.10g}" + ("%" if cell and cell.endswith("%") else "")


class Tally:
    """Of the charts whose drawing was read, or of those where it was refused."""

    def __init__(self) -> None:
        self.num_charts = self.num_flagged = 0
        self.false_alarms: dict[str, list[str]] = defaultdict(list)
        self.tried: Counter[str] = Counter()
        self.caught: dict[str, Counter[str]] = defaultdict(Counter)

    def joined(self, other: "Tally") -> "Tally":
        both = Tally()
        both.num_charts, both.num_flagged = self.num_charts + other.num_charts, self.num_flagged + other.num_flagged
        both.tried = self.tried + other.tried
        for part in (self, other):
            for flag, names in part.false_alarms.items():
                both.false_alarms[flag] += names
            for error, counts in part.caught.items():
                both.caught[error] += counts
        return both

    def report(self, name: str) -> None:
        if not self.num_charts:
            return
        flags = sorted({*self.false_alarms, *(flag for found in self.caught.values() for flag in found)} - {"any"})
        print(f"{name}: {self.num_charts} true answers, {self.num_flagged} flagged: {self.num_flagged / self.num_charts:.1%}")
        print("| planted | tried | caught | " + " | ".join(flags) + " |")
        print("|---|---|---|" + "---|" * len(flags))
        shares = " | ".join(f"{len(self.false_alarms[flag]) / self.num_charts:.1%}" for flag in flags)
        print(f"| nothing | {self.num_charts} | {self.num_flagged / self.num_charts:.1%} | {shares} |")
        for error, count in self.tried.items():
            shares = " | ".join(f"{self.caught[error][flag] / count:.0%}" for flag in flags)
            print(f"| {error} | {count} | {self.caught[error]['any'] / count:.0%} | {shares} |")


class Check:
    """As a run looks at a model's answer: beside the drawing where that was read, else beside the picture."""

    def __init__(self, region: Region, page: RenderedPage, drawn: ChartAnswer | None) -> None:
        self._region, self._page = region, page
        self._drawn = chart_content(drawn, region, page) if drawn else None

    def flags(self, answer: ChartAnswer) -> set[str]:
        """All flags of the chart and its points."""
        content = chart_content(answer, self._region, self._page, by_picture=self._drawn is None)
        found = {*content.flags, *(flag for point in content.points for flag in point.flags)}
        if self._drawn is not None:
            logs = self._drawn.y_scale == "log", self._drawn.x_scale == "log"
            seen = agreement(content.points, self._drawn.points, is_log=logs[0], is_x_log=logs[1])
            if seen is not None and seen.share < 1:
                found.add("vector_disagrees")
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=SHARED_CHARTS, help="charts with data (default: shared/charts)")
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--producer", nargs="*", help="only charts of these producers")
    parser.add_argument("--region", action="store_true", help="words of the region as it is found, not of the whole page")
    parser.add_argument("--scanned", action="store_true", help="no drawing is read: pictures with a text layer")
    parser.add_argument("--refused", action="store_true", help="only charts whose drawing is refused")
    parser.add_argument("--list", action="store_true", help="name the true answers that are flagged, and errors that are not seen")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        raise SystemExit("there are no charts beside the repository: make some with `python -m tests.bench made_charts`")
    read, refused = Tally(), Tally()
    for chart in true_charts(arguments.folder):
        if arguments.producer and chart.producer not in arguments.producer:
            continue
        dice = random.Random(f"{arguments.seed} {chart.name}")
        drawn, page = shown(chart.path)
        region = next(iter(page.regions), None) if arguments.region else whole_page(drawn, page)
        if region is None:
            continue
        (reading, *_) = drawn.vector_readings([region.bbox_px.scaled(1 / drawn.x, 1 / drawn.y)])
        if arguments.refused and reading.answer is not None:
            continue
        if arguments.scanned:
            reading = reading._replace(answer=None)
        tally = refused if reading.answer is None else read
        check = Check(region, page, reading.answer)
        of_truth = check.flags(chart.answer)
        tally.num_charts += 1
        tally.num_flagged += bool(of_truth)
        for flag in of_truth:
            tally.false_alarms[flag].append(chart.name)
        missed = []
        for name, plant in ERRORS.items():
            try:
                wrong = plant(chart.answer, dice)
            except NotApplicable:
                continue
            if wrong == chart.answer:
                continue
            tally.tried[name] += 1
            found = check.flags(wrong) - of_truth
            tally.caught[name].update(found)
            tally.caught[name]["any"] += bool(found)
            missed += [] if found else [name]
        if arguments.list and (of_truth or missed):
            print(f"{chart.name} ({reading.reason or 'read'}): false alarms {sorted(of_truth)}, not seen: {', '.join(missed)}")
    read.report("drawing read")
    refused.report("by picture" if arguments.scanned else "drawing refused")
    read.joined(refused).report("all")


if __name__ == "__main__":
    main()
