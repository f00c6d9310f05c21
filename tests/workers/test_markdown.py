import pytest

from workers.markdown import join_markdown, plain_rows, plain_text


def test_blocks_become_a_page():
    parts = [("title", "A\ntitle"), ("heading", "## B"), ("list_item", "x"), ("list_item", "2. y"), ("paragraph", "p"),
    ("paragraph", " "),
             ("formula", "$$a^2$$"), ("chart", "Sales [m]")]  # fmt: skip

    assert join_markdown(parts) == "# A title\n\n## B\n\n- x\n2. y\n\np\n\n$$\na^2\n$$\n\n![Sales (m)]()"


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("**bold** and *it*, ***both***", "bold and it, both"),
        ("__bold__ and _it_", "bold and it"),
        ("[link](https://a.b/c_(d)) x", "link x"),
        ("`code`", "code"),
        ("$x^2$ and $\\alpha$", "x^2 and \\alpha"),
        ("H<sub>2</sub>O<br>x", "H2O\nx"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        ("snake_case_name", "snake_case_name"),
        ("$5 and $6", "$5 and $6"),
        (r"1\. \*not\*", r"1\. *not*"),
        ("a < b > c", "a < b > c"),
        ("* a\n* b", "* a\n* b"),
    ],
)
def test_plain_text_has_no_markup_and_all_of_the_text(markdown, plain):
    assert plain_text(markdown) == plain


def test_a_table_is_lines_of_tabs():
    assert plain_rows([["**a**", "b\nc"], ["d", ""]]) == "a\tb c\nd"


def test_unpaired_marks_cost_no_time():
    import time

    start = time.process_time()
    for mark in ("*a ", "_a ", "[a", "`a", "$\\a ", "![", "~~a "):
        plain_text(mark * 20_000)

    assert time.process_time() - start < 5
