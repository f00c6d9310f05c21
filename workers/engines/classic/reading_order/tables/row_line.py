"""A line of a table whose columns are known."""

from dataclasses import dataclass, field

from workers.engines.classic.reading_order.tables.table_lines import Line, is_value, is_year, text_of


@dataclass
class RowLine:
    """One line of the table: its atoms by (first column, last column)."""

    top: float
    bottom: float
    size: float
    cells: dict[tuple[int, int], Line] = field(default_factory=dict)

    @property
    def is_label(self) -> bool:
        """Text in the first column, and no more."""
        return len(self.cells) == 1 and next(iter(self.cells))[0] == 0

    @property
    def has_span(self) -> bool:
        return any(last > first for first, last in self.cells)

    @property
    def has_label(self) -> bool:
        return any(first == 0 for first, _ in self.cells)

    @property
    def numbers(self) -> int:
        """Cells with a value, the first column apart; years are heads."""
        texts = [text_of([atoms]) for (first, _), atoms in self.cells.items() if first > 0]
        return sum(is_value(text) and not is_year(text) for text in texts)

    def label(self) -> Line | None:
        return next((atoms for (first, _), atoms in self.cells.items() if first == 0), None)
