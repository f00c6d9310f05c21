import pytest

from tests.growth import assert_grows_linearly
from workers.text.tables import grid_of, rows_of_table_text, to_html, to_markdown


@pytest.mark.parametrize(
    ("rows", "html"),
    [
        ([["a", "b"], ["c", "d"]], "<tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr>"),
        ([["a", None], ["c", "d"]], '<tr><td colspan="2">a</td></tr><tr><td>c</td><td>d</td></tr>'),
        ([["a", "b"], ["^", "d"]], '<tr><td rowspan="2">a</td><td>b</td></tr><tr><td>d</td></tr>'),
        (
            [["a", None, "b"], ["^", None, "c"], ["^", "^", "d"]],
            '<tr><td rowspan="3" colspan="2">a</td><td>b</td></tr><tr><td>c</td></tr><tr><td>d</td></tr>',
        ),
        ([["<b>&", "1\n2"]], "<tr><td>&lt;b&gt;&amp;</td><td>1<br>2</td></tr>"),
        ([], ""),
    ],
)
def test_continued_cells_become_spans(rows, html):
    grid = grid_of(rows)

    assert to_html(grid) == f"<table>{html}</table>"
    assert (grid.is_ragged, grid.is_span_outside) == (False, False)


@pytest.mark.parametrize(("span", "columns"), [("2", 2), ("0", 1), ("9" * 5000, 64), ("-1", 1), ("٣", 1)])
def test_a_span_is_a_number_that_a_table_may_have(span, columns):
    (row,) = rows_of_table_text(f'<table><tr><td colspan="{span}">a</td></tr></table>')

    assert row == ["a", *[None] * (columns - 1)]


@pytest.mark.parametrize(
    "rows",
    [
        [[None, "a"]],  # nothing on the left
        [["^", "a"]],  # nothing above
        [["a", None], ["^", "b"]],  # half of a wide cell
        [["a", "b"], ["^", None]],  # wider than the cell above
    ],
)
def test_a_continuation_of_nothing_is_empty_and_said(rows):
    grid = grid_of(rows)

    assert grid.is_span_outside
    assert sum(cell.num_rows * cell.num_columns for cell in grid.cells) == sum(map(len, rows))


def test_ragged_rows_are_padded_and_said():
    grid = grid_of([["a", "b", "c"], ["d"]])

    assert grid.rows == [["a", "b", "c"], ["d", "", ""]]
    assert grid.is_ragged


def test_markdown_has_a_spanned_text_once_and_escapes_pipes():
    assert to_markdown(grid_of([["a|b", None], ["c\nd", r"e\|f"]])) == "| a\\|b |  |\n| --- | --- |\n| c d | e\\|f |"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("| a | b |\n|:--|--:|\n| 1 | 2\\|3 |", [["a", "b"], ["1", "2|3"]]),
        ("a | b\n--|--\n1 | 2", [["a", "b"], ["1", "2"]]),
        ("<table><tr><th>a&amp;b</th><th>c</th></tr><tr><td colspan='2'>d<br>e</td></tr></table>", [["a&b", "c"], ["d\ne", None]]),
        (
            "<table><tr><td rowspan=2 colspan=2>a</td><td>b</td></tr><tr><td>c</td></tr><tr><td>d<td>e<td>f</table>",
            [["a", None, "b"], ["^", None, "c"], ["d", "e", "f"]],
        ),
        ("<tr><td colspan=-3>a<td rowspan=999999999>b", [["a", "b"]]),
        ("<tr><td>p<q and r<td>s < 0.5</td><!-- <td> a note --><td>t<sub>1</sub></tr>", [["p<q and r", "s < 0.5", "t1"]]),
        ("| a | b |", None),
        ("just text", None),
    ],
)
def test_tables_written_as_text_become_rows(text, rows):
    assert rows_of_table_text(text) == rows


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["<td a=", "<!--", "<!-->", "<td a='", "<td a=\"'", "</td ", "<![", "<?", "<"])
def test_tags_that_never_end_cost_no_more_each(sign):
    assert_grows_linearly(lambda size: rows_of_table_text("<tr><td>" + size * sign), 8000)


def test_rows_of_the_head_are_marked_in_html():
    grid = grid_of([["a", None], ["b", "c"]])

    assert to_html(grid, 1) == '<table><tr><th colspan="2">a</th></tr><tr><td>b</td><td>c</td></tr></table>'
