"""ICDAR-2013's measure of a table's structure: pairs of neighbouring cells, found and expected.

Source: Göbel, Hassan, Oro, Orsi, "ICDAR 2013 Table Competition": every cell with content has a relation to its nearest neighbour
with content, to the right and below; texts are compared without white space and case, signs as underscores. Here the relations of
all tables of a document are one multiset, so that a false table costs precision and a missed one recall.
"""

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from workers.text.tables import Cell, Rows, grid_of

Relations = Counter[tuple[str, str, str]]
"""(text, its neighbour's text, "right" or "below")."""


@dataclass(frozen=True)
class Score:
    num_right: int
    num_found: int
    num_expected: int

    @property
    def f(self) -> float:
        """1 where nothing is expected and nothing found."""
        total = self.num_found + self.num_expected
        return 2 * self.num_right / total if total else 1.0

    def plus(self, other: "Score") -> "Score":
        return Score(*(a + b for a, b in zip(self._counts, other._counts, strict=True)))

    @property
    def _counts(self) -> tuple[int, int, int]:
        return self.num_right, self.num_found, self.num_expected


def score(found: Relations, expected: Relations) -> Score:
    return Score((found & expected).total(), found.total(), expected.total())


def relations_of_tables(tables: Iterable[Rows]) -> Relations:
    return sum((relations(grid_of(rows).cells) for rows in tables), Counter())


def relations(cells: Sequence[Cell]) -> Relations:
    """Of one table."""
    found: set[tuple[int, int, str]] = set()
    filled = [(index, cell) for index, cell in enumerate(cells) if normal(cell.text)]
    rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    columns: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, cell in filled:
        for row in range(cell.row, cell.row + cell.num_rows):
            rows[row].append((cell.column, index))
        for column in range(cell.column, cell.column + cell.num_columns):
            columns[column].append((cell.row, index))
    for lines, direction in ((rows, "right"), (columns, "below")):
        for line in lines.values():
            found |= {(one, other, direction) for (_, one), (_, other) in pairwise(sorted(line)) if one != other}
    return Counter((normal(cells[one].text), normal(cells[other].text), direction) for one, other, direction in found)


def normal(text: str) -> str:
    letters = unicodedata.normalize("NFKC", "".join(text.split())).upper()
    return re.sub(r"[^\w]|_", "_", letters)


def icdar_relations(structure: Path) -> Relations:
    """Of all tables of a document's `-str.xml`, region by region: a table that goes on over a page is read page by page."""
    total: Relations = Counter()
    for region in ET.parse(structure).iter("region"):
        total += relations([cell for element in region.iter("cell") for cell in _cell(element)])
    return total


def _cell(element: ET.Element) -> Iterable[Cell]:
    row, column = int(element.attrib["start-row"]), int(element.attrib["start-col"])
    num_rows = int(element.get("end-row", row)) - row + 1
    num_columns = int(element.get("end-col", column)) - column + 1
    yield Cell(element.findtext("content") or "", row, column, num_rows, num_columns)
