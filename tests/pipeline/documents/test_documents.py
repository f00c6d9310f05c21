"""A document out of the lake, and what is made of it."""

import json
from html.parser import HTMLParser

import pyarrow as pa
import pytest

import pipeline
from pipeline.documents.html import document_html, inline_html
from pipeline.documents.markdown import chart_markdown, document_markdown, table_markdown
from pipeline.documents.model import ReadCell, ReadChart, ReadDocument, ReadPoint, ReadTable
from pipeline.documents.reading import read_documents
from schemas.errors import OperatorError
from tests.pipeline.documents.made import EVIL, made_lake

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def report(lake) -> ReadDocument:
    return pipeline.document(lake, "s3://b/in/report.pdf")


def test_a_document_has_its_pages_in_order_with_all_that_is_on_them(report):
    first, second = report.pages

    assert (report.name, report.title, report.status, report.num_pages) == ("report.pdf", "The report", "ok", 2)
    assert [block.kind for block in first.blocks] == ["header", "title", "list_item", "list_item", "table"]
    assert [len(page.tables) for page in report.pages] == [1, 1]
    (chart,) = second.charts
    assert (chart.title, chart.box, [point.value for point in chart.points]) == ("Sales", (8, 98, 92, 182), [1.5, 2.0])
    assert first.languages == ["de"]


@pytest.mark.parametrize("name", ["s3://b/old/report.pdf", "old/report.pdf", "/old/report.pdf"])
def test_a_document_is_found_by_its_uri_or_its_end(lake, name):
    old = pipeline.document(lake, name)

    assert old.uri == "s3://b/old/report.pdf"
    assert [(f.kind, f.message) for f in old.pages[0].failures] == [("truncated", "cut")]


@pytest.mark.parametrize("name", ["broken.pdf", "broken", "BROKEN.pdf"])
def test_a_document_is_found_by_its_name_or_a_part_of_it(lake, name):
    broken = pipeline.document(lake, name)

    assert (broken.pages, [failure.kind for failure in broken.failures]) == ([], ["encrypted"])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("report.pdf", r"2 documents are called report.pdf: s3://b/in/report.pdf, s3://b/old/report.pdf; give the uri"),
        ("no.pdf", "There is no document no.pdf among the 3 documents"),
    ],
)
def test_a_name_that_is_not_one_document_is_said_so(lake, name, says):
    with pytest.raises(OperatorError, match=says):
        pipeline.document(lake, name)


def test_documents_are_chosen_by_sql(lake):
    assert [each.uri for each in read_documents(lake)] == ["s3://b/in/broken.pdf", "s3://b/in/report.pdf", "s3://b/old/report.pdf"]
    assert [each.name for each in read_documents(lake, where="status = 'failed'")] == ["broken.pdf", "report.pdf"]
    assert [each.name for each in read_documents(lake, where="num_pages = 2 or num_pages = 1", limit=1)] == ["report.pdf"]
    with pytest.raises(OperatorError, match="nonsense"):
        list(read_documents(lake, where="nonsense = 1"))


def test_a_table_over_two_pages_is_one(report):
    (table,) = report.tables

    assert table.rows() == [["Year", "Sales"], ["2023", "=1+1"], ["2024", "-1.5"]]
    assert (table.num_rows, table.continued_on_page, table.caption) == (3, None, "Table 1")


@pytest.mark.parametrize("header", [["Year"], ["Year", "Profit"]], ids=["fewer columns", "another header"])
def test_a_page_that_was_read_again_in_other_columns_has_a_table_of_its_own(report, header):
    first, second = report.pages
    cells = [
        ReadCell(row_index=row, column_index=column, row_span=1, column_span=1, is_header=not row, text=text)
        for row in range(2)
        for column, text in enumerate(header)
    ]
    again = second.tables[0].model_copy(
        update={"cells": cells, "num_rows": 2, "num_columns": len(header), "num_header_rows": 1, "continued_on_page": None}
    )
    document = report.model_copy(update={"pages": [first, second.model_copy(update={"tables": [again]})]})

    assert [table.rows() for table in document.tables] == [[["Year", "Sales"], ["2023", "=1+1"]], [header, header]]
    assert [table.to_arrow().num_rows for table in document.tables] == [1, 1]


def test_a_table_is_a_frame_whose_numbers_are_numbers(report):
    frame = report.tables[0].to_arrow()

    assert frame.to_pydict() == {"Year": [2023.0, 2024.0], "Sales": ["=1+1", "-1.5"]}
    assert frame.schema.types == [pa.float64(), pa.string()]


def test_columns_without_a_name_and_with_the_same_one_have_a_number():
    cells = [ReadCell(row_index=0, column_index=i, row_span=1, column_span=1, is_header=False, text="1", header=h) for i, h in
             enumerate(["a", None, "a"])]  # fmt: skip
    table = ReadTable(page_index=0, table_index=0, block_index=0, num_rows=1, num_columns=3, num_header_rows=0, cells=cells)

    assert table.column_names() == ["a", "column_1", "a (2)"]


def test_a_document_as_markdown(report):
    text = report.to_markdown()

    assert text.startswith(
        "<!-- page 1 -->\n\n# Hello\n\n- one\n- two\n\n| Year | Sales |\n| --- | --- |\n| 2023 | =1+1 |\n| 2024 | -1.5 |\n\n"
    )
    assert "Page 1 of 2" not in text
    assert text.index("Sales over time") < text.index("**Sales** (line)") < text.index("| Year | EU |")
    assert "| 2024 | 1.5 |\n| 2025 | 2 |" in text
    assert "$$\nx < 1\n$$" in text


def test_what_was_not_read_is_said_in_the_text(lake):
    assert "*Page 1 was not read: truncated.*" in pipeline.document(lake, "old/report.pdf").to_markdown()
    assert pipeline.document(lake, "broken.pdf").to_markdown() == "*This document was not read: encrypted.*\n"


def test_pictures_stand_where_their_figures_are(report):
    text = document_markdown(report, lambda page_index, item: f"p{page_index}.png")

    assert "![Sales over time](p1.png)" in text
    assert "![Sales](p1.png)" in text


def test_spans_make_a_table_html():
    cells = [ReadCell(row_index=0, column_index=0, row_span=1, column_span=2, is_header=True, text="a<b")]
    table = ReadTable(page_index=0, table_index=0, block_index=0, num_rows=1, num_columns=2, num_header_rows=1, cells=cells)

    assert table_markdown(table) == '<table>\n<tr><th colspan="2">a&lt;b</th></tr>\n</table>'


def test_points_that_share_an_x_stand_in_rows_of_their_own():
    points = [ReadPoint(point_index=i, series="s", x_text="1", y_text=str(i)) for i in range(2)]
    chart = ReadChart(page_index=0, region_index=0, status="ok", engine="e", kind="scatter", points=points)

    assert (
        chart_markdown(chart) == "**Chart** (scatter)\n\n| series | x | value |\n| --- | --- | --- |\n| s | 1 | 0 |\n| s | 1 | 1 |"
    )


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_hostile_text_never_becomes_markup(report):
    page = document_html(report)
    tags = Tags(page).found

    assert {name for name, _ in tags} <= {
        "html", "head", "meta", "title", "style", "body", "header", "p", "section", "ul", "li", "h1", "h2", "div", "table", "tr",
        "th", "td", "figure", "figcaption", "pre", "br",
    }  # fmt: skip
    assert all(not name.startswith("on") for _, attributes in tags for name in attributes)
    assert "tracker.example" in page  # as text
    assert any(attributes.get("content", "").startswith("default-src 'none'") for _, attributes in tags)


@pytest.mark.parametrize(
    "text", ["[x](javascript:alert(1))", "[x](http://a.example)", "<http://a.example>", "![x](data:text/html,y)"]
)
def test_links_and_pictures_stay_text(text):
    assert "<a" not in (shown := inline_html(text))
    assert "<img" not in shown
    assert inline_html("**a** `b`") == "<strong>a</strong> <code>b</code>"


def test_html_shows_languages_and_failures(lake, report):
    assert '<section id="page-1" dir="auto" lang="de">' in document_html(report)
    assert "<aside>truncated: cut</aside>" in document_html(pipeline.document(lake, "old/report.pdf"))


def test_the_json_is_the_document(report):
    assert ReadDocument.model_validate_json(report.model_dump_json()).model_dump() == report.model_dump()
    assert json.loads(report.model_dump_json())["pages"][1]["blocks"][1]["text"] == EVIL
