"""The tables' schema: types that DuckDB, Athena and Spark read alike, columns derived from records, and round trips."""

import dataclasses
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas import SCHEMA_VERSION
from schemas.failure import FailureKind
from schemas.page import Box
from schemas.records import BOX, BlockRecord, EncodedImage, Lineage, PixelBox, Reading, Record
from schemas.tables import COLUMNS, IMAGE, PARTITIONED, RECORDS, TABLES, TIME, Column, arrow_schema, record_columns, to_table

PORTABLE = {pa.string(), pa.int64(), pa.float64(), pa.bool_(), TIME, pa.list_(pa.string()), IMAGE}
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def allows_none(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)


def test_the_tables_with_partitions_are_named():
    assert {*PARTITIONED, "runs"} == COLUMNS.keys()


class Half(StrEnum):
    left = "left"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    at: Annotated[datetime | None, "When."] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Named:
    names: Annotated[list[str], "Its names."]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example(Record, Named, Measured):
    reading: Reading
    bbox_px: PixelBox = None
    half: Annotated[Half, "Which half."]
    axis: Annotated[Literal["y"] | None, "Which axis."] = None


def test_a_record_has_its_own_columns_in_front_of_those_of_its_bases():
    # given a record with a part, a box, an enumeration, a choice that may be null, and two bases
    columns = list(record_columns(Example))
    # then
    reading = ["recipe_id", "engine", "model", "model_revision", "prompt_version"]
    box = ["left_px", "top_px", "right_px", "bottom_px"]
    assert [column.name for column in columns] == [*reading, *box, "half", "axis", "names", "at"]
    assert columns[5] == Column("left_px", pa.float64(), BOX["left_px"], nullable=True)
    assert columns[9:] == [
        Column("half", pa.string(), "Which half."),
        Column("axis", pa.string(), "Which axis.", nullable=True),
        Column("names", pa.list_(pa.string()), "Its names."),
        Column("at", TIME, "When.", nullable=True),
    ]


@pytest.mark.parametrize(("hint", "why"), [(int, "has no description"), (Annotated[bytes, "Bytes."], "no column has the type")])
def test_a_column_without_a_description_or_of_another_type_is_refused(hint, why):
    record = type("Odd", (Record,), {"__annotations__": {"odd": hint}})
    with pytest.raises(TypeError, match=why):
        list(record_columns(record))


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_are_described_portable_and_named_once(table):
    names = [column.name for column in COLUMNS[table]]
    assert len(names) == len(set(names))
    for column in COLUMNS[table]:
        assert column.type in PORTABLE, column.name
        assert column.description.strip().endswith((".", ")", "…")), column.name
        assert column.name == column.name.lower()


@pytest.mark.parametrize("table", COLUMNS)
def test_the_file_says_which_schema_it_has(table):
    schema = arrow_schema(table)
    assert {key: value for key, value in schema.metadata.items() if key != b"huggingface"} == {
        b"pagefold.table": table.encode(),
        b"pagefold.schema_version": str(SCHEMA_VERSION).encode(),
    }
    assert schema.field(0).metadata[b"description"]


def example(hint: Any) -> Any:
    """A value of that type, never a null, empty or zero one."""
    if allows_none(hint):
        return example(next(part for part in get_args(hint) if part is not NoneType))
    known = {str: 'ä\n"x"', int: 2**53 + 1, float: 0.1, bool: True, datetime: WHEN, list[str]: ["α", ""], Box: Box(1.5, 2, 3, 4)}
    known[EncodedImage] = EncodedImage(b"\0\xff", "ä.jpg")
    if hint in known:
        return known[hint]
    if hint is FailureKind:
        return FailureKind.bad_json
    if hint in (Lineage, Reading):
        return hint(**{name: example(part) for name, part in get_type_hints(hint).items()})
    return get_args(hint)[0]  # a Literal


@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("is_full", [True, False])
def test_rows_come_back_from_parquet_as_they_were(table, is_full, tmp_path):
    # given a record with everything, or with as little as it may have
    hints = get_type_hints(RECORDS[table])
    values = {
        field.name: None if allows_none(hints[field.name]) and not is_full else example(hints[field.name])
        for field in dataclasses.fields(RECORDS[table])  # type: ignore[arg-type]
    }
    row = RECORDS[table](**values).row()
    # when
    pq.write_table(to_table(table, [row]), tmp_path / "x.parquet", compression="zstd")
    # then
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == [{**row, "rewrite": None} if table in TABLES else row]
    assert pq.read_schema(tmp_path / "x.parquet").equals(arrow_schema(table), check_metadata=False)
    names = duckdb.sql(f"SELECT * FROM read_parquet('{tmp_path}/x.parquet')").columns
    assert names == [column.name for column in COLUMNS[table]]


def test_a_value_of_another_type_is_refused():
    with pytest.raises(pa.ArrowInvalid):
        to_table("runs", [{"run_id": "r", "num_pages": "many"}])


def test_an_empty_table_has_all_columns():
    assert to_table("pages", []).schema.equals(arrow_schema("pages"))


def test_a_record_without_a_box_has_four_nulls():
    lineage, reading = example(Lineage), example(Reading)
    block = BlockRecord(lineage=lineage, page_index=0, reading=reading, block_index=0, kind="title", text="x")
    assert [block.row()[name] for name in ("left_px", "top_px", "right_px", "bottom_px")] == [None] * 4
