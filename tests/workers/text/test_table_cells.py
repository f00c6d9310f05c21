"""From a table's HTML to cells: positions, spans, headers, typed values."""

from datetime import UTC, datetime

import pytest

from workers.text import table_cells as module
from workers.text.table_cells import table_cells
from workers.text.tables import grid_of, to_html


def cells_of(rows, **options):
    return table_cells(to_html(grid_of(rows)), **({"is_literal": True} | options))


def test_positions_and_spans():
    table = table_cells(
        '<table><tr><th rowspan="2">Region</th><th colspan="2">2023</th></tr><tr><th>Q1</th><th>Q2</th></tr>'
        "<tr><td>North</td><td>1</td><td></td></tr></table>",
        is_literal=True,
    )

    assert (table.num_rows, table.num_columns, table.num_header_rows) == (3, 3, 2)
    assert [(c.row_index, c.column_index, c.row_span, c.column_span, c.text) for c in table.cells] == [
        (0, 0, 2, 1, "Region"),
        (0, 1, 1, 2, "2023"),
        (1, 1, 1, 1, "Q1"),
        (1, 2, 1, 1, "Q2"),
        (2, 0, 1, 1, "North"),
        (2, 1, 1, 1, "1"),
        (2, 2, 1, 1, ""),
    ]
    assert [c.header for c in table.cells if c.row_index == 2] == ["Region", "2023 | Q1", "2023 | Q2"]
    assert [c.row_label for c in table.cells if c.row_index == 2] == [None, "North", "North"]
    assert [c.is_header for c in table.cells] == [True] * 4 + [False] * 3


def test_a_first_cell_names_all_rows_that_it_spans():
    table = cells_of([["Year", "Region", "t"], ["2023", "North", "1"], ["^", "South", "2"], ["2024", "North", "3"]])

    assert [(c.text, c.row_label) for c in table.cells if c.column_index == 1] == [
        ("Region", "Year"),
        ("North", "2023"),
        ("South", "2023"),
        ("North", "2024"),
    ]


def test_values_are_in_the_unit_and_multiplier_of_their_header():
    table = cells_of([["Year", "Revenue (USD million)", "Share"], ["2022", "1,234.5", "12 %"], ["2023", "(80)", "n/a"]])

    (year, revenue, share), (_, loss, unknown) = (table.cells[start : start + 3] for start in (3, 6))
    assert (revenue.value, revenue.unit, revenue.scale) == (1_234_500_000, "USD", 1e6)
    assert (loss.value, loss.text) == (-80e6, "(80)")
    assert (share.value, share.unit) == (12, "%")
    assert (unknown.value, unknown.text) == (None, "n/a")
    assert year.value == 2022
    assert year.time is None


def test_dates_that_are_no_numbers():
    table = cells_of([["When", "n"], ["31 March 2021", "3"]])

    assert table.cells[2].time == datetime(2021, 3, 31, tzinfo=UTC)
    assert table.cells[2].value is None


def test_the_decimal_separator_is_the_tables_own():
    table = cells_of([["Land", "t"], ["A", "1.234"], ["B", "0,5"], ["C", "1.234,25"]])

    assert [cell.value for cell in table.cells if cell.column_index and cell.row_index] == [1234, 0.5, 1234.25]
    assert all(not cell.flags for cell in table.cells)
    unclear = cells_of([["Land", "t"], ["A", "1.234"]])
    assert unclear.cells[3].flags == ["number_ambiguous"]


@pytest.mark.parametrize(
    ("rows", "num_header_rows"),
    [
        ([["Name", "Value"], ["a", "1"]], 1),
        ([["", "2023", "2024"], ["a", "1", "2"]], 1),  # years name columns
        ([["", "2023"], ["a", "2024"]], 0),
        ([["a", "1"], ["b", "2"]], 0),  # numbers from the first row on
        ([["Yes", "No"], ["a", "b"]], 0),  # nothing tells a header from a row
        ([["", ""], ["a", "1"]], 0),
    ],
)
def test_where_no_cell_is_marked_a_first_row_without_numbers_is_the_header(rows, num_header_rows):
    assert cells_of(rows).num_header_rows == num_header_rows


def test_the_text_of_a_model_is_markdown_and_of_a_layer_is_not():
    assert cells_of([["**bold** *x*"]], is_literal=False).cells[0].text == "bold x"
    assert cells_of([["2*3*4 &lt; <b>"]]).cells[0].text == "2*3*4 &lt; <b>"


def test_as_many_cells_as_a_table_may_have(monkeypatch):
    monkeypatch.setattr(module, "MAX_CELLS", 3)

    table = cells_of([["a", "b"], ["c", "d"]])

    assert [cell.text for cell in table.cells] == ["a", "b", "c"]
    assert table.is_cut
    assert not cells_of([["a", "b", "c"]]).is_cut


@pytest.mark.parametrize("source", ["", "<table></table>", "no table", "<table><tr></tr></table>", "<tr><td>open"])
def test_what_is_no_table_has_no_cells(source):
    assert table_cells(source, is_literal=True).cells == []


def test_a_span_beyond_the_tables_end_is_cut():
    table = table_cells('<table><tr><td rowspan="9" colspan="3">a</td></tr><tr><td>b</td></tr></table>', is_literal=True)

    assert [(c.text, c.row_index, c.column_index, c.row_span) for c in table.cells] == [("a", 0, 0, 2), ("b", 1, 3, 1)]
    assert table.num_columns == 4
