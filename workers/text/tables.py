"""Tables between three forms: rows of cells as asked of a model, HTML with spans, Markdown."""

import html
import re
from html.parser import HTMLParser
from typing import NamedTuple

Rows = list[list[str | None]]
ABOVE = "^"
MAX_PADDED = 200_000
"""Cells of a padded table; beyond, ragged rows stay ragged (one row of 30,000 cells among 10,000 rows of one)."""
MAX_SPAN = 64
MAX_SPANNED = 5_000
"""Places of one HTML table that spans may fill; later spans count as 1 (a table of 2,000 wide spans would be 16 million places)."""

_SEPARATOR = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*")
_CAPTION = re.compile(r"<caption\b[^<>]{0,500}>(.{0,5000}?)</caption>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,500}>")
_COMMENT = re.compile(r"<!--.{0,1000}?-->", re.DOTALL)
_NO_TAG = re.compile(r"<(?!/?[A-Za-z][^<>]*>)")
"""A sign that opens no tag. HTMLParser looks for the end of each to the end of the text, or takes a cell's words for attributes."""


class Cell(NamedTuple):
    text: str
    row: int
    column: int
    num_rows: int
    num_columns: int


class Grid(NamedTuple):
    cells: list[Cell]
    rows: list[list[str]]
    """Every row of one length (up to MAX_PADDED); a spanned cell's text stands in its first place, its other places are empty."""
    is_ragged: bool
    is_span_outside: bool
    """A continuation had nothing to continue (or no rectangle): taken as empty."""


def grid_of(rows: Rows) -> Grid:
    """Cells with their spans: None continues the cell on the left, "^" the one above.

    The top row of a cell says its width; its height grows by a row as long as all its places there are "^" (or None after a "^").
    """
    widest = max((len(row) for row in rows), default=0)
    is_ragged = any(len(row) != widest for row in rows)
    num_columns = widest if widest * len(rows) <= MAX_PADDED else 0
    padded = [[*row, *[""] * (num_columns - len(row))] for row in rows]
    owner = [[-1] * len(row) for row in padded]
    cells: list[Cell] = []
    is_span_outside = False
    for row_index, row in enumerate(padded):
        column = 0
        while column < len(row):
            text = row[column]
            above = owner[row_index - 1][column] if text == ABOVE and row_index and column < len(padded[row_index - 1]) else -1
            width = 1
            if above >= 0 and cells[above].column == column and _continues(row, column, cells[above].num_columns):
                cell = cells[above]
                cells[above] = cell._replace(num_rows=cell.num_rows + 1)
                width = cell.num_columns
                owner[row_index][column : column + width] = [above] * width
            else:
                is_span_outside |= text is None or text == ABOVE
                while column + width < len(row) and row[column + width] is None:
                    width += 1
                owner[row_index][column : column + width] = [len(cells)] * width
                cells.append(Cell("" if text is None or text == ABOVE else text, row_index, column, 1, width))
            column += width
    texts = [[""] * len(row) for row in padded]
    for cell in cells:
        texts[cell.row][cell.column] = cell.text
    return Grid(cells, texts, is_ragged, is_span_outside)


def _continues(row: list[str | None], column: int, width: int) -> bool:
    """All places of the cell above are continued in this row, and no more than these."""
    places = row[column : column + width]
    after = row[column + width] if column + width < len(row) else ""
    return len(places) == width and all(place is None or place == ABOVE for place in places) and after is not None


def to_html(grid: Grid, num_header_rows: int = 0) -> str:
    """`<table>` with rowspan and colspan, `<th>` in its head; text is escaped, Markdown inside it stays as it is."""
    by_row: dict[int, list[str]] = {row: [] for row in range(len(grid.rows))}
    for cell in grid.cells:
        spans = f' rowspan="{cell.num_rows}"' * (cell.num_rows > 1) + f' colspan="{cell.num_columns}"' * (cell.num_columns > 1)
        text = html.escape(cell.text, quote=False).replace("\n", "<br>")
        tag = "th" if cell.row < num_header_rows else "td"
        by_row[cell.row].append(f"<{tag}{spans}>{text}</{tag}>")
    return "<table>" + "".join(f"<tr>{''.join(row)}</tr>" for row in by_row.values()) + "</table>"


def to_markdown(grid: Grid) -> str:
    """Pipe table, first row as its head; a spanned cell's text once, in its first place."""
    if not grid.rows or not grid.rows[0]:
        return ""
    lines = ["| " + " | ".join(_pipe_cell(text) for text in row) + " |" for row in grid.rows]
    lines.insert(1, "|" + " --- |" * len(grid.rows[0]))
    return "\n".join(lines)


def _pipe_cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def rows_of_table_text(text: str) -> Rows | None:
    """Rows of a table given as HTML or as a Markdown pipe table; None where it is neither."""
    if "<tr" in text.lower():
        reader = _HtmlRows()
        reader.feed(_NO_TAG.sub("&lt;", _COMMENT.sub("", text)))
        reader.close()
        reader.handle_endtag("table")  # a last cell left open
        return reader.rows or None
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if len(lines) < 2 or not _SEPARATOR.fullmatch(lines[1]):
        return None
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.removeprefix("|").removesuffix("|"))]
        for index, line in enumerate(lines)
        if index != 1
    ]


def captions_of_table_text(text: str) -> list[str]:
    """What an HTML table says in `<caption>`, which is in none of its cells."""
    found = (html.unescape(_TAG.sub("", caption)).strip() for caption in _CAPTION.findall(text))
    return [caption for caption in found if caption]


class _HtmlRows(HTMLParser):
    """`<tr>`, `<td>` and `<th>` with their spans as rows of None and "^"."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: Rows = []
        self._continued: dict[tuple[int, int], int] = {}
        """(row, column) that a cell from above reaches down to -> its width."""
        self._num_spanned = 0
        self._text: list[str] | None = None
        self._span = (1, 1)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._end_cell()
            self.rows.append([])
            self._fill()
        elif tag in ("td", "th"):
            self._end_cell()
            self.rows = self.rows or [[]]  # as a browser opens the row that is missing
            given = dict(attrs)
            self._span = _span(given.get("rowspan")), _span(given.get("colspan"))
            self._text = []
        elif tag == "br" and self._text is not None:
            self._text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end_cell(self) -> None:
        if self._text is None:
            return
        num_rows, num_columns = self._span if self._num_spanned < MAX_SPANNED else (1, 1)
        self._num_spanned += num_rows * num_columns - 1
        row = self.rows[-1]
        for below in range(num_rows - 1):
            self._continued[len(self.rows) + below, len(row)] = num_columns
        row += ["".join(self._text).strip(), *[None] * (num_columns - 1)]
        self._text = None
        self._fill()

    def _fill(self) -> None:
        row = self.rows[-1]
        while width := self._continued.pop((len(self.rows) - 1, len(row)), 0):
            row += [ABOVE, *[None] * (width - 1)]


def _span(text: str | None) -> int:
    return min(max(int(text[:6]), 1), MAX_SPAN) if text and text.isascii() and text.isdigit() else 1  # Python refuses long digits
