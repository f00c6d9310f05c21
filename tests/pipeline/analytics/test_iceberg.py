"""Iceberg tables have exactly the committed rows, however often and whenever a publication is killed, and after optimize and gc."""

from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import PyArrowFile

from pipeline import cli
from pipeline.analytics import iceberg
from pipeline.analytics.duckdb_tables import connect
from pipeline.analytics.iceberg import Published, open_catalog, publish
from pipeline.lake.garbage import sweep
from pipeline.lake.rewriting.optimize import Optimized, optimize_under
from pipeline.object_store.local_store import LocalStore
from schemas.errors import OperatorError
from schemas.settings import OutputSettings
from tests.pipeline.dying_store import Killed
from tests.pipeline.lake.made_commits import commit_documents, make_mixed_lake
from tests.pipeline.made import planned

pytestmark = pytest.mark.slow

TABLES = ("documents", "pages", "deletions")


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    store = LocalStore(str(tmp_path / "lake"))
    make_mixed_lake(store)
    return store


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "warehouse").mkdir()
    monkeypatch.setattr(iceberg, "_ORDER", [*TABLES[1:], TABLES[0]])  # others are as these
    monkeypatch.setenv("PYICEBERG_CATALOG__TEST__URI", f"sqlite:///{tmp_path}/catalog.db")
    monkeypatch.setenv("PYICEBERG_CATALOG__TEST__WAREHOUSE", f"file://{tmp_path}/warehouse")
    return open_catalog("test")


def published(store: LocalStore, catalog: Any) -> dict[str, tuple[int, int, int]]:
    done: list[Published] = list(publish(store, catalog))
    return {each.table: (each.num_added, each.num_removed, each.num_files) for each in done if each.table in TABLES}


def rows_in(catalog: Any, table: str) -> list[str]:
    return sorted(map(repr, catalog.load_table(f"pagefold.{table}").scan().to_arrow().to_pylist()))


def rows_of(store: LocalStore, table: str) -> list[str]:
    with closing(connect(store.root, table)) as connection:
        found = connection.sql(f"SELECT * FROM {table}").to_arrow_table().drop_columns(["ingest_date"]).to_pylist()
    return sorted(map(repr, found))


def check(store: LocalStore, catalog: Any) -> None:
    for table in TABLES:
        assert rows_in(catalog, table) == rows_of(store, table), table


def test_tables_follow_commits_optimize_and_gc(lake, catalog):
    assert published(lake, catalog) == {"documents": (6, 0, 6), "pages": (6, 0, 6), "deletions": (1, 0, 1)}
    check(lake, catalog)
    assert published(lake, catalog)["pages"] == (0, 0, 6)

    commit_documents(lake, "000004", [[planned("new.pdf")]])
    early = "pages/ingest_date=2026-01-01/000005-00000.parquet"
    lake.put(early, b"not committed")
    assert published(lake, catalog)["pages"] == (1, 0, 7)
    lake.delete([early])
    check(lake, catalog)

    optimize_under(lake, OutputSettings(), lambda: None, Optimized(lake.root, is_dry_run=False))
    assert published(lake, catalog)["pages"] == (2, 7, 2)
    sweep(lake, min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc")
    assert published(lake, catalog)["pages"] == (0, 0, 2)
    check(lake, catalog)


@pytest.mark.parametrize("is_after", [False, True])
def test_death_at_any_commit_loses_and_doubles_nothing(lake, catalog, monkeypatch, is_after):
    """Each table is one commit in the catalog; what was written for it before is not seen."""
    commit = type(catalog).commit_table
    left = [0]

    def dying(self: Any, *arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if not left[0] and not is_after:
            raise Killed
        result = commit(self, *arguments, **named)
        if not left[0]:
            raise Killed
        return result

    with monkeypatch.context() as patched:
        patched.setattr(type(catalog), "commit_table", dying)
        for _ in range(20):
            left[0] = 2  # one table a try
            try:
                published(lake, catalog)
            except Killed:
                continue
            break
    check(lake, catalog)
    assert published(lake, catalog)["pages"] == (0, 0, 6)


def tear_write(patched: pytest.MonkeyPatch, number: int) -> None:
    """From the write of this number on, each object is torn, as a folder may leave it, and the process dies."""
    create, made = PyArrowFile.create, list[str]()

    def created(self: PyArrowFile, overwrite: bool = False) -> Any:
        made.append(self.location)
        stream = create(self, overwrite)
        if len(made) < number:
            return stream
        with stream:
            stream.write(b"torn")
        raise Killed

    patched.setattr(PyArrowFile, "create", created)


def states_of(catalog: Any) -> dict[str, tuple[str, set[str]]]:
    """Of each table that is there: where its metadata lies, and its data files."""
    names = [name for table in iceberg._ORDER if catalog.table_exists(name := f"pagefold.{table}")]
    tables = {name: catalog.load_table(name) for name in names}
    return {
        name: (table.metadata_location, {file.file_path for file in iceberg._data_files(table)}) for name, table in tables.items()
    }


@pytest.mark.parametrize("is_first", [True, False], ids=["the first publication", "after optimize"])
def test_death_at_any_write_leaves_each_table_old_or_new(lake, catalog, monkeypatch, is_first):
    """Each try dies one write later than the one before, counted from the last that changed a table; so it meets every write."""
    monkeypatch.setattr(iceberg, "_ORDER", ["failures", "documents"])  # others are as these, with more columns
    if not is_first:
        published(lake, catalog)
        optimize_under(lake, OutputSettings(), lambda: None, Optimized(lake.root, is_dry_run=False))
    states, torn, is_whole = [states_of(catalog)], 0, False
    while not is_whole and len(states) < 40:
        torn += 1
        with monkeypatch.context() as patched:
            tear_write(patched, torn)
            with suppress(Killed):
                published(lake, catalog)
                is_whole = True
        states.append(states_of(catalog))
        torn = torn if states[-1] == states[-2] else 0

    for name, (_, new) in states[-1].items():
        files = [state[name][1] if name in state else set() for state in states]
        assert files == sorted(files, key=lambda some: some == new), name
        assert all(some in (files[0], new) for some in files), name
        assert files[0] != new
        table = name.removeprefix("pagefold.")
        assert rows_in(catalog, table) == rows_of(lake, table)
    assert len(states) > 10
    assert is_whole


def test_files_of_an_older_version_have_nulls_and_new_columns_are_added(lake, catalog):
    first = next(path for path in (stored.path for stored in lake.list("pages/")))
    file = Path(lake.root) / first
    pq.write_table(pq.read_table(file, partitioning=None).drop_columns(["confidence"]), file)
    catalog.create_namespace("pagefold")
    older = pq.read_schema(file)
    catalog.create_table("pagefold.pages", older)

    assert published(lake, catalog)["pages"] == (6, 0, 6)

    assert "confidence" in catalog.load_table("pagefold.pages").schema().column_names
    assert len(rows_in(catalog, "pages")) == 30


def test_the_command_says_what_it_did(lake, catalog, capsys):
    with pytest.raises(SystemExit) as ended:
        run(["publish", lake.root, "--iceberg", "test"])
    assert ended.value.code == 0
    assert "pagefold.pages: 6 files, 6 added, 0 removed" in capsys.readouterr().out


def run(arguments: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["pagefold", *arguments])
        cli.main()


def test_a_catalog_that_nobody_configured_is_the_operators_mistake():
    with pytest.raises(OperatorError, match="PYICEBERG_CATALOG__NONE__URI"):
        open_catalog("none")
