import pytest

from schemas.page import Word
from workers.engines.classic.reading_order.lines.line_ends import Vocabulary
from workers.engines.classic.reading_order.tables.aligned_tables import aligned_tables
from workers.engines.classic.reading_order.tables.ruling import Rule

SIZE = 10.0


def words_of(lines, pitch=14.0):
    """Lines of (left, text) cells; words of 5 units a letter, 3 apart. None is a blank line."""
    words = []
    for number, line in enumerate(lines):
        for left, text in line or []:
            for part in text.split():
                top = pitch * number
                words.append(Word(part, left, top, left + 5 * len(part), top + SIZE, number, 0, SIZE))
                left += 5 * len(part) + 3
    return list(enumerate(words))


def found(lines, rules=()):
    return [table.rows for table in aligned_tables(words_of(lines), rules, Vocabulary())]


def test_signs_of_currency_stay_with_their_numbers_and_blank_cells_are_kept():
    lines = [
        [(150, "2024"), (250, "2023")],
        [(0, "Dues"), (140, "$"), (155, "1,250"), (240, "$"), (255, "1,185")],
        [(0, "Grants"), (165, "300"), (275, "-")],
        [(0, "Staff"), (260, "(510)")],
    ]

    assert found(lines) == [(("", "2024", "2023"), ("Dues", "$ 1,250", "$ 1,185"), ("Grants", "300", "-"), ("Staff", "", "(510)"))]


@pytest.mark.parametrize("rules", [(), (Rule(12, 95, 180), Rule(12, 215, 300))])
def test_heads_over_two_columns_span_them(rules):
    """In the middle above both, or over a rule as long as both."""
    years = [(128, "2023"), (248, "2024")]
    quarters = [(0, "Region"), (100, "Q1"), (160, "Q2"), (220, "Q1"), (280, "Q2")]
    rows = [[(0, name), (100, "110"), (160, "120"), (220, "130"), (280, "140")] for name in ("North", "South", "East")]

    (table,) = found([years, quarters, *rows], rules)

    assert table[:2] == (("", "2023", None, "2024", None), ("Region", "Q1", "Q2", "Q1", "Q2"))


def right_of(right, text):
    """A cell whose words end at `right`."""
    return right - 5 * len(text.replace(" ", "")) - 3 * text.count(" "), text


@pytest.mark.parametrize("has_rule", [True, False])
def test_heads_that_a_space_parts_are_columns_and_go_over_the_rows_beside_a_wide_one(has_rule):
    """A rule under the wide one is no matter; one under heads makes them one."""
    columns = (200, 243, 286)
    lines = [
        [right_of(150, "Share"), (187, "Amount borrowed")],
        [right_of(150, "who"), *map(right_of, columns, ("$10,000–", "$15,000–", "$30,000–"))],
        [(0, "Institution"), right_of(150, "borrowed"), *map(right_of, columns, ("14,999", "29,999", "54,999"))],
        *(
            [(0, name), *map(right_of, (150, *columns), ("44.8", "10.3", "27.0", "20.1"))]
            for name in ("Public", "Private", "Other")
        ),
    ]
    rules = (Rule(12, 160, 286),) if has_rule else ()

    (table,) = found(lines, rules)

    assert table[:3] == (
        ("Institution", "Share who borrowed", "Amount borrowed", None, None),
        ("^", "^", "$10,000– 14,999", "$15,000– 29,999", "$30,000– 54,999"),
        ("Public", "44.8", "10.3", "27.0", "20.1"),
    )
    assert found(lines, (*rules, Rule(25, 160, 286))) != [table]


def test_a_head_of_two_words_above_two_columns_is_one():
    """Words that end where their columns end are two heads; those of one have the middle in common with both."""
    columns = (140, 180)
    rows = [[(0, name), *map(right_of, columns, ("110", "120"))] for name in ("North", "South", "East")]
    two = [*map(right_of, columns, ("Arrived", "Moored"))]

    assert found([two, *rows])[0][0] == ("", "Arrived", "Moored")
    assert found([[(124, "Ships then")], [*map(right_of, columns, ("in", "out"))], *rows])[0][0] == ("", "Ships then", None)


def test_the_heading_of_rows_that_are_set_in_stays_a_row_however_long():
    """The row below a wrapped label stands as far out as the label."""
    head, long = [(150, "Count")], [(0, "Ships by their place in line")]
    first, second, last = [(6, "First"), (150, "12")], [(6, "Second"), (150, "7")], [(0, "All"), (150, "19")]

    assert found([head, long, first, second, last])[0] == (
        ("", "Count"),
        ("Ships by their place in line", ""),
        ("First", "12"),
        ("Second", "7"),
        ("All", "19"),
    )
    assert found([head, last, long, first, last])[0] == (
        ("", "Count"),
        ("All", "19"),
        ("Ships by their place in line First", "12"),
        ("All", "19"),
    )


def test_a_wrapped_label_is_joined_and_a_heading_stays_a_row():
    lines = [
        [(150, "Count")],
        [(0, "Vessels:")],
        [(0, "Sailing boats of all"), (150, "12")],
        [(10, "lengths")],
        [(0, "Motor boats"), (150, "7")],
        [(0, "Ferries"), (150, "2")],
    ]

    assert found(lines) == [
        (("", "Count"), ("Vessels:", ""), ("Sailing boats of all lengths", "12"), ("Motor boats", "7"), ("Ferries", "2"))
    ]


def test_leaders_are_no_text_and_their_words_are_in_the_table():
    lines = [[(0, f"{name} .........."), (150, value), (200, value)] for name, value in (("a", "12"), ("b", "7"), ("c", "9"))]
    words = words_of(lines)

    (table,) = aligned_tables(words, (), Vocabulary())

    assert table.rows == (("a", "12", "12"), ("b", "7", "7"), ("c", "9", "9"))
    assert len(table.members) == len(words)


def test_a_head_after_a_blank_line_begins_another_table():
    table = [[(150, "1990"), (200, "1991")], *([(0, "ab"), (150, "12"), (200, "13")] for _ in range(3))]

    assert len(found([*table, None, [(160, "Effect")], *table])) == 2


def test_rules_say_how_far_the_head_goes():
    lines = [
        [(0, "Harbour")],
        [(150, "Value")],
        *([(0, name), (150, "12")] for name in ("North", "South", "East")),
    ]
    rules = (Rule(-2, 0, 180), Rule(26, 0, 180), Rule(72, 0, 180))

    assert found(lines, rules)[0][0] == ("Harbour", "Value")
    assert found(lines)[0][0] == ("", "Value")


@pytest.mark.parametrize(
    "lines",
    [
        [[(0, f"Of the harbour {name}"), (200, page)] for name, page in (("a", "3"), ("b", "12"), ("c", "40"), ("d", "51"))],
        [[(0, f"{n}. The harbour board publishes a statement of its dues every spring")] for n in range(5)],
        [[(0, "the board took note of what it was shown in"), (240, "2024 and the pilots asked for a longer season")]] * 6,
        [[(0, "agenda, 12, 15"), (100, "berth, 7"), (200, "crane, 9")]],
    ],
    ids=["contents", "list", "columns of prose", "one line"],
)  # fmt: skip
def test_what_is_no_table(lines):
    assert found(lines) == []


def test_an_address_beside_pairs_is_no_column_of_theirs():
    lines = [
        [(0, "Bill to:"), (250, "Invoice"), (320, "5501")],
        [(0, "Curlew Ltd"), (250, "Due"), (320, "13 April")],
        [(0, "Slipway Lane"), (250, "Customer"), (320, "7731")],
    ]

    assert found(lines) == [(("Invoice", "5501"), ("Due", "13 April"), ("Customer", "7731"))]


def test_a_value_wrapped_in_its_column_is_one_cell():
    lines = [
        [(0, "Release"), (100, "4.0.379 of")],
        [(100, "December 31,")],
        [(100, "2023")],
        [(0, "Size"), (100, "3.94 MB")],
        [(0, "Files"), (100, "12")],
    ]

    assert found(lines) == [(("Release", "4.0.379 of December 31, 2023"), ("Size", "3.94 MB"), ("Files", "12"))]
