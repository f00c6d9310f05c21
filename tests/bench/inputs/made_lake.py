"""A made lake of very many pages, written as commits leave it: files of 256 documents, rows in document order."""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.paths import manifest_path, plan_path
from pipeline.object_store.local_store import LocalStore
from schemas.plan import Manifest
from schemas.settings import Settings
from schemas.tables import PARTITIONED, arrow_schema
from tests.pipeline.made import make_plan

DAY = date(2026, 1, 31)
WHEN = datetime(2026, 1, 31, 2, tzinfo=UTC)
SHARD = 256
ROW_GROUP_ROWS = Settings().output.row_group_rows
_TEXT = """harbour annual report the of and to in cooperative light energy tide table market price growth quarter revenue board
members meeting minutes contract supplier invoice total amount paid received water depth chart vessel captain crew cargo fish season
winter summer storm signal lamp oil barrel ton export import customs duty office clerk letter seal stamp ledger account"""
_WORDS = _TEXT.split()


def make_lake(root: Path, *, num_documents: int, pages_each: int, blocks_each: int, num_repeated: int = 0) -> None:
    """`num_repeated` of the documents were read again by a second plan, half of them with other bytes under the same uri."""
    _write_plan(root, "000001", range(num_documents), pages_each, blocks_each)
    if num_repeated:
        step = max(1, num_documents // num_repeated)
        _write_plan(root, "000002", range(0, step * num_repeated, step), pages_each, blocks_each)


def commit_made(root: Path) -> None:
    """A plan and a manifest for each file, as optimize finds them; they name no sources."""
    store = LocalStore(str(root))
    store.put(plan_path("000001"), make_plan([], "000001").model_dump_json().encode())
    for path in sorted((root / "documents").rglob("*.parquet")):
        plan_id, _, shard = path.stem.partition("-")
        manifest = Manifest(plan_id=plan_id, shard_index=int(shard), run_id="r1", committed_at=WHEN, recipe_ids={})
        store.put(manifest_path(DAY, plan_id, int(shard)), manifest.model_dump_json().encode())


def name_of(number: int) -> str:
    return f"document-{number:07d}.pdf"


def _write_plan(root: Path, plan_id: str, numbers: range, pages_each: int, blocks_each: int) -> None:
    for shard, start in enumerate(range(0, len(numbers), SHARD)):
        tables = _shard(numbers[start : start + SHARD], plan_id, pages_each, blocks_each)
        for table, columns in tables.items():
            _write(root, table, f"{plan_id}-{shard:05d}", columns)


def _write(root: Path, table: str, name: str, columns: dict[str, list[Any]]) -> None:
    """Columns that are not given are null, or what is written of a plain page."""
    num_rows = len(next(iter(columns.values())))
    schema = arrow_schema(table)
    arrays = []
    for field in schema:
        values = columns.get(field.name)
        if values is None:
            values = [None if field.nullable else _plain(field)] * num_rows
        arrays.append(pa.array(values, field.type))
    folder = root / table / f"ingest_date={DAY}" if table in PARTITIONED else root / table
    folder.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_arrays(arrays, schema=schema)
    pq.write_table(rows, folder / f"{name}.parquet", compression="zstd", compression_level=3, row_group_size=ROW_GROUP_ROWS)


def _plain(field: pa.Field) -> Any:
    if pa.types.is_list(field.type):
        return []
    if pa.types.is_timestamp(field.type):
        return WHEN
    return {pa.int64(): 0, pa.float64(): 0.0, pa.bool_(): False}.get(field.type, "classic")


def _shard(numbers: range, plan_id: str, pages_each: int, blocks_each: int) -> dict[str, dict[str, list[Any]]]:
    dice = random.Random(f"{plan_id} {numbers}")
    keys = [_key(number, plan_id) for number in numbers]
    pages, blocks = _repeated(keys, pages_each), _repeated(keys, pages_each * blocks_each)
    texts = [" ".join(dice.choices(_WORDS, k=12)) for _ in range(len(keys) * pages_each * blocks_each)]
    page_texts = ["\n\n".join(texts[start : start + blocks_each]) for start in range(0, len(texts), blocks_each)]
    documents = {
        name: [key[name] for key in keys] for name in ("uri", "source_id", "source_version", "document_id", "plan_id", "name")
    }
    documents |= {"num_pages": [pages_each] * len(keys), "num_pages_read": [pages_each] * len(keys), "status": ["ok"] * len(keys)}
    documents |= {"is_whole": [True] * len(keys), "ocr_recipe_id": ["o1"] * len(keys), "tasks": [["ocr"]] * len(keys)}
    pages |= {
        "page_index": [index for _ in keys for index in range(pages_each)],
        "status": ["ok"] * len(page_texts),
        "text_plain": page_texts,
        "text_markdown": page_texts,
        "num_chars": [len(text) for text in page_texts],
        "confidence": [dice.random() for _ in page_texts],
    }
    blocks |= {
        "page_index": [index for _ in keys for index in range(pages_each) for _ in range(blocks_each)],
        "block_index": [index for _ in page_texts for index in range(blocks_each)],
        "kind": dice.choices(["paragraph", "heading", "list_item", "table"], weights=[8, 2, 1, 1], k=len(texts)),
        "text": texts,
    }
    return {"pages": pages, "blocks": blocks, "documents": documents}


def _key(number: int, plan_id: str) -> dict[str, str]:
    """A later plan finds other bytes under every second uri that it reads."""
    uri = f"s3://drop/{number % 100:02d}/{name_of(number)}"
    version = plan_id if number % 2 else "000001"
    digest = hashlib.sha256(f"{uri} {version}".encode()).hexdigest()
    return {
        "uri": uri,
        "source_id": digest[:32],
        "source_version": version,
        "document_id": digest,
        "plan_id": plan_id,
        "recipe_id": "o1",
        "name": name_of(number),
    }


def _repeated(keys: list[dict[str, str]], times: int) -> dict[str, list[Any]]:
    names = ("uri", "source_id", "source_version", "document_id", "plan_id", "recipe_id")
    return {name: [key[name] for key in keys for _ in range(times)] for name in names}


def sizes_of(root: Path) -> Iterator[tuple[str, int, int]]:
    """Table, files, bytes."""
    for table in sorted(path for path in root.iterdir() if path.name[0] != "_"):
        files = list(table.rglob("*.parquet"))
        yield table.name, len(files), sum(path.stat().st_size for path in files)
