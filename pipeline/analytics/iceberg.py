"""Committed files as Iceberg tables: registered where they lie, nothing is copied.

A publication compares what each table lists with what counts in the output, and commits the difference as one snapshot: files
that are new are added, files that optimize replaced, or that are gone, are taken out. So it may be killed and repeated at any time,
and a table is never between two states. `documents` comes last, as with commits. Iceberg knows a file by its path, which never gets
other bytes; so `runs`, whose files are written twice, is left out. `ingest_date` stands in paths alone: Iceberg has no such column.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.lake.garbage import check_output
from pipeline.lake.ledger import list_manifests
from pipeline.lake.paths import committed_name, file_name, is_rewritten
from pipeline.lake.rewriting.state import read_live_files
from pipeline.object_store.store import Store, StoreUnavailable
from schemas.errors import OperatorError
from schemas.tables import PARTITIONED, arrow_schema

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

NAMESPACE = "pagefold"
_ORDER = sorted(PARTITIONED, key=lambda table: table == "documents")


@dataclass(frozen=True)
class Published:
    """What a table came to."""

    table: str
    num_added: int
    num_removed: int
    num_files: int
    """Of this output, now."""


def open_catalog(name: str) -> "Catalog":
    """The catalog that pyiceberg knows by this name, from `.pyiceberg.yaml` or `PYICEBERG_CATALOG__…`. Raises OperatorError."""
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.utils.config import Config
    except ImportError:
        raise OperatorError("Iceberg needs pyiceberg: pip install 'pagefold[iceberg]'.") from None
    try:
        return load_catalog(name, **{key: str(value) for key, value in (Config().get_catalog_config(name) or {}).items()})
    except Exception as error:  # noqa: BLE001 - each kind of catalog has errors of its own
        raise OperatorError(
            f"the Iceberg catalog {name!r} does not open ({_first_line(error)}); pyiceberg takes it from .pyiceberg.yaml, or from "
            f"PYICEBERG_CATALOG__{name.upper()}__URI."
        ) from None


def publish(store: Store, catalog: "Catalog", namespace: str = NAMESPACE) -> Iterator[Published]:
    """Brings each table up to date, and gives what that took. Raises OperatorError, StoreError."""
    from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException

    check_output(store)
    catalog.create_namespace_if_not_exists(namespace)
    is_published = _counts(store)
    for name in _ORDER:
        wanted = {_uri(store, stored.path) for stored in store.list(f"{name}/") if is_published(stored.path)}
        table = catalog.create_table_if_not_exists(f"{namespace}.{name}", _schema(name))
        try:
            yield _bring_up_to_date(table, name, _uri(store, f"{name}/"), wanted)
        except (CommitFailedException, CommitStateUnknownException) as error:
            raise StoreUnavailable(f"{namespace}.{name} was not committed ({_first_line(error)}): publish again.") from None


def _counts(store: Store) -> Callable[[str], bool]:
    """Says of a table's file whether it is committed, and not replaced."""
    live = read_live_files(store)
    committed = {committed_name(name) for name, _ in list_manifests(store) if name.shard_index is not None}

    def counts(path: str) -> bool:
        name = file_name(path)
        return path.endswith(".parquet") and path in live and (is_rewritten(name) or name in committed)

    return counts


def _bring_up_to_date(table: "Table", name: str, place: str, wanted: set[str]) -> Published:
    from pyiceberg.io.pyarrow import parquet_files_to_data_files

    there = {file.file_path: file for file in _data_files(table) if file.file_path.startswith(place)}
    added, removed = sorted(wanted - there.keys()), sorted(there.keys() - wanted)
    with table.transaction() as transaction:
        if {field.name for field in table.schema().fields} != set(_schema(name).names):
            with transaction.update_schema() as update:
                update.union_by_name(_schema(name))
        if transaction.table_metadata.name_mapping() is None:  # files have no field ids: columns go by name
            mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
            transaction.set_properties({"schema.name-mapping.default": mapping})
        if added or removed:
            snapshot = transaction.update_snapshot()
            with snapshot.overwrite() if removed else snapshot.fast_append() as producer:
                for path in removed:
                    producer.delete_data_file(there[path])
                for file in parquet_files_to_data_files(table.io, transaction.table_metadata, iter(added)):
                    producer.append_data_file(file)
    return Published(name, len(added), len(removed), len(wanted))


def _data_files(table: "Table") -> "Iterator[DataFile]":
    snapshot = table.current_snapshot()
    for manifest in snapshot.manifests(table.io) if snapshot else ():
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            yield entry.data_file


def _schema(name: str) -> pa.Schema:
    """Every column may be null: files of an older version lack some."""
    return pa.schema([field.with_nullable(True).remove_metadata() for field in arrow_schema(name)])


def _uri(store: Store, path: str) -> str:
    """As other engines read it."""
    uri = store.uri(path)
    return uri if "://" in uri else f"file://{Path(uri).absolute()}{'/' * uri.endswith('/')}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
