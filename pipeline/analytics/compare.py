"""Two recipes on the same pages: how far their answers agree, by words, by cells of tables and by points of charts."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import duckdb

from pipeline.analytics.duckdb_tables import connected
from schemas.errors import OperatorError
from schemas.records import PointContent
from workers.charts.agreement import agreement as points_agreement
from workers.text.agreement import agreement as words_agreement
from workers.text.agreement import tokens_of

_KNOWN = """
    SELECT task, recipe_id, MAX(engine) AS engine, MAX(model) AS model, COUNT(*) AS num_answers
    FROM (
        SELECT 'ocr' AS task, recipe_id, engine, model FROM pages
        UNION ALL
        SELECT 'chart', recipe_id, engine, model FROM charts
    )
    GROUP BY task, recipe_id
"""
_READ = """
    SELECT *
    FROM (
        SELECT
            {table}.*,
            ROW_NUMBER() OVER (
                PARTITION BY {table}.document_id, {keys}, {table}.recipe_id
                ORDER BY {table}.plan_id DESC, {table}.attempt DESC, {table}.source_id, COALESCE({table}.rewrite, 0) DESC
            ) AS place
        FROM {table}
        JOIN (SELECT DISTINCT source_id, plan_id FROM documents) AS whole
            ON whole.source_id = {table}.source_id AND whole.plan_id = {table}.plan_id
        WHERE {table}.recipe_id IN ($first, $second) AND {table}.status IN ('ok', 'blank', 'none', 'partial')
    )
    WHERE place = 1
"""
_PAGES = f"""
    WITH read AS ({_READ.format(table="pages", keys="pages.page_index")})
    SELECT
        one.name, one.page_index, one.text_plain, other.text_plain,
        {{cells_of_one}}, {{cells_of_other}}
    FROM (SELECT *, REGEXP_EXTRACT(uri, '[^/]*$', 0) AS name FROM read WHERE recipe_id = $first) AS one
    JOIN (SELECT * FROM read WHERE recipe_id = $second) AS other
        ON other.document_id = one.document_id AND other.page_index = one.page_index
    ORDER BY one.uri, one.page_index
"""
_CELLS = """(
    SELECT LIST(text) FROM table_cells AS cells
    WHERE cells.source_id = {side}.source_id AND cells.page_index = {side}.page_index AND cells.plan_id = {side}.plan_id
        AND cells.attempt = {side}.attempt AND cells.recipe_id = {side}.recipe_id
        AND COALESCE(cells.rewrite, 0) = COALESCE({side}.rewrite, 0) AND text <> ''
)"""
_PAGES = _PAGES.format(cells_of_one=_CELLS.format(side="one"), cells_of_other=_CELLS.format(side="other"))
_POINTS = f"""
    WITH read AS ({_READ.format(table="charts", keys="charts.page_index, charts.region_index")}),
    pairs AS (
        SELECT
            one.document_id, one.page_index, one.region_index, one.uri,
            UNNEST([one.recipe_id, other.recipe_id]) AS recipe_id,
            UNNEST([one.plan_id, other.plan_id]) AS plan_id,
            UNNEST([one.attempt, other.attempt]) AS attempt,
            UNNEST([one.source_id, other.source_id]) AS source_id,
            UNNEST([COALESCE(one.rewrite, 0), COALESCE(other.rewrite, 0)]) AS rewrite
        FROM (SELECT * FROM read WHERE recipe_id = $first) AS one
        JOIN (SELECT * FROM read WHERE recipe_id = $second) AS other
            ON other.document_id = one.document_id AND other.page_index = one.page_index AND other.region_index = one.region_index
    )
    SELECT pairs.uri, pairs.page_index, pairs.region_index, pairs.recipe_id, {{fields}}
    FROM pairs
    LEFT JOIN chart_points AS points
        ON points.source_id = pairs.source_id AND points.page_index = pairs.page_index
        AND points.region_index = pairs.region_index AND points.plan_id = pairs.plan_id AND points.attempt = pairs.attempt
        AND points.recipe_id = pairs.recipe_id AND COALESCE(points.rewrite, 0) = pairs.rewrite
    ORDER BY pairs.uri, pairs.page_index, pairs.region_index, points.point_index
"""
_POINT_FIELDS = tuple(item.name for item in fields(PointContent))
_POINTS = _POINTS.format(fields=", ".join(f"points.{name}" for name in _POINT_FIELDS))


@dataclass(frozen=True)
class Compared:
    """One page, or one chart of it, under both recipes. Agreements are 0 to 1; None where neither has anything to compare."""

    name: str
    page_index: int
    region_index: int | None
    words: float | None
    cells: float | None
    points: float | None

    @property
    def least(self) -> float:
        return min((share for share in (self.words, self.cells, self.points) if share is not None), default=1.0)


@dataclass(frozen=True)
class KnownRecipe:
    task: str
    recipe_id: str
    engine: str
    model: str | None
    num_answers: int

    @property
    def who(self) -> str:
        return f"{self.recipe_id} ({' '.join(filter(None, (self.engine, self.model)))}, {self.num_answers} answers)"


@dataclass(frozen=True)
class Comparison:
    task: str
    first: KnownRecipe
    second: KnownRecipe
    num_compared: int
    """Pages, or charts, that both have read."""
    words: float | None
    """Means over these, of those that have any."""
    cells: float | None
    points: float | None
    num_same: int
    """Of these, in which nothing differs."""
    worst: list[Compared]
    """Those that differ most, the worst first."""


def compare(output: str, first: str, second: str, *, most: int = 10) -> Comparison:
    """Compares the newest answers under each recipe. A recipe is named by its id, or by as much of it as no other has.

    Raises OperatorError: no such recipe, or two of different tasks.
    """
    with connected(output, _KNOWN + _PAGES + _POINTS) as connection:
        known = [KnownRecipe(*row) for row in connection.execute(_KNOWN).fetchall()]
        one, other = (named(name, known) for name in (first, second))
        if one.task != other.task:
            raise OperatorError(
                f"{one.recipe_id} is a recipe of {one.task} and {other.recipe_id} of {other.task}: nothing to compare."
            )
        asked = {"first": one.recipe_id, "second": other.recipe_id}
        pairs = (_pages if one.task == "ocr" else _charts)(connection, asked)
        return _summed(one, other, pairs, most)


def known_recipes(output: str) -> list[KnownRecipe]:
    """Those that have answers in the tables."""
    with connected(output, _KNOWN) as connection:
        return [KnownRecipe(*row) for row in connection.execute(_KNOWN).fetchall()]


def named(name: str, known: list[KnownRecipe]) -> KnownRecipe:
    """The recipe whose id begins so. Raises OperatorError if there is not one."""
    found = [recipe for recipe in known if recipe.recipe_id.startswith(name)]
    if len(found) != 1:
        listed = "; ".join(
            f"{recipe.task} {recipe.who}" for recipe in sorted(known, key=lambda recipe: (recipe.task, recipe.recipe_id))
        )
        what = "no recipe" if not found else "more than one recipe"
        raise OperatorError(f"{what} of these tables begins with {name!r}; there are: {listed or 'none'}.")
    return found[0]


def _pages(connection: duckdb.DuckDBPyConnection, asked: dict[str, str]) -> Iterator[Compared]:
    found = connection.execute(_PAGES, asked)
    while rows := found.fetchmany(100):
        for name, page_index, text, other_text, cells, other_cells in rows:
            words = words_agreement(tokens_of(text or ""), tokens_of(other_text or ""))
            yield Compared(name, page_index, None, words, _bag_agreement(cells or [], other_cells or []), None)


def _bag_agreement(one: list[str], other: list[str]) -> float | None:
    """Cells that both have, wherever they stand, of those that either has."""
    bags = Counter(map(_folded, one)), Counter(map(_folded, other))
    either = (bags[0] | bags[1]).total()
    return (bags[0] & bags[1]).total() / either if either else None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _charts(connection: duckdb.DuckDBPyConnection, asked: dict[str, str]) -> Iterator[Compared]:
    found = connection.execute(_POINTS, asked)
    rows: Iterator[tuple[Any, ...]] = iter(found.fetchone, None)
    for (uri, page_index, region_index), group in groupby(rows, key=lambda row: row[:3]):
        points: dict[str, list[PointContent]] = {recipe_id: [] for recipe_id in asked.values()}
        for row in group:
            if row[4 + _POINT_FIELDS.index("point_index")] is not None:
                points[row[3]].append(PointContent(**dict(zip(_POINT_FIELDS, row[4:], strict=True))))
        yield Compared(uri.rpartition("/")[2], page_index, region_index, None, None, _points_share(*points.values()))


def _points_share(one: list[PointContent], other: list[PointContent]) -> float | None:
    if not one and not other:
        return None
    seen = points_agreement(one, other)
    return seen.share if seen is not None else 0.0 if any(point.value is not None for point in one) else None


def _summed(one: KnownRecipe, other: KnownRecipe, pairs: Iterator[Compared], most: int) -> Comparison:
    sums: Counter[str] = Counter()
    totals = dict.fromkeys(("words", "cells", "points"), 0.0)
    worst: list[tuple[float, int, Compared]] = []
    num_compared = num_same = 0
    for pair in pairs:
        num_compared += 1
        num_same += pair.least == 1
        for measure in totals:
            if (share := getattr(pair, measure)) is not None:
                sums[measure] += 1
                totals[measure] += share
        if pair.least < 1:
            item = (-pair.least, -num_compared, pair)
            heapq.heappush(worst, item) if len(worst) < most else heapq.heappushpop(worst, item)
    means = {measure: totals[measure] / sums[measure] if sums[measure] else None for measure in totals}
    listed = [pair for *_, pair in sorted(worst, reverse=True)]
    return Comparison(one.task, one, other, num_compared, num_same=num_same, worst=listed, **means)
