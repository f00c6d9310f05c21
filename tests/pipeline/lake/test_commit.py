"""Committing: the same chunks give the same bytes, a document's row says what became of it, and one manifest wins."""

import weakref
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lake import compaction, staging
from pipeline.lake.commit import delete_staging, write_manifest
from pipeline.lake.compaction import Compacted, Shard, compact
from pipeline.lake.paths import chunk_name, staged_path
from pipeline.lake.shard_progress import Coverage, ShardProgress, list_staged
from pipeline.lake.staging import StagedChunk, decode, encode_chunk, this_version
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Store
from schemas.failure import Failure, FailureKind
from schemas.page import Chunk
from schemas.plan import Manifest, Plan
from schemas.settings import OutputSettings
from schemas.tables import TABLES, arrow_schema
from tests.pipeline.made import make_chunk, make_plan, planned, records_of


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "out"))


def stage(store: Store, chunk: Chunk, failing: dict[int, FailureKind] | None = None) -> None:
    body = encode_chunk(chunk, records_of(chunk, failing), "r1")
    store.create(staged_path(chunk.plan_id, chunk.shard_index, chunk.name), body)


def rows(store: LocalStore, table: str) -> list[dict[str, object]]:
    (path,) = [stored.path for stored in store.list(f"{table}/")]
    return pq.read_table(store.uri(path), partitioning=None).to_pylist()


NOTHING = Compacted([], [])


@pytest.fixture
def plan(store: LocalStore) -> Plan:
    """a: three pages in two chunks, the last failed; b: could not be opened; c: all well."""
    items = [planned("a.pdf"), planned("b.pdf"), planned("c.pdf")]
    stage(store, make_chunk(items[0], 0, 2, [2], 3), {2: FailureKind.render_timeout})
    stage(store, make_chunk(items[2], 2, 0, [0], 1))
    stage(store, make_chunk(items[0], 0, 0, [0, 1], 3))
    failure = Failure(stage="probe", kind=FailureKind.encrypted, message="no password opens it")
    stage(store, make_chunk(items[1], 1, 0, [], 0, [failure]))
    return make_plan([items])


def test_a_staged_chunk_comes_back_as_it_went() -> None:
    chunk = make_chunk(planned("a.pdf"), 0, 0, [0, 1], 2)

    staged = decode(encode_chunk(chunk, records_of(chunk, {1: FailureKind.truncated}), "r1"))

    assert (staged.chunk, staged.run_id) == (chunk, "r1")
    assert staged.tables["pages"].schema == arrow_schema("pages")
    assert staged.tables["pages"].column("status").to_pylist() == ["ok", "failed"]
    assert staged.tables["charts"].num_rows == 0


@pytest.mark.slow
def test_the_chunks_of_a_large_shard_do_not_pile_up(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    item, num_chunks = planned("a.pdf"), 250
    chunks = [make_chunk(item, 0, page, [page], num_chunks) for page in range(num_chunks)]
    for chunk in chunks:
        stage(store, chunk, {chunk.first: FailureKind.render_timeout} if chunk.first == 7 else None)
    seen: list[weakref.ref[pa.Table]] = []
    most = 0

    def watched(body: bytes) -> StagedChunk:
        nonlocal most
        staged = decode(body)
        most = max(most, sum(table() is not None for table in seen))
        seen.extend(weakref.ref(table) for table in staged.tables.values())
        return staged

    monkeypatch.setattr(compaction, "decode", watched)
    names = [name for chunk in chunks if (name := chunk_name(chunk.name))]

    compacted = compact(store, Shard.of(make_plan([[item]]), 0), names, OutputSettings())
    assert compacted
    files, sources = compacted.files, compacted.sources

    assert [row["page_index"] for row in rows(store, "pages")] == list(range(num_chunks))
    assert [failure.page_index for failure in sources[0].failures] == [7]
    num_rows = {"pages": 250, "blocks": 249, "images": 249, "words": 249, "failures": 1, "documents": 1}
    assert {file.path.split("/")[0]: file.rows for file in files} == num_rows
    assert most < len(seen) / 4


def test_a_shard_is_complete_when_every_source_is_covered(store: LocalStore, plan: Plan) -> None:
    names = list_staged(store, plan, 0)
    shard = ShardProgress(plan, 0, names[:-1])
    assert (shard.is_complete, shard.num_complete) == (False, 2)

    assert shard.add(names[-1])

    assert shard.is_complete
    assert [str(name) for name in shard.chunks()] == sorted(str(name) for name in names)


def test_a_document_is_one_row_that_says_what_became_of_it(store: LocalStore, plan: Plan) -> None:
    compact(store, Shard.of(plan, 0), ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks(), OutputSettings())

    documents = rows(store, "documents")
    assert [
        (row["name"], row["status"], row["num_pages_ok"], row["num_pages_failed"], row["num_failures"]) for row in documents
    ] == [
        ("a.pdf", "partial", 2, 1, 1),
        ("b.pdf", "failed", 0, 0, 1),
        ("c.pdf", "ok", 1, 0, 0),
    ]
    assert [(row["uri"], row["page_index"]) for row in rows(store, "pages")] == [
        ("s3://drop/a.pdf", 0),
        ("s3://drop/a.pdf", 1),
        ("s3://drop/a.pdf", 2),
        ("s3://drop/c.pdf", 0),
    ]


def test_compacting_twice_writes_the_same_bytes_and_documents_last(store: LocalStore, plan: Plan) -> None:
    chunks = ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks()

    compacted = compact(store, Shard.of(plan, 0), chunks, OutputSettings())
    assert compacted
    files = compacted.files
    bodies = [store.get(file.path) for file in files]

    assert compact(store, Shard.of(plan, 0), chunks, OutputSettings()) == compacted
    assert bodies == [store.get(file.path) for file in files]
    assert files[-1].path == "documents/ingest_date=2026-01-01/000001-00000.parquet"
    assert {file.path.split("/")[0] for file in files} < set(TABLES)  # no file for a table without rows


def test_the_files_carry_the_schema_with_its_descriptions(store: LocalStore, plan: Plan) -> None:
    chunks = ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks()
    compacted = compact(store, Shard.of(plan, 0), chunks, OutputSettings(row_group_rows=2))

    assert compacted
    for file in compacted.files:
        found = pq.ParquetFile(store.uri(file.path))
        assert found.schema_arrow.equals(arrow_schema(file.path.split("/")[0]), check_metadata=False)
        assert found.schema_arrow.metadata[b"pagefold.schema_version"] == b"1"
        assert found.schema_arrow.field("uri").metadata[b"description"]
        assert found.metadata.num_rows == file.rows


def test_the_manifest_lists_what_a_retry_needs(store: LocalStore, plan: Plan) -> None:
    chunks = ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks()
    compacted = compact(store, Shard.of(plan, 0), chunks, OutputSettings())

    assert compacted
    assert write_manifest(store, plan, 0, "r1", compacted, check=lambda: None)

    manifest = Manifest.model_validate_json(store.get("_pagefold/manifests/2026-01-01/000001-00000.json"))
    assert [(source.uri, [(f.kind, f.page_index) for f in source.failures]) for source in manifest.sources] == [
        ("s3://drop/a.pdf", [("render_timeout", 2)]),
        ("s3://drop/b.pdf", [("encrypted", None)]),
        ("s3://drop/c.pdf", []),
    ]


def test_the_manifest_says_what_met_a_failure_that_another_tries_again(store: LocalStore) -> None:
    item = planned("a.pdf")
    kinds = {0: FailureKind.internal_error, 1: FailureKind.corrupt, 2: FailureKind.unsupported_script}
    stage(store, make_chunk(item, 0, 0, [0, 1, 2], 3), kinds)
    plan = make_plan([[item]])
    ocr = plan.recipes["ocr"].model_copy(update={"reads_by": "tesseract 5.3.0: ara"})
    plan = plan.model_copy(update={"recipes": plan.recipes | {"ocr": ocr}})
    compacted = compact(store, Shard.of(plan, 0), ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks(), OutputSettings())

    assert compacted
    assert [(f.kind, f.version) for f in compacted.sources[0].failures] == [
        ("internal_error", this_version()),
        ("corrupt", None),
        ("unsupported_script", "tesseract 5.3.0: ara"),
    ]


def test_a_chunk_that_an_older_version_staged_is_read_and_names_none() -> None:
    older = pa.schema([field for field in staging._SCHEMA if field.name != "version"], staging._SCHEMA.metadata)
    chunk = make_chunk(planned("a.pdf"), 0, 0, [0], 1)
    whole = pa.ipc.open_stream(
        pa.CompressedInputStream(pa.BufferReader(encode_chunk(chunk, records_of(chunk), "r1")), "zstd")
    ).read_all()
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as compressed, pa.ipc.new_stream(compressed, older) as writer:
        writer.write_table(whole.drop_columns("version"))

    staged = decode(sink.getvalue().to_pybytes())

    assert (staged.chunk, staged.run_id, staged.version) == (chunk, "r1", None)
    assert staged.tables["pages"].num_rows == 1


def test_a_chunk_that_was_staged_before_a_table_got_its_newest_column_has_none_there() -> None:
    chunk = make_chunk(planned("a.pdf"), 0, 0, [0, 1], 2)
    body = encode_chunk(chunk, records_of(chunk), "r1")
    whole = pa.ipc.open_stream(pa.CompressedInputStream(pa.BufferReader(body), "zstd")).read_all()
    pages = whole.column("pages").combine_chunks()
    rows, newest = pages.flatten(), arrow_schema("pages").names[-1]
    fields = list(rows.type)[:-1]
    older = pa.ListArray.from_arrays(pages.offsets, pa.StructArray.from_arrays(rows.flatten()[:-1], fields=fields))
    staged = whole.set_column(whole.column_names.index("pages"), pa.field("pages", older.type, nullable=False), older)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as compressed, pa.ipc.new_stream(compressed, staged.schema) as writer:
        writer.write_table(staged)

    read = decode(sink.getvalue().to_pybytes()).tables["pages"]

    assert read.schema == arrow_schema("pages")
    assert read.column(newest).to_pylist() == [None, None]
    assert read.drop_columns(newest) == decode(body).tables["pages"].drop_columns(newest)


def test_a_second_manifest_of_the_same_shard_changes_nothing(store: LocalStore, plan: Plan) -> None:
    assert write_manifest(store, plan, 0, "r1", NOTHING, check=lambda: None)

    assert not write_manifest(store, plan, 0, "r2", NOTHING, check=lambda: None)

    assert b'"r1"' in store.get("_pagefold/manifests/2026-01-01/000001-00000.json")


def test_a_run_without_its_lease_commits_nothing(store: LocalStore, plan: Plan) -> None:
    def lost() -> None:
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        write_manifest(store, plan, 0, "r1", NOTHING, check=lost)

    assert list(store.list("_pagefold/manifests/")) == []


@pytest.mark.slow
def test_what_a_zombie_stages_beside_a_covered_shard_is_not_read(store: LocalStore, plan: Plan) -> None:
    chunks = ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks()
    before = compact(store, Shard.of(plan, 0), chunks, OutputSettings())
    stage(store, make_chunk(planned("b.pdf"), 1, 0, [0, 1], 2))  # another page count for the source that could not be opened

    after = ShardProgress(plan, 0, list_staged(store, plan, 0)).chunks()

    assert after != chunks
    assert compact(store, Shard.of(plan, 0), after, OutputSettings(compression_level=9)) == before


def test_staging_is_empty_after_it_was_deleted(store: LocalStore, plan: Plan) -> None:
    delete_staging(store, plan, 0)

    assert list(store.list("_pagefold/staging/")) == []


def test_coverage_tells_a_resumed_run_what_to_leave_out() -> None:
    coverage = Coverage()
    for text in ("00000.00000-00001.of-00005", "00000.00004-00004.of-00005", "00000.00000-00001.of-00002"):
        name = chunk_name(text)
        assert name is not None
        coverage.add(name)

    assert [str(name) for name in coverage.staged()] == ["00000.00000-00001.of-00005", "00000.00004-00004.of-00005"]
