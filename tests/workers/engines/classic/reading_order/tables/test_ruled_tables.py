import pytest

from schemas.page import BOLD, Word
from workers.engines.classic.reading_order.blocks import blocks_in_order
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.tables.ruled_grids import GridCell, ruled_grids
from workers.engines.classic.reading_order.tables.ruled_tables import ruled_table
from workers.engines.classic.reading_order.tables.ruling import Rule, Rules

SIZE = 10.0


def grid_rules(xs, ys):
    return Rules(tuple(Rule(y, xs[0], xs[-1]) for y in ys), tuple(Rule(x, ys[0], ys[-1]) for x in xs))


def text(line, left, top, style=0):
    """Words of 5 units a letter, 10 high, on one line of MuPDF's."""
    words, left0 = [], left
    for part in line.split():
        words.append(Word(part, left, top, left + 5 * len(part), top + SIZE, int(1000 * top + left0), 0, SIZE, style))
        left += 5 * len(part) + 3
    return words


def table(rules, words):
    (grid,) = ruled_grids(rules, SIZE)
    return ruled_table(grid, list(enumerate(words)), SIZE, Vocabulary())


def test_cells_that_no_rule_parts_are_one_and_open_sides_are_closed():
    rules = Rules((Rule(0, 0, 300), Rule(20, 100, 300), Rule(40, 0, 300), Rule(60, 0, 300)), (Rule(100, 0, 60), Rule(200, 20, 60)))

    (grid,) = ruled_grids(rules, SIZE)

    assert grid.xs == [0, 100, 200, 300]
    assert GridCell(0, 0, 2, 1) in grid.cells
    assert GridCell(0, 1, 1, 2) in grid.cells
    assert len(grid.cells) == 7


def test_two_grids_beside_each_other_are_two():
    one, other = grid_rules([0, 50, 100], [0, 20, 40]), grid_rules([120, 170, 220], [0, 20, 40])

    assert len(ruled_grids(Rules(one.across + other.across, one.down + other.down), SIZE)) == 2


def test_wrapped_cells_are_joined_and_empty_ones_kept():
    words = [
        *text("Harbour", 5, 5), *text("dues 2024", 105, 5),
        *text("Number of berths", 5, 25), *text("let in spring", 5, 37), *text("21", 105, 25),
        *text("Staff", 5, 65),
    ]  # fmt: skip
    found = table(grid_rules([0, 100, 200], [0, 20, 60, 80]), words)

    assert found.rows == (("Harbour", "dues 2024"), ("Number of berths let in spring", "21"), ("Staff", ""))
    assert sorted(found.members) == list(range(len(words)))
    assert found.num_header_rows == 1


def test_a_head_over_two_columns_spans_them():
    rules = grid_rules([0, 100, 200, 300], [0, 20, 40, 60])
    rules = Rules(rules.across, tuple(rule if rule.place != 200 else Rule(200, 20, 60) for rule in rules.down))
    words = [
        *text("2023", 190, 5),
        *text("Region", 5, 25), *text("Q1", 105, 25), *text("Q2", 205, 25),
        *text("North", 5, 45), *text("110", 105, 45), *text("120", 205, 45),
    ]  # fmt: skip
    found = table(rules, words)

    assert found.rows == (("", "2023", None), ("Region", "Q1", "Q2"), ("North", "110", "120"))
    assert found.num_header_rows == 2


def test_rows_that_no_rule_parts_are_parted_by_their_numbers():
    words = [
        *text("Item", 5, 5), *text("Price", 105, 5),
        *text("Berth", 5, 25), *text("80.00", 105, 25),
        *text("Crane", 5, 40), *text("12.50", 105, 40),
        *text("Water", 5, 55), *text("7.00", 105, 55),
    ]  # fmt: skip
    found = table(grid_rules([0, 100, 200], [0, 20, 80]), words)

    assert found.rows == (("Item", "Price"), ("Berth", "80.00"), ("Crane", "12.50"), ("Water", "7.00"))


def test_columns_that_no_rule_parts_are_parted_by_their_numbers():
    rows = [("Berth", "80.00", "480.00"), ("Crane", "12.50", "25.00"), ("Water", "7.00", "49.00")]
    words = [w for i, row in enumerate(rows) for j, cell in enumerate(row) for w in text(cell, (5, 110, 170)[j], 5 + 20 * i)]
    found = table(grid_rules([0, 100, 220], [0, 20, 40, 60]), words)

    assert found.rows == tuple(rows)


def test_a_gap_between_double_rules_is_no_column():
    words = [w for i in range(3) for j in range(2) for w in text(f"{i}{j}", 5 + 106 * j, 5 + 20 * i)]
    found = table(grid_rules([0, 100, 104, 206], [0, 20, 40, 60]), words)

    assert found.rows == (("00", "01"), ("10", "11"), ("20", "21"))


def test_the_lines_of_a_chart_are_no_table():
    xs, ys = list(range(0, 400, 40)), list(range(0, 200, 20))
    words = [w for i in range(9) for w in text(str(900 - 100 * i), 5, 5 + 20 * i)]
    words += [w for i in range(1, 9) for w in text(str(1990 + i), 5 + 40 * i, 165)]

    assert table(grid_rules(xs, ys), words) is None


@pytest.mark.parametrize(("xs", "ys"), [([0, 300], [0, 40, 80]), ([0, 100, 300], [0, 80])])
def test_frames_are_no_tables(xs, ys):
    words = [w for i in range(4) for w in text("A note in a frame beside the text", 5, 5 + 18 * i)]

    assert table(grid_rules(xs, ys), words) is None


def test_a_table_stands_in_its_place_between_columns_of_text():
    """In the left column of two, after the paragraph above it and before the one below it."""
    prose = "the board took note of what it was shown"
    left = [w for i in range(6) for w in text(prose, 0, 12 * i)] + [w for i in range(6) for w in text(prose, 0, 200 + 12 * i)]
    right = [w for i in range(20) for w in text(prose, 250, 14 * i)]
    cells = [w for i in range(3) for j in range(2) for w in text(f"{i}{j}", 5 + 100 * j, 95 + 20 * i)]
    blocks = blocks_in_order([*left, *cells, *right], 470, 300, rules=grid_rules([0, 100, 200], [90, 110, 130, 150]))

    kinds = [block.kind for block in blocks]
    assert kinds.count("table") == 1
    at = kinds.index("table")
    assert blocks[at].rows == (("00", "01"), ("10", "11"), ("20", "21"))
    assert all(block.box.bottom < 90 for block in blocks[:at])
    assert blocks[at + 1].box.top >= 190
    assert blocks[-1].box.left == 250


def test_a_printed_caret_is_no_cell_that_goes_on_from_above():
    words = [*text("a", 5, 5), *text("b", 105, 5), *text("^", 5, 25, BOLD), *text("c", 105, 25)]

    assert table(grid_rules([0, 100, 200], [0, 20, 40]), words).rows == (("a", "b"), ("^ ", "c"))


def test_rules_of_the_head_part_the_rows_below_it():
    rules = grid_rules([0, 100, 200, 300], [0, 20, 40, 60])
    rules = Rules(rules.across, tuple(rule if rule.place in (0, 300) else Rule(rule.place, 0, 20) for rule in rules.down))
    words = [w for i in range(3) for j in range(3) for w in text("abc"[j] * 3 if i == 0 else f"{i}{j}", 25 + 100 * j, 5 + 20 * i)]
    found = table(rules, words)

    assert found.rows == (("aaa", "bbb", "ccc"), ("10", "11", "12"), ("20", "21", "22"))


def test_a_line_of_text_that_runs_on_over_a_stroke_is_one_cell():
    rules = grid_rules([0, 100, 200], [0, 20, 40, 60])
    words = [*text("Female", 68, 5), *text("students", 101, 5), *text("a", 5, 25), *text("1", 105, 25), *text("b", 5, 45)]
    found = table(rules, [*words, *text("2", 105, 45)])

    assert found.rows == (("Female students", None), ("a", "1"), ("b", "2"))


def test_what_stands_in_columns_at_the_foot_of_a_page_is_no_table():
    words = [w for i in range(3) for w in text("Author:", 0, 940 + 14 * i) + text(f"{i} May 2009", 100, 940 + 14 * i)]
    words += text("the board took note of what it was shown", 0, 500)

    assert [block for block in blocks_in_order(words, 500, 1000) if block.kind == "table"] == []
