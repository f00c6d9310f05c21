"""`tables` and `table_cells` from the blocks of a document, page after page."""

from collections.abc import Sequence

import pytest

from pipeline.lake.tables import table_rows as module
from pipeline.lake.tables.table_rows import TableRows
from schemas.page import Box
from schemas.records import BlockKind, BlockRecord, Lineage, Reading
from schemas.tables import arrow_schema, to_table

READING = Reading(recipe_id="r", engine="classic", model=None, model_revision=None, prompt_version=None)
HEAD = "<tr><th>Year</th><th>Sales</th></tr>"
BODY = "<tr><td>2020</td><td>5 kg</td></tr>"


def blocks(page_index: int, *kinds: BlockKind | tuple[BlockKind, str], source: str = "a"):
    lineage = Lineage(
        uri=f"s3://drop/{source}",
        source_id=source,
        source_version="1",
        version_id=None,
        document_id=source * 3,
        plan_id="000001.12345678",
        run_id="run",
        attempt=0,
    )
    rows = []
    for index, what in enumerate(kinds):
        kind, text = what if isinstance(what, tuple) else (what, what)
        is_table = kind == "table"
        record = BlockRecord(
            lineage=lineage,
            page_index=page_index,
            reading=READING,
            block_index=index,
            kind=kind,
            text="table" if is_table else text,
            html=f"<table>{text}</table>" if is_table else None,
            bbox_px=Box(1, 2, 3, 4) if is_table else None,
            box_origin="engine" if is_table else None,
            confidence=0.5 if is_table else None,
        )
        rows.append(record.row())
    return to_table("blocks", rows)


def rows_of(*pages):
    made = TableRows()
    parts = [made.add(page) for page in pages]
    tables = [row for part, _ in parts for row in part.to_pylist()] + made.finish().to_pylist()
    return tables, [row for _, part in parts for row in part.to_pylist()]


def test_a_table_and_its_cells_say_where_they_are_from():
    (first, second), cells = rows_of(
        blocks(4, "heading", ("caption", "Table 1"), ("table", HEAD + BODY), "paragraph", ("table", BODY), ("caption", "Table 2"))
    )

    assert (first["uri"], first["page_index"], first["table_index"], first["block_index"]) == ("s3://drop/a", 4, 0, 2)
    assert (first["engine"], first["plan_id"], first["attempt"]) == ("classic", "000001.12345678", 0)
    assert (first["caption"], first["num_rows"], first["num_columns"], first["num_header_rows"]) == ("Table 1", 2, 2, 1)
    assert (first["left_px"], first["bottom_px"], first["box_origin"], first["confidence"]) == (1, 4, "engine", 0.5)
    assert (second["table_index"], second["block_index"], second["caption"], second["num_header_rows"]) == (1, 4, "Table 2", 0)
    assert [
        (c["table_index"], c["row_index"], c["column_index"], c["text"], c["header"], c["value"], c["unit"]) for c in cells
    ] == [
        (0, 0, 0, "Year", None, None, None),
        (0, 0, 1, "Sales", None, None, None),
        (0, 1, 0, "2020", "Year", 2020, None),
        (0, 1, 1, "5 kg", "Sales", 5, "kg"),
        (1, 0, 0, "2020", None, 2020, None),
        (1, 0, 1, "5 kg", None, 5, "kg"),
    ]


@pytest.mark.parametrize(
    ("end", "start", "is_continued"),
    [
        (["footnote", "footer"], ["header"], True),
        ([], [], True),
        (["paragraph"], [], False),
        ([], ["paragraph"], False),
    ],
)
def test_a_table_goes_on_where_nothing_but_margins_stands_between(
    end: Sequence[BlockKind], start: Sequence[BlockKind], is_continued
):
    tables, _ = rows_of(blocks(0, ("table", HEAD + BODY), *end), blocks(1, *start, ("table", BODY)))

    assert [table["continued_on_page"] for table in tables] == [1 if is_continued else None, None]


@pytest.mark.parametrize(
    ("next_page", "is_continued"),
    [
        (blocks(1, ("table", HEAD + BODY)), True),  # its header again
        (blocks(1, ("table", "<tr><th>Year</th><th>Costs</th></tr>" + BODY)), False),
        (blocks(1, ("table", "<tr><td>1</td><td>2</td><td>3</td></tr>")), False),
        (blocks(2, ("table", BODY)), False),
        (blocks(1, ("table", BODY), source="b"), False),
    ],
)
def test_the_next_page_says_whether_it_is_the_same_table(next_page, is_continued):
    tables, _ = rows_of(blocks(0, ("table", HEAD + BODY)), next_page)

    assert tables[0]["continued_on_page"] == (1 if is_continued else None)


def test_a_table_over_three_pages_is_a_chain_whatever_chunks_they_came_in():
    pages = [blocks(index, ("table", BODY)) for index in range(3)]

    apart, _ = rows_of(*pages)
    together, _ = rows_of(module.pa.concat_tables(pages))

    assert [table["continued_on_page"] for table in apart] == [1, 2, None]
    assert together == apart


def test_documents_without_tables_have_none():
    none = arrow_schema("blocks").empty_table()

    assert rows_of(none, blocks(0, "paragraph", "figure"), none) == ([], [])
    tables, _ = rows_of(blocks(0, ("table", BODY)), none, blocks(2, "title"))
    assert len(tables) == 1


def test_a_table_that_cannot_be_read_costs_its_cells_and_nothing_else(monkeypatch):
    def broken(html: str, **options: object):
        raise ValueError("odd")

    monkeypatch.setattr(module, "table_cells", broken)

    (table,), cells = rows_of(blocks(0, ("table", BODY), "paragraph"))

    assert cells == []
    assert (table["num_rows"], table["flags"]) == (0, ["cells_cut"])
