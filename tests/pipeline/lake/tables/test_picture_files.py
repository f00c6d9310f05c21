"""How pictures lie in Parquet: equal ones once, in row groups that one who wants a single picture can read."""

import io
import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lake.rewriting import sorted_files
from pipeline.lake.staging import CHUNK_TABLES, decode, encode_chunk
from pipeline.lake.tables import table_writer
from pipeline.lake.tables.table_writer import TableWriter
from schemas.plan import Cover
from schemas.rewrite import RewritePlan
from schemas.tables import IMAGE, to_table
from tests.pipeline.made import make_chunk, planned, records_of
from tests.pipeline.written_lake import DAY, row

COVER = Cover(chunks=[], compression_level=3, row_group_rows=50_000)
NOISE = np.random.default_rng(7)


def written(*pictures: bytes) -> bytes:
    writer = TableWriter("images", COVER)
    for index, body in enumerate(pictures):
        writer.add(to_table("images", [row("images", page_index=index, image={"bytes": body, "path": f"{index}.jpg"})]))
    file = writer.finish()
    assert file is not None
    return file


def test_equal_pictures_are_stored_once_and_found_in_every_row(tmp_path):
    logo, photo = NOISE.bytes(200_000), NOISE.bytes(200_000)

    file = written(*[logo] * 20, photo, *[logo] * 20)

    assert len(file) < 420_000
    (tmp_path / "images.parquet").write_bytes(file)
    rows = duckdb.sql(f"select page_index, image.bytes from '{tmp_path}/images.parquet' order by page_index").fetchall()
    assert rows == [(index, photo if index == 20 else logo) for index in range(41)]


def test_a_row_group_ends_by_its_bytes_and_the_same_pictures_make_the_same_file(monkeypatch):
    monkeypatch.setattr(table_writer, "_PICTURE_BYTES", 50_000)
    pictures = [NOISE.bytes(20_000) for _ in range(7)]

    file = written(*pictures)

    assert pq.ParquetFile(io.BytesIO(file)).metadata.num_row_groups == 3
    assert file == written(*pictures)
    assert [each["bytes"] for each in pq.read_table(io.BytesIO(file))["image"].to_pylist()] == pictures


@pytest.mark.parametrize("large_bytes", [1 << 30, 0])
def test_pictures_are_sorted_with_their_rows_however_many_bytes_they_have(monkeypatch, large_bytes):
    monkeypatch.setattr(sorted_files, "_LARGE_BYTES", large_bytes)
    rows = [row("images", document_id=name, page_index=0, image={"bytes": name.encode(), "path": name}) for name in "cab"]
    plan = RewritePlan(number=1, ingest_date=DAY, names=[], repeated=[], compression_level=3, row_group_rows=2)

    file = sorted_files.write_rows("images", to_table("images", rows), plan)

    assert file is not None
    found = pq.read_table(io.BytesIO(file.body))
    assert found["image"].to_pylist() == [{"bytes": name.encode(), "path": name} for name in "abc"]
    assert found.schema.field("image").type == IMAGE


def test_the_column_says_by_hugging_faces_convention_that_it_is_a_picture():
    schema = pq.read_schema(io.BytesIO(written(b"one")))
    assert json.loads(schema.metadata[b"huggingface"]) == {"info": {"features": {"image": {"_type": "Image"}}}}
    assert (str(schema.field("image").type), schema.field("image").nullable) == ("struct<bytes: binary, path: string>", True)


def test_a_chunk_that_an_older_version_staged_has_no_pictures_and_no_words():
    chunk = make_chunk(planned("a.pdf"), 0, 0, [0, 1], 2)
    body = encode_chunk(chunk, records_of(chunk), "r1")
    assert decode(body).tables["images"].num_rows == decode(body).tables["words"].num_rows == 2

    def without(*names):
        table = pa.ipc.open_stream(pa.CompressedInputStream(pa.BufferReader(body), "zstd")).read_all().drop_columns([*names])
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as out, pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes()

    assert {name: rows.num_rows for name, rows in decode(without("images", "words")).tables.items()} == {
        table: {"pages": 2, "blocks": 2}.get(table, 0) for table in CHUNK_TABLES
    }
    with pytest.raises(KeyError):
        decode(without("pages"))
