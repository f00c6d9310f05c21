"""A document as Docling has it."""

import json

import pytest

import pipeline
from pipeline.documents.docling import docling_document
from tests.pipeline.documents.made import made_lake

docling = pytest.importorskip("docling_core.types.doc", reason="docling-core is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    return docling_document(pipeline.document(made_lake(tmp_path_factory.mktemp("lake")), "s3://b/in/report.pdf"))


@pytest.mark.slow
def test_it_survives_its_own_json(made):
    again = docling.DoclingDocument.model_validate_json(json.dumps(made.export_to_dict()))

    assert again.export_to_dict() == made.export_to_dict()


@pytest.mark.slow
def test_texts_keep_their_kind_place_and_layer(made):
    labels = [(text.label.value, text.text) for text in made.texts]

    assert labels[:4] == [("page_header", "Page 1 of 2"), ("title", "Hello"), ("list_item", "one"), ("list_item", "two")]
    assert made.texts[0].content_layer == docling.ContentLayer.FURNITURE
    assert len(made.groups) == 1
    assert made.pages[2].size.width == 100


@pytest.mark.slow
def test_a_table_over_two_pages_is_one_frame(made):
    (table,) = made.tables

    assert table.export_to_dataframe(made).values.tolist() == [["2023", "=1+1"], ["2024", "-1.5"]]
    assert [cell.text for cell in table.data.table_cells if cell.column_header] == ["Year", "Sales"]


def test_a_chart_is_a_picture_with_its_points(made):
    (chart,) = [picture for picture in made.pictures if picture.meta]

    assert chart.meta.tabular_chart.title == "Sales"
    assert [cell.text for cell in chart.meta.tabular_chart.chart_data.table_cells] == ["Year", "EU", "2024", "1.5", "2025", "2"]
    assert (chart.prov[0].page_no, chart.prov[0].bbox.l, chart.prov[0].bbox.b) == (2, 8, 182)


@pytest.mark.slow
def test_doclings_own_markdown_has_the_text(made):
    text = made.export_to_markdown()

    assert text.startswith("# Hello")
    assert "Page 1 of 2" not in text
    assert "2024 | -1.5" in " ".join(text.split())
