"""A chart's rows as points: one typed value each, with its unit, its multiplier and its verbatim text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from schemas.answers import ChartAnswer
from schemas.page import Word
from schemas.records import PointContent
from workers.labels.axis_units import AxisUnit, axis_unit
from workers.labels.numbers import decimal_convention, parse_number, plain_digits
from workers.labels.quantities import Quantity, read_quantity
from workers.labels.times import parse_time

Axis = Literal["y", "y2"]


_POINT_KINDS = ("scatter", "bubble")
_HORIZONTAL = re.compile(r"horizontal|barh", re.IGNORECASE)


class _Cell(NamedTuple):
    series_index: int
    x_text: str | None
    y_text: str | None
    size_text: str | None = None


class ChartReader:
    """One chart's conventions: decimal separator, axes' units, series and the axis of each."""

    def __init__(self, answer: ChartAnswer, words: Sequence[Word]) -> None:
        self._answer = answer
        self.flags: list[str] = []
        self._printed = {_compact(word.text) for word in words}
        self._printed_text = " ".join(_compact(word.text) for word in words)
        self._has_words = bool(words)
        self._cells = list(self._read_cells())
        self.series = self._series()
        texts = [text for cell in self._cells for text in (cell.y_text, cell.size_text) if text]
        self._decimal = decimal_convention(texts) or decimal_convention(word.text for word in words)
        self._units: dict[Axis, AxisUnit] = {
            "y": axis_unit(answer.unit, answer.y),
            "y2": axis_unit(answer.y2_unit, answer.y2),
        }
        self._x_unit = axis_unit(answer.x_unit, answer.x)
        self._y2 = self._y2_series()

    @property
    def is_horizontal(self) -> bool:
        return self._answer.chart in ("bar", "funnel") and bool(_HORIZONTAL.search(self._answer.subtype or ""))

    @property
    def has_y2(self) -> bool:
        return bool(self._y2)

    def are_names(self, texts: Iterable[str]) -> bool:
        """True if all texts are names of categories or series, such as years at the side of a horizontal bar chart, which are no
        scale."""
        x_texts = [cell.x_text for cell in self._cells] if self._answer.x_kind in ("category", "time", None) else []
        names = {_compact(name) for name in (*x_texts, *self.series) if name}
        return all(_compact(text) in names for text in texts)

    def points(self) -> list[PointContent]:
        return [self._point(index, cell) for index, cell in enumerate(self._cells)]

    def reading(self, text: str | None, axis: Axis) -> Quantity | None:
        """The text as a number in the axis' unit. The axis' multiplier applies unless the text has its own (`1.2k`) or another
        unit."""
        return read_quantity(text, self._units[axis], decimal=self._decimal) if text else None

    def _read_cells(self) -> Iterator[_Cell]:
        answer = self._answer
        if answer.points and (answer.chart in _POINT_KINDS or not answer.rows):
            for series_index, points in enumerate(answer.points):
                for point in points:
                    if len(point) not in (2, 3):
                        self._flag("row_length")
                    x, y, size = (*point[:3], None, None, None)[:3]
                    if point:
                        yield _Cell(series_index, _text(x), _text(y), _text(size))
            return
        width = len(answer.series) or max((len(row) - 1 for row in answer.rows), default=1) or 1
        for row in answer.rows:
            if len(row) != width + 1:
                self._flag("row_length")
            if row:
                for series_index in range(width):
                    yield _Cell(series_index, _text(row[0]), _text(row[series_index + 1]) if series_index + 1 < len(row) else None)

    def _series(self) -> list[str | None]:
        """The names of all series in the data; None for a series without a name."""
        num_series = max((cell.series_index for cell in self._cells), default=-1) + 1
        names = [name.strip() or None for name in self._answer.series]
        if num_series > len(names) and names:
            self._flag("row_length")
        return [*names, *[None] * (num_series - len(names))]

    def _y2_series(self) -> frozenset[int]:
        wanted = {name.strip().casefold() for name in self._answer.y2_series if name.strip()}
        found = {index for index, name in enumerate(self.series) if name and name.casefold() in wanted}
        names = {(self.series[index] or "").casefold() for index in found}
        has_second_axis = bool(self._answer.y2 or self._answer.y2_unit)
        if wanted - names or (has_second_axis and not found):
            self._flag("y2_unknown")
        return frozenset(found)

    def _point(self, index: int, cell: _Cell) -> PointContent:
        axis: Axis = "y2" if cell.series_index in self._y2 else "y"
        flags: list[str] = []
        found = self.reading(cell.y_text, axis)
        if found:
            if found.is_ambiguous:
                flags.append("number_ambiguous")
                self._flag("number_ambiguous")
            if found.value <= 0 and self._answer.scale == "log" and axis == "y":
                flags.append("log_not_positive")
                self._flag("log_not_positive")
        elif cell.y_text and any(char.isdigit() for char in cell.y_text):
            flags.append("not_a_number")
            self._flag("not_a_number")
        x_kind = self._answer.x_kind or ("number" if self._answer.chart in _POINT_KINDS else None)
        x_number = read_quantity(cell.x_text, self._x_unit, decimal=self._decimal) if cell.x_text and x_kind == "number" else None
        size = parse_number(cell.size_text, decimal=self._decimal) if cell.size_text else None
        return PointContent(
            point_index=index,
            series_index=cell.series_index,
            series=self.series[cell.series_index],
            x_text=cell.x_text,
            x_value=x_number and x_number.value,
            x_time=parse_time(cell.x_text) if cell.x_text and x_kind == "time" else None,
            y_text=cell.y_text,
            value=found and found.value,
            unit=found and found.unit,
            scale=found and found.scale,
            axis=axis,
            is_estimated=self._is_estimated(cell.y_text, found) if found else None,
            size_text=cell.size_text,
            size_value=size.value if size else None,
            flags=flags,
        )

    def _is_estimated(self, text: str | None, found: Quantity) -> bool | None:
        """True if the value was read off the axis: if the chart prints none (a value may look like a tick), and if its text begins
        with `~` or the like (`>50` may be printed). False if the chart prints all. Else the text layer decides; None if there is
        none."""
        if self._answer.printed == "none" or (found.is_approximate and (text or "").lstrip()[:1] in "~≈≃∼≅"):
            return True
        if self._answer.printed == "all":
            return False
        if not self._has_words or not text:
            return None
        compact = _compact(text)
        return not (compact in self._printed or (len(compact) > 2 and f" {compact} " in f" {self._printed_text} "))

    def _flag(self, flag: str) -> None:
        if flag not in self.flags:
            self.flags.append(flag)


def _text(text: str | None) -> str | None:
    """The text; None if it is empty, because nothing was seen."""
    return text.strip() or None if text is not None else None


def _compact(text: str) -> str:
    return plain_digits(text).casefold().replace(" ", "").strip(".,;:()")
