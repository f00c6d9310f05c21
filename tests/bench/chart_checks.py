"""Errors planted into true answers: what a chart's checks catch, how often they cry wolf: `python -m tests.bench.chart_checks`.

For each chart whose data is known the true answer is checked first: every flag on it is a false alarm. Then each kind of error
is planted into it, and caught means that a flag is raised which the true answer did not raise.
"""

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.answers import ChartAnswer
from tests.bench.true_charts import CHARTS, shown, true_charts, whole_page
from workers.charts.content import ChartContent, chart_content
from workers.labels.numbers import parse_number

WORDS = ("Quixol", "Brantham", "Velodrin", "Ostrika", "Marlune", "Tessivar")
REPEATS = 1
"""Draws of each error per chart."""

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


def raised(content: ChartContent) -> set[str]:
    """All flags of the chart and its points."""
    return {*content.flags, *(flag for point in content.points for flag in point.flags)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=CHARTS, help="charts with their data (default: shared/charts)")
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--producer", nargs="*", help="only charts of these producers")
    parser.add_argument("--region", action="store_true", help="words of the region as it is found, not of the whole page")
    parser.add_argument("--list", action="store_true", help="name the true answers that are flagged")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        raise SystemExit("there are no charts beside the repository: make some with tests/bench/make_charts.py")
    dice = random.Random(arguments.seed)
    false_alarms: dict[str, list[str]] = defaultdict(list)
    num_flagged = num_charts = 0
    tried: Counter[str] = Counter()
    caught: dict[str, Counter[str]] = defaultdict(Counter)
    for chart in true_charts(arguments.folder):
        if arguments.producer and chart.producer not in arguments.producer:
            continue
        drawn, page = shown(chart.path)
        region = next(iter(page.regions), None) if arguments.region else whole_page(drawn, page)
        if region is None:
            continue
        of_truth = raised(chart_content(chart.answer, region, page, is_model_s=True))
        num_charts += 1
        num_flagged += bool(of_truth)
        for flag in of_truth:
            false_alarms[flag].append(chart.name)
        for name, plant in ERRORS.items():
            for _ in range(REPEATS):
                try:
                    wrong = plant(chart.answer, dice)
                except NotApplicable:
                    break
                if wrong == chart.answer:
                    continue
                tried[name] += 1
                found = raised(chart_content(wrong, region, page, is_model_s=True)) - of_truth
                caught[name].update(found)
                caught[name]["any"] += bool(found)
    report(num_charts, num_flagged, false_alarms, tried, caught)
    if arguments.list:
        for flag, names in sorted(false_alarms.items()):
            print(f"false alarm: {flag}: {', '.join(names)}")


def report(
    num_charts: int, num_flagged: int, false_alarms: dict[str, list[str]], tried: Counter[str], caught: dict[str, Counter[str]]
) -> None:
    flags: list[Any] = sorted({*false_alarms, *(flag for found in caught.values() for flag in found)} - {"any"})
    print(f"{num_charts} true answers, {num_flagged} flagged: {num_flagged / max(num_charts, 1):.1%}")
    print("| planted | tried | caught | " + " | ".join(flags) + " |")
    print("|---|---|---|" + "---|" * len(flags))
    shares = " | ".join(f"{len(false_alarms[flag]) / max(num_charts, 1):.1%}" for flag in flags)
    print(f"| nothing | {num_charts} | {num_flagged / max(num_charts, 1):.1%} | {shares} |")
    for name, count in tried.items():
        shares = " | ".join(f"{caught[name][flag] / count:.0%}" for flag in flags)
        print(f"| {name} | {count} | {caught[name]['any'] / count:.0%} | {shares} |")


if __name__ == "__main__":
    main()
