"""How many errors planted into true answers the drawing sees, and how many true answers it doubts:
`python -m tests.bench.witness [FOLDER]`.

FOLDER as for `tests.bench.vector_charts`. The data of a chart, written as a model would, is compared with what its drawing
says. Charts whose drawing is refused have no witness: they are counted, and left out.
"""

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pymupdf

from schemas.answers import ChartAnswer
from tests.bench.vector_charts import CHARTS, Point, read_page, truth
from workers.charts.agreement import agreement
from workers.charts.points import ChartReader

Rows = list[list[str | None]]


def as_answer(points: list[Point], drawn: ChartAnswer) -> ChartAnswer:
    """The data under the kind, the scale and the unit of the drawing."""
    series = list(dict.fromkeys(point.series for point in points))
    factor = 100.0 if drawn.unit == "%" and max(abs(point.value) for point in points) <= 1.0001 else 1.0
    if drawn.chart == "pie":
        factor = 100 / sum(point.value for point in points)
    fields = drawn.model_dump(exclude={"rows", "points", "series", "printed", "title"})
    named = [name for name in series if name]
    if drawn.chart == "scatter":
        marks = [[[point.x, f"{factor * point.value:.4g}"] for point in points if point.series == name] for name in series]
        return ChartAnswer(**fields, printed="none", series=named, points=marks)
    values = {(point.x, point.series): f"{factor * point.value:.4g}" for point in points}
    xs = list(dict.fromkeys(point.x for point in points))
    return ChartAnswer(**fields, printed="none", series=named, rows=[[x, *(values.get((x, name)) for name in series)] for x in xs])


def _number(cell: str | None) -> float:
    return float(cell) if cell else 0.0


def one_off(rows: Rows, numbers: random.Random) -> Rows:
    """One value moved by a tenth of what all span, and more."""
    cells = [_number(cell) for row in rows for cell in row[1:]]
    span = max(*cells, 0.0) - min(*cells, 0.0)
    row, column = numbers.randrange(len(rows)), numbers.randrange(1, len(rows[0]))
    moved = _number(rows[row][column]) + numbers.choice([-1, 1]) * numbers.uniform(0.1, 0.6) * span
    return [[*each[:column], f"{moved:.4g}", *each[column + 1 :]] if index == row else each for index, each in enumerate(rows)]


def times_ten(rows: Rows, _: random.Random) -> Rows:
    return [[row[0], *(f"{10 * _number(cell):.4g}" for cell in row[1:])] for row in rows]


def tenth_more(rows: Rows, _: random.Random) -> Rows:
    return [[row[0], *(f"{1.1 * _number(cell):.4g}" for cell in row[1:])] for row in rows]


def swapped(rows: Rows, _: random.Random) -> Rows:
    return [[row[0], row[2], row[1], *row[3:]] for row in rows]


def shifted(rows: Rows, _: random.Random) -> Rows:
    return [[name[0], *row[1:]] for name, row in zip([*rows[1:], rows[0]], rows, strict=True)]


def row_missing(rows: Rows, numbers: random.Random) -> Rows:
    place = numbers.randrange(len(rows))
    return rows[:place] + rows[place + 1 :]


ERRORS: dict[str, Callable[[Rows, random.Random], Rows]] = {
    "one value off": one_off,
    "x10": times_ten,
    "+10 %": tenth_more,
    "series swapped": swapped,
    "labels shifted": shifted,
    "a row missing": row_missing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=CHARTS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not given.folder.is_dir():
        sys.exit(f"{given.folder} is not there: nothing is measured.")
    numbers = random.Random(given.seed)
    num_charts = num_doubted = 0
    seen: dict[str, list[bool]] = {name: [] for name in ERRORS}
    doubted = []
    paths = sorted(path for path in given.folder.glob("*.csv") if not path.name.startswith("trap_"))
    for path in paths:
        with pymupdf.open(path.with_suffix(".pdf")) as pdf:
            (reading, *_), _ = read_page(pdf[0], by_regions=False)
        if reading.answer is None:
            continue
        drawn = ChartReader(reading.answer, []).points()
        answer = as_answer(truth(path), reading.answer)
        num_charts += 1
        found = agreement(ChartReader(answer, []).points(), drawn)
        if found is not None and found.share < 1:
            num_doubted += 1
            doubted.append(f"{path.stem} {found.share:.2f}")
        for name, plant in ERRORS.items():
            if len(answer.rows) < 2 or (name == "series swapped" and len(answer.series) < 2):
                continue
            planted = answer.model_copy(update={"rows": plant(answer.rows, numbers)})
            if planted.rows == answer.rows:
                continue
            found = agreement(ChartReader(planted, []).points(), drawn)
            seen[name].append(found is not None and found.share < 1)
    print(
        f"{num_charts} of {len(paths)} charts have a witness; {num_doubted} true answers are doubted: "
        f"{', '.join(doubted) or 'none'}"
    )
    for name, caught in seen.items():
        print(f"  {name}: {sum(caught)} of {len(caught)} seen")


if __name__ == "__main__":
    main()
