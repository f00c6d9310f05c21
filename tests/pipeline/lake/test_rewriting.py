"""`pagefold optimize` changes no answer: killed at any write, beside a run, and whoever reads the tables meanwhile."""

import json
import re
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.analytics.dialects import render_sql
from pipeline.analytics.duckdb_tables import VIEWS, connect, run_query
from pipeline.analytics.quick_views import named_in
from pipeline.cli import app
from pipeline.lake.garbage import sweep
from pipeline.lake.lease import Lease, LeaseHeld, LeaseLost
from pipeline.lake.ledger import load_ledger
from pipeline.lake.opening import open_store
from pipeline.lake.paths import rewrite_plan_path, rewrite_state_path
from pipeline.lake.rewriting.groups import Unit, choose_groups
from pipeline.lake.rewriting.optimize import Optimized, look, optimize, optimize_under
from pipeline.lake.rewriting.state import read_live_files
from pipeline.lake.tables.missing_files import find_missing
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Damaged, Store
from schemas.settings import OutputSettings
from schemas.tables import TABLES
from tests.pipeline.dying_store import DyingStore, Killed
from tests.pipeline.lake.made_commits import commit_documents, make_mixed_lake
from tests.pipeline.made import NOON, planned

pytestmark = pytest.mark.slow

SETTINGS = OutputSettings()
Rows = dict[str, list[str]]
PAGES = "SELECT uri, source_version, page_index, attempt FROM current_pages ORDER BY ALL"
FOLDER_VIEWS = ("current_blocks", "open_failures")
"""What depends on whole documents: pages, what follows them, and failures."""


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    store = LocalStore(str(tmp_path / "lake"))
    make_mixed_lake(store)
    return store


def rewrite(store: Any) -> Optimized:
    done = Optimized(store.root, is_dry_run=False)
    optimize_under(store, SETTINGS, lambda: None, done)
    return done


def live_rows(store: Store) -> Rows:
    """All rows of the files that count, but for the number of their rewrite."""
    live = read_live_files(store)
    return {table: _steady(_read(store, [path for path in files_of(store, table) if path in live])) for table in TABLES}


def _read(store: Store, paths: list[str]) -> list[dict[str, Any]]:
    return [row for path in paths for row in pq.read_table(pa.BufferReader(store.get(path)), use_threads=False).to_pylist()]


def folder_rows(store: Store) -> Rows:
    """The views of an engine that reads folders, by the script that `pagefold sql` prints."""
    with closing(duckdb.connect(config={"threads": 1})) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = named_in(" ".join(FOLDER_VIEWS))
        present = [table for table in (*TABLES, "deletions") if (Path(store.root) / table).exists()]
        for statement in render_sql(store.root, "duckdb", tables=present).split(";\n\n"):
            if statement.split(" AS\n")[0].removeprefix("CREATE OR REPLACE VIEW ") in names:
                connection.execute(statement)
        return {view: _steady(connection.sql(f"SELECT * FROM {view}").to_arrow_table().to_pylist()) for view in FOLDER_VIEWS}


def answers(store: Store) -> Rows:
    """All views as `pagefold query` has them."""
    with closing(connect(store.root)) as connection:
        return {view: _steady(connection.sql(f"SELECT * FROM {view}").to_arrow_table().to_pylist()) for view in VIEWS}


def _steady(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr({key: value for key, value in row.items() if key != "rewrite"}) for row in rows)


def files_of(store: Store, table: str) -> list[str]:
    return [stored.path for stored in store.list(f"{table}/")]


def collect(store: Store, *, min_age_s: float = -2) -> Counter[str]:
    return Counter(garbage.what for garbage in sweep(store, min_age_s=min_age_s, in_tables=True, ttl_s=30, run_id="gc").found)


def test_all_views_have_the_same_rows_in_fewer_files(lake):
    before = answers(lake)
    assert all(before[name] for name in ("current_pages", "current_blocks", "current_words", "open_failures", "page_versions"))

    done = rewrite(lake)

    assert (done.num_groups, done.num_files_before, done.num_files_after) == (1, 34, 12)
    assert answers(lake) == before


def test_the_rows_are_the_same_until_gc_and_after_it(lake):
    before, folders = live_rows(lake), folder_rows(lake)
    assert all(folders.values())

    rewrite(lake)

    assert live_rows(lake) == before
    assert folder_rows(lake) == folders
    assert collect(lake, min_age_s=3600) == {}
    assert collect(lake)["replaced file"] == 34
    assert live_rows(lake) == before
    assert folder_rows(lake) == folders
    assert all(len(files_of(lake, table)) == 2 for table in ("documents", "pages", "blocks", "failures"))


def test_rows_are_sorted_by_document_and_page_and_repeated_documents_have_a_file_of_their_own(lake):
    rewrite(lake)
    once, repeated = [path for path in files_of(lake, "pages") if "optimized-" in path]
    rows = pq.read_table(Path(lake.root) / once, partitioning=None).select(["document_id", "page_index"]).to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["document_id"], row["page_index"]))
    uris = set(pq.read_table(Path(lake.root) / repeated, partitioning=None)["uri"].to_pylist())
    assert uris == {"s3://drop/00.pdf", "s3://drop/10.pdf"}


def test_death_at_any_write_changes_no_row_and_the_same_call_goes_on(lake, tmp_path):
    before, folders = live_rows(lake), folder_rows(lake)
    counted = DyingStore(copy_of(lake, tmp_path / "counted"), at=-1)
    rewrite(counted)
    assert counted.num_writes == 14  # a plan, six tables in two files, a state
    written = new_files(counted)
    for at in (0.5, *range(1, 15)):  # just before the first write, and after each: before the next is the same
        store = copy_of(lake, tmp_path / f"lake-{at}")
        with pytest.raises(Killed):
            rewrite(DyingStore(store, at))

        assert live_rows(store) == before
        if at in (11, 12, 13):  # what engines find in folders changes with the two files of `documents`
            assert folder_rows(store) == folders
        collect(store)  # takes nothing that is needed
        assert rewrite(store).num_groups == (at < 14)
        assert live_rows(store) == before
        assert new_files(store) == written
        collect(store)
        assert live_rows(store) == before
        assert look(store, SETTINGS).num_groups == 0


def copy_of(lake: Store, folder: Path) -> LocalStore:
    shutil.copytree(lake.root, folder)
    return LocalStore(str(folder))


def new_files(store: Any) -> dict[str, bytes]:
    return {path: store.get(path) for table in TABLES for path in files_of(store, table) if "optimized-" in path}


def test_death_at_any_deletion_of_gc_changes_no_row(lake, tmp_path):
    rewrite(lake)
    before, folders = live_rows(lake), folder_rows(lake)
    for at in (1, 9, 19):
        store = copy_of(lake, tmp_path / f"lake-{at}")
        with pytest.raises(Killed):
            sweep(DyingStore(store, at), min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc")  # type: ignore[arg-type]
        assert live_rows(store) == before
        assert folder_rows(store) == folders


def test_what_is_committed_later_is_joined_with_what_was(lake):
    rewrite(lake)
    collect(lake)
    commit_documents(lake, "000004", [[planned("new.pdf")], [planned("00.pdf", attempt=2)]])
    before = live_rows(lake)

    assert rewrite(lake).num_groups == 1

    assert live_rows(lake) == before
    collect(lake)
    assert live_rows(lake) == before
    assert [path.rpartition("/")[2] for path in files_of(lake, "pages")] == [
        "optimized-000002-00000.parquet",
        "optimized-000002-00001.parquet",
    ]
    assert rewrite(lake).num_groups == 0


def test_replaced_files_are_not_missing_and_lost_ones_are(lake):
    rewrite(lake)
    collect(lake)
    sizes = read_live_files(lake).sizes(load_ledger(lake).files)
    assert not find_missing(lake, sizes)
    lost = files_of(lake, "pages")[0]
    lake.delete([lost])
    (sentence,) = find_missing(lake, sizes).sentences
    assert lost in sentence
    assert sentence.endswith(": restore it")


def test_it_waits_for_no_run_and_no_run_works_beside_it(lake):
    with Lease.acquire(lake, owner="here", run_id="r9", ttl_s=30), pytest.raises(LeaseHeld, match="r9"):
        optimize(lake, SETTINGS, run_id="optimize-1")
    seen = []

    def tries(done: Optimized) -> None:
        with pytest.raises(LeaseHeld, match="optimize-1"):
            Lease.acquire(lake, owner="here", run_id="r9", ttl_s=30)
        seen.append(done.num_groups)

    assert optimize(lake, SETTINGS, run_id="optimize-1", on_progress=tries).message is None
    assert seen == [1]


def test_one_that_wakes_after_another_has_finished_its_plan_writes_nothing(lake):
    before = live_rows(lake)
    with pytest.raises(Killed):
        rewrite(DyingStore(lake, 1))

    def wakes() -> None:
        if not [path for path in files_of(lake, "documents") if "optimized-" in path]:
            rewrite(lake)
            collect(lake)
            left.update(new_files(lake))

    left: dict[str, bytes] = {}
    with pytest.raises(LeaseLost, match="another optimize has taken over"):
        optimize_under(lake, SETTINGS, wakes, Optimized(lake.root, is_dry_run=False))
    assert new_files(lake) == left
    assert live_rows(lake) == before


def test_a_plan_whose_files_are_gone_says_what_to_do(lake):
    with pytest.raises(Killed):
        rewrite(DyingStore(lake, 1))
    lake.delete(files_of(lake, "documents")[:1])
    with pytest.raises(Damaged, match=r"000001\.plan\.json names files that are gone; remove it"):
        rewrite(lake)
    lake.delete([rewrite_plan_path(1)])
    assert rewrite(lake).num_groups == 1


def test_a_damaged_state_is_an_error_and_not_an_empty_lake(lake):
    rewrite(lake)
    lake.put(rewrite_state_path(1), b"{")
    with pytest.raises(Damaged, match="it says which table files count"):
        live_rows(lake)


def test_files_of_an_older_version_have_todays_columns(lake):
    before = live_rows(lake)
    for path in files_of(lake, "pages")[:2]:
        file = Path(lake.root) / path
        pq.write_table(pq.read_table(file, partitioning=None).drop_columns(["confidence", "rewrite"]), file)
    rewrite(lake)
    assert live_rows(lake) == before


def test_it_works_over_s3(bucket):
    store = open_store(f"s3://{bucket}/lake")
    make_mixed_lake(store)
    before, pages = live_rows(store), run_query(store.root, PAGES).to_pylist()
    assert len(pages) == 24
    assert optimize(store, SETTINGS, run_id="optimize-1").num_groups == 1
    assert live_rows(store) == before
    assert run_query(store.root, PAGES).to_pylist() == pages


def unit(day: int, name: str, size: int, *, is_rewritten: bool = False) -> Unit:
    return Unit(NOON.date().replace(day=day), (name,), size, is_rewritten)


@pytest.mark.parametrize(
    ("units", "groups"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([unit(1, "a", 10), unit(2, "b", 10)], [], id="one small file a day is left alone"),
        pytest.param([unit(1, "a", 30)], ["a"], id="a large one is sorted"),
        pytest.param([unit(1, "a", 30, is_rewritten=True)], [], id="once"),
        pytest.param([unit(1, "a", 10), unit(2, "c", 10), unit(1, "b", 10)], ["ab"], id="small ones of a day are joined"),
        pytest.param([unit(1, "a", 40), unit(1, "b", 40), unit(1, "c", 40)], ["ab", "c"], id="up to the target"),
        pytest.param([unit(1, "a", 60, is_rewritten=True), unit(1, "b", 10)], [], id="a full one is left alone"),
        pytest.param([unit(1, "a", 40, is_rewritten=True), unit(1, "b", 10)], ["ab"], id="one that is not full grows"),
    ],
)
def test_neighbours_of_a_date_are_joined_up_to_the_target(units, groups):
    assert ["".join(unit.names[0] for unit in group) for group in choose_groups(units, 100)] == groups


def test_the_state_names_what_stands(lake):
    rewrite(lake)
    (only,) = json.loads(lake.get(rewrite_state_path(1)))["rewrites"]
    assert only["replaced"] == [*(f"000001-{shard:05d}" for shard in range(4)), "000002-00000", "000002-00001"]
    assert {file["path"].rpartition("/")[2] for file in only["files"]} == {
        "optimized-000001-00000.parquet",
        "optimized-000001-00001.parquet",
    }


def test_the_command_says_what_it_joined_and_what_comes_next(lake):
    def said(*flags: str) -> str:
        ended = CliRunner().invoke(app, ["optimize", lake.root, *flags])
        assert ended.exit_code == 0
        return " ".join(ended.output.split())

    assert re.match(r"34 files \(.*\) would be joined into 1 of each table\. Nothing was written", said("--dry-run"))
    assert not new_files(lake)
    assert re.match(r"Joined 34 files \(.*\) into 12 \(.*\)\. The old files stay .* pagefold gc .* --tables", said())
    assert json.loads(CliRunner().invoke(app, ["optimize", lake.root, "--json"]).output)["num_groups"] == 0
    assert said() == "Nothing to join: the files are few or large already."
