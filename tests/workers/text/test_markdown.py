import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from schemas.answers import OcrAnswer
from schemas.page import PageImage, RenderedPage
from tests.growth import assert_grows_linearly
from workers.answers.reshape import clean_text
from workers.text.content import ocr_content
from workers.text.markdown import escape, escape_block, join_markdown, plain_rows, plain_text

READER = MarkdownIt("commonmark").enable(["strikethrough", "table"])
"""Of whole pages, as somebody who opens `text_markdown` has one."""
MARKS = "*_`~[]()<>!&#$|\\^:;{}\"'=+-.0123 \n\tabx@/?é½中²"
LITERAL = st.text(st.one_of(st.sampled_from(MARKS), st.characters(exclude_categories=["Cs"])), max_size=60).map(clean_text)
KINDS = ("title", "heading", "paragraph", "caption", "header", "footer", "footnote")


def bare(text):
    return "".join(text.split())


def shown(tokens):
    """What a reader of the rendered page sees, but for the marks of lists."""
    inner = [token.content for token in tokens if token.type in ("text", "code_inline", "fence", "code_block", "html_block")]
    return "".join(inner) + "".join(shown(token.children) for token in tokens if token.children)


def in_order(tokens):
    return "".join(shown([token]) for token in tokens)


def test_blocks_become_a_page():
    parts = [("title", "A\ntitle"), ("heading", "## B"), ("list_item", "x"), ("list_item", "2. y"), ("paragraph", "p"),
    ("paragraph", " "),
             ("formula", "$$a^2$$"), ("chart", "Sales [m]")]  # fmt: skip

    assert join_markdown([("code", "if x:\n    ```\n    y")]) == "````\nif x:\n    ```\n    y\n````"
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
        (r"1\. \*not\*", "1. *not*"),
        ("**bold with *it* inside** it", "bold with it inside it"),
        ("*it with **bold** inside*", "it with bold inside"),
        ("A &amp; B &lt; C &#8364;", "A & B < C €"),
        ('[link](https://a.b "Its title") x', "link x"),
        ("[![alt](i.png)](https://a.b) <https://c.d>", "alt https://c.d"),
        (r"$a_1 * b_2 * \{c\}$ and \(x^2\) and \[y_1\]", r"a_1 * b_2 * \{c\} and x^2 and y_1"),
        (r"\[12\] and \$5_000 and \$6", "[12] and $5_000 and $6"),
        ("~~out~~ `a*b*` <name> &c", "out a*b* <name> &c"),
        ("## Head\n# of", "Head\nof"),
        ("a < b > c", "a < b > c"),
        ("* a\n* b", "* a\n* b"),
    ],
)
def test_plain_text_has_no_markup_and_all_of_the_text(markdown, plain):
    assert plain_text(markdown) == plain


def test_a_table_is_lines_of_tabs():
    assert plain_rows([["**a**", "b\nc"], ["# of x", ""]]) == "a\tb c\n# of x"


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["*a ", "_a ", "[a", "`a", "$\\a ", "![", "~~a "])
def test_unpaired_marks_cost_linear_time(mark):
    assert_grows_linearly(lambda size: plain_text(mark * size), 4_000)


@pytest.mark.slow
@pytest.mark.parametrize("line", ["-", "=", ":", "# ", "- -"])
def test_lines_that_may_be_rules_are_escaped_in_linear_time(line):
    assert_grows_linearly(lambda size: escape_block("caption", f"{line}\n" * size + "x"), 10_000)


@pytest.mark.parametrize(
    ("literal", "markdown"),
    [
        ("2*3*4 = 24", r"2\*3\*4 = 24"),
        ("__init__.py", r"\_\_init\_\_.py"),
        ("# of Incidents", r"\# of Incidents"),
        ("snake_case, [12], p<0.05, R&D, $5 and $6", "snake_case, [12], p<0.05, R&D, $5 and $6"),
        ("1. May", r"1\. May"),
        ("- 5 °C", r"\- 5 °C"),
        ("-5 °C", "-5 °C"),
        ("[a](b) &amp; <b>", r"[a\](b) \&amp; \<b>"),
        (r"C:\new | $x_1$", r"C:\\new \| \$x_1\$"),
    ],
)
def test_literal_text_is_escaped_where_it_would_be_markup(literal, markdown):
    assert escape_block("paragraph", literal) == markdown
    assert plain_text(markdown) == literal


@pytest.mark.parametrize(
    ("literal", "markdown"), [("- a *b*", r"- a \*b\*"), ("1. # a", r"1. \# a"), ("• a", "• a"), ("2) - b", r"2) \- b")]
)
def test_the_mark_of_a_literal_list_item_stays_one(literal, markdown):
    assert escape_block("list_item", literal) == markdown
    assert plain_text(markdown) == literal


def test_a_literal_paragraphs_line_breaks_are_seen_by_a_reader_of_markdown():
    markdown = escape_block("paragraph", "Curlew Marine Ltd\n4 Slipway Lane")
    assert READER.render(markdown) == "<p>Curlew Marine Ltd<br />\n4 Slipway Lane</p>\n"
    assert plain_text(markdown) == "Curlew Marine Ltd\n4 Slipway Lane"


@given(LITERAL)
@settings(max_examples=300, deadline=None)
@pytest.mark.slow
def test_escaped_text_is_the_literal_text_again(literal):
    assert bare(plain_text(escape(literal))) == bare(literal)


@given(st.lists(st.tuples(st.sampled_from(KINDS), LITERAL.map(str.strip)), max_size=3))
@settings(max_examples=300, deadline=None)
@pytest.mark.slow
def test_a_page_of_literal_blocks_shows_all_of_their_characters(blocks):
    page = READER.parse(join_markdown([(kind, escape_block(kind, text)) for kind, text in blocks]))

    assert bare(in_order(page)) == bare("".join(text for _, text in blocks))


@given(st.lists(st.lists(LITERAL.filter(lambda text: text.strip() != "^"), min_size=2, max_size=2), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_a_table_of_literal_cells_shows_each_of_them(rows):
    answer = OcrAnswer.model_validate({"blocks": [{"table": rows}]})
    content = ocr_content(answer, RenderedPage(page_index=0, image=PageImage(width_px=9, height_px=9)), is_literal=True)

    cells = [bare(cell) for row in rows for cell in row]
    assert bare(content.text_plain) == "".join(cells)
    if any(cells):
        page = READER.parse(content.text_markdown)
        assert [bare(in_order([token])) for token in page if token.type == "inline"] == cells
