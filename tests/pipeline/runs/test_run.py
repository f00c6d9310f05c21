"""Whole runs with the scripted engine, through Ray and some of them in one process, too: what lands, what a second run finds, and
what a killed one leaves behind."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.garbage import sweep
from pipeline.lake.lease import LeaseHeld
from pipeline.lake.opening import open_store
from pipeline.lake.paths import plan_number
from pipeline.object_store.local_store import LocalStore
from pipeline.preview import plan
from pipeline.reporting.observer import ShardCommit, Silent
from pipeline.runner import retry, run
from schemas.errors import OperatorError
from schemas.failure import FailureKind
from schemas.receipt import Receipt
from schemas.settings import Settings
from tests.pipeline.made_input import hang_once, make_drop, make_pdf
from tests.pipeline.reader_processes import reader_pids
from tests.pipeline.tables import doubled_keys, read_all, read_rows
from tests.waiting import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

ON = pytest.mark.parametrize("on", ["ray", "local"])
"""Tests of what both ways have to do alike."""


def settings(script: Path | None = None, *, on: str = "ray", **changes: Any) -> Settings:
    plain: dict[str, Any] = {
        "run": {"on": on},
        "engine": {"name": "scripted", "scripted": {"script": script}},
        "plan": {"chunk_pages": 2, "shard_sources": 2},
        "ray": {"render_workers": 1, "probe_workers": 1},
    }
    return Settings.model_validate(plain | changes)


def write_script(path: Path, *rules: dict[str, object]) -> Path:
    path.write_text(json.dumps({"counters": str(path.with_suffix(".counters")), "rules": rules}))
    return path


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drop") / "in"
    make_drop(folder)
    return folder


@pytest.fixture(scope="module")
def reference(drop: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """The output of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("reference") / "out"
    summary = run(str(drop), str(out), settings())
    assert summary.status == "finished"
    return out


def test_every_input_ends_in_documents_and_every_page_in_pages(reference: Path) -> None:
    documents = {row["name"]: (row["status"], row["num_pages_ok"]) for row in read_rows(reference, "documents")}

    assert documents == {
        "three.pdf": ("ok", 3),
        "eleven pages + more%20.pdf": ("ok", 11),
        "bild ü.png": ("ok", 1),
        "garbage.pdf": ("failed", 0),
        "empty.pdf": ("failed", 0),
    }
    assert Counter(row["uri"].rpartition("/")[2] for row in read_rows(reference, "pages")) == {
        "three.pdf": 3,
        "eleven pages + more%20.pdf": 11,
        "bild ü.png": 1,
    }
    assert {row["kind"] for row in read_rows(reference, "failures")} == {"unsupported_type", "empty"}
    assert doubled_keys(reference) == []


def test_every_page_row_says_where_it_comes_from(reference: Path) -> None:
    (row,) = [row for row in read_rows(reference, "pages") if row["uri"].endswith("three.pdf") and row["page_index"] == 1]

    assert row["engine"] == "scripted"
    assert len(row["source_id"]) == 32
    assert len(row["document_id"]) == 64
    assert len(row["recipe_id"]) == 16
    assert (row["plan_id"], row["attempt"], row["status"]) == ("000001", 0, "ok")
    assert (row["width_px"] % 32, row["height_px"] % 32) == (0, 0)


def test_nothing_is_left_in_staging_and_the_run_has_a_row(reference: Path) -> None:
    store = open_store(str(reference))

    assert list(store.list("_pagefold/staging/")) == []
    assert list(store.list("_pagefold/begins/")) == []
    (row,) = read_rows(reference, "runs")
    assert (row["status"], row["num_documents"], row["num_pages"]) == ("finished", 5, 15)
    assert json.loads(row["settings_json"])["engine"]["name"] == "scripted"


def test_a_second_run_finds_nothing_to_do_and_a_third_only_what_is_new(drop: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    make_drop(folder)
    first = run(str(folder), str(out), settings())
    before = read_all(out)

    second = run(str(folder), str(out), settings())
    assert (first.status, second.status, second.num_documents) == ("finished", "nothing_to_do", 0)
    assert read_all(out) == before

    make_pdf(folder / "new.pdf", 2)
    assert plan(str(folder), str(out), settings()).num_new == 1
    third = run(str(folder), str(out), settings())
    assert (third.num_documents, third.num_pages["ok"], [*map(plan_number, third.plan_ids)]) == (1, 2, ["000002"])
    assert doubled_keys(out) == []


class Killer(Silent):
    """Ends the run from inside after so many chunks: whatever it staged stays, whatever it held is lost, such as a page that
    hangs."""

    def __init__(self, after: int, hangs: Callable[[], bool] = lambda: True) -> None:
        self.left, self.hangs = after, hangs

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self.left -= 1
        if self.left < 0:
            wait_until(self.hangs)
            raise KeyboardInterrupt


def end_compactions() -> None:
    """Waits for those that were at work when a run was stopped: they write their files, and nobody commits them."""
    for thread in threading.enumerate():
        if thread.name.startswith("compaction"):
            thread.join(240)


class Sweeper(Silent):
    """Tries to clean up in the middle of the run, as a schedule that knows nothing of it would.

    There may be nothing left to read, but there is something left to commit.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.num_refused = out, 0

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self.try_it()

    def try_it(self) -> None:
        with pytest.raises(LeaseHeld):
            sweep(LocalStore(str(self.out)), min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc")
        self.num_refused += 1

    def shard_committed(self, commit: ShardCommit) -> None:
        self.try_it()


@ON
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_tables(on: str, drop: Path, reference: Path, tmp_path: Path) -> None:
    """A gc between the two takes nothing that is needed, and one beside the second is refused. Every moment of a death, another K,
    another recipe and a day that ends in between are tried without Ray in tests/faults/test_kill_moments.py."""
    out = tmp_path / "out"

    summary = run(str(drop), str(out), settings(on=on), observer=Killer(3))
    assert (summary.status, summary.exit_code) == ("incomplete", 1)
    end_compactions()
    sweep(LocalStore(str(out)), min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc")
    assert summary.num_failures == len(read_rows(out, "failures"))  # what is not committed yet is no failure yet
    assert summary.num_pages_read == len(read_rows(out, "pages"))
    sweeper = Sweeper(out)
    summary = run(str(drop), str(out), settings(on=on), observer=sweeper)

    # of the plan as a whole, whichever run did it
    assert (summary.status, summary.num_documents, summary.num_pages) == (
        "finished",
        5,
        {"ok": 15, "blank": 0, "partial": 0, "failed": 0},
    )
    assert dict(summary.failures) == {FailureKind.unsupported_type: 1, FailureKind.empty: 1}
    assert sweeper.num_refused > 0
    assert read_all(out) == read_all(reference)
    assert doubled_keys(out) == []


def test_nothing_is_asked_twice_whatever_commands_come_between(drop: Path, reference: Path, tmp_path: Path) -> None:
    """A stray run with another engine, a retry and a gc between a run that was stopped and the one that goes on."""
    out = tmp_path / "out"
    script = write_script(tmp_path / "script.json", {"label": "*", "times": 10**9})
    mine = settings(script, plan={"chunk_pages": 2, "shard_sources": 9})
    stopped = run(str(drop), str(out), mine, observer=Killer(3))
    assert stopped.status == "incomplete"

    stray = run(str(drop), str(out), settings(engine={"name": "scripted", "model": "another"}, input={"limit": 1}))
    retry(str(out), settings(engine={"name": "scripted", "model": "another"}))
    sweep(LocalStore(str(out)), min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc", keep_answers=timedelta(days=30))
    last = run(str(drop), str(out), mine)

    assert stray.status == "finished"
    assert last.status in ("finished", "nothing_to_do")  # readers may be through before the stop reaches them
    assert [*map(plan_number, stray.plan_ids)] == ["000002"]  # the plan of another recipe was closed
    wanted = [row for row in read_rows(out, "pages") if row["model"] is None]
    assert len(wanted) == len(read_rows(reference, "pages")) == 15
    assert doubled_keys(out) == []
    num_asked = (tmp_path / "script.counters" / "rule-0").stat().st_size
    in_flight = 2 * settings().engine.in_flight(2) * 2
    assert 15 <= num_asked <= 15 + in_flight  # chunks that were being read when it was stopped are asked again
    assert list(LocalStore(str(out)).list("_pagefold/staging/")) == []


@ON
def test_s3_in_and_out_gives_the_same_rows(on: str, drop: Path, reference: Path, bucket: str) -> None:
    from workers.sources.s3 import make_client

    client = make_client()
    client.put_object(Bucket=bucket, Key="drop/placeholder/", Body=b"")
    for path in drop.iterdir():
        client.put_object(Bucket=bucket, Key=f"drop/sub/{path.name}", Body=path.read_bytes())

    run(f"s3://{bucket}/drop", f"s3://{bucket}/lake", settings(on=on), observer=Killer(2))
    summary = run(f"s3://{bucket}/drop", f"s3://{bucket}/lake", settings(on=on))

    assert summary.status == "finished"
    found, expected = read_all(f"s3://{bucket}/lake"), read_all(reference)
    assert [row["text_plain"] for row in found["pages"]] != []
    for table, key in [("documents", "name"), ("pages", "page_index"), ("blocks", "block_index"), ("failures", "kind")]:
        assert Counter(row[key] for row in found[table]) == Counter(row[key] for row in expected[table])
    assert doubled_keys(f"s3://{bucket}/lake") == []


def test_reader_processes_log_json_to_rays_logs_with_run_document_and_page(drop: Path, tmp_path: Path) -> None:
    from ray._private.worker import _global_node

    log = {"format": "json", "slow_page_s": 0.000001}
    run_id = run(str(drop / "three.pdf"), str(tmp_path / "out"), settings(log=log)).run_id

    logs = Path(_global_node.get_logs_dir_path()).glob("worker-*.err")
    lines = [json.loads(line) for path in logs for line in path.read_text("utf-8").splitlines() if run_id in line]
    assert [line["engine"] for line in lines if line["event"] == "engine_ready"] == ["scripted"]
    (document,) = read_rows(tmp_path / "out", "documents")
    slow = {(line["document_id"], line["uri"], line["page_index"]) for line in lines if line["event"] == "slow_page"}
    assert slow == {(document["document_id"], document["uri"], page) for page in range(3)}
    assert len({line["reader"] for line in lines}) == 1


@ON
def test_each_poison_costs_itself_and_is_told_apart(on: str, drop: Path, tmp_path: Path) -> None:
    """All fifteen pages are in flight in one process when it dies, each in a chunk of its own."""
    script = write_script(
        tmp_path / "script.json",
        {"label": "*eleven*#page=5", "fault": "exit"},
        {"label": "*eleven*#page=7", "fault": "exit", "times": 1},  # a process that must be replaced, once
        {"label": "*eleven*#page=8", "fault": "hang"},
        {"label": "*three*#page=0", "fault": "garbage"},
        {"label": "*three*#page=1", "fault": "loop"},
        {"label": "*three*#page=2", "fault": "truncate"},
        {"label": "*", "delay_s": 0.5},
    )
    engine = {"name": "scripted", "scripted": {"script": script}, "timeout_s": 8}  # beside pauses of 0.5 s, on a busy machine

    summary = run(str(drop), str(tmp_path / "out"), settings(on=on, engine=engine, plan={"chunk_pages": 1}))

    assert summary.status == "finished"
    failures = {
        (row["kind"], row["page_index"]) for row in read_rows(tmp_path / "out", "failures") if row["page_index"] is not None
    }
    assert failures == {("crashed_worker", 5), ("engine_timeout", 8), ("bad_json", 0), ("repeated", 1), ("truncated", 2)}
    statuses = Counter(row["status"] for row in read_rows(tmp_path / "out", "pages"))
    assert statuses == {"ok": 10, "failed": 3, "partial": 2}
    assert doubled_keys(tmp_path / "out") == []


def test_retry_reads_what_failed_and_nothing_else(drop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    always = {"fault": "garbage", "times": Settings().read.max_asks}
    script = write_script(tmp_path / "script.json", {"label": "*three*#page=1", "task": "ocr"} | always)
    first = run(str(drop), str(out), settings(script))
    assert first.failures[FailureKind.bad_json] == 1

    second = retry(str(out), settings(script), kinds=[FailureKind.bad_json])

    assert (second.status, second.num_documents, second.num_pages["ok"]) == ("finished", 1, 1)
    rows = [row for row in read_rows(out, "pages") if row["uri"].endswith("three.pdf") and row["page_index"] == 1]
    assert sorted((row["attempt"], row["status"]) for row in rows) == [(0, "failed"), (1, "ok")]
    assert doubled_keys(out) == []
    assert run(str(drop), str(out), settings(script)).status == "nothing_to_do"


def test_a_source_that_changes_after_planning_closes_its_shard(drop: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    make_drop(folder)
    hangs = hang_once(tmp_path / "script.json", "*eleven*#page=10")
    given = settings(tmp_path / "script.json", plan={"chunk_pages": 1, "shard_sources": 9})
    run(str(folder), str(out), given, observer=Killer(4, hangs))
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes() + b"\n")

    summary = run(str(folder), str(out), given)

    assert summary.status == "finished"
    kinds = Counter(row["kind"] for row in read_rows(out, "failures") if row["plan_id"] == "000001")
    assert kinds["changed"] > 0
    statuses = {row["name"]: row["status"] for row in read_rows(out, "documents") if row["plan_id"] == "000002"}
    assert statuses["three.pdf"] == "ok"
    assert doubled_keys(out) == []


def test_an_empty_input_is_a_mistake_or_nothing_to_do_where_that_is_allowed_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    for look in (run, plan):
        with pytest.raises(OperatorError, match=f"^The input {tmp_path / 'in'} lists nothing"):
            look(str(tmp_path / "in"), str(tmp_path / "out"), settings())
    assert run(str(tmp_path / "in"), str(tmp_path / "out"), settings(input={"allow_empty": True})).status == "nothing_to_do"

    assert not (tmp_path / "out").exists()


def test_a_run_at_whose_end_all_pages_failed_is_no_success(drop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = write_script(tmp_path / "script.json", {"failure": "engine_error"})

    summary = run(str(drop), str(out), settings(script))

    assert (summary.status, summary.exit_code, summary.num_documents) == ("too_many_failed", 1, 5)
    assert summary.message is not None
    assert summary.message.startswith("all 17 pages failed (2 documents that could not be opened")
    (row,) = read_rows(out, "runs")
    assert (row["status"], row["message"]) == ("failed", summary.message)
    assert run(str(drop), str(out), settings(script)).status == "nothing_to_do"


def test_an_output_inside_the_input_is_refused(drop: Path) -> None:
    with pytest.raises(OperatorError, match="inside the input"):
        run(str(drop), str(drop / "out"), settings())


@ON
def test_an_engine_that_cannot_start_ends_the_run_with_its_sentence(on: str, drop: Path, tmp_path: Path) -> None:
    from workers.engines.engine import EngineStartError

    unreachable = {"name": "server", "model": "m", "server": {"base_url": "http://127.0.0.1:9/v1"}, "max_tries": 1}
    with pytest.raises(EngineStartError, match=r"127\.0\.0\.1"):
        run(str(drop), str(tmp_path / "out"), settings(on=on, engine=unreachable))

    (row,) = read_rows(tmp_path / "out", "runs")
    assert row["status"] == "failed"
    assert LocalStore(str(tmp_path / "out")).get("_pagefold/plans/000001.json")


def test_readers_that_ask_for_gpus_where_none_can_come_are_refused(drop: Path, tmp_path: Path) -> None:
    # given the private Ray of a machine without a GPU: its readers would wait for ever, without a word
    given = Settings.model_validate({"engine": {"name": "scripted", "num_gpus": 0.5, "min_actors": 40, "max_actors": 40}})
    with pytest.raises(OperatorError, match="asks for 20 GPUs to start with, and Ray finds"):
        run(str(drop), str(tmp_path), given)


class CountingReaders(Silent):
    """Lets the pages be quick, by the counter of their rule, once it has seen two readers."""

    def __init__(self, counter: Path) -> None:
        self.counter, self.num_readers = counter, [0]

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self.num_readers.append(len(reader_pids()))
        if max(self.num_readers) > 1:
            with self.counter.open("ab") as file:
                file.write(bytes(99))


@pytest.mark.slow
def test_readers_grow_from_the_least_to_the_most_while_there_is_work(tmp_path: Path) -> None:
    # given far more than one reader can do at once: 40 chunks, each of three seconds until there is another reader
    (tmp_path / "in").mkdir()
    for number in range(4):
        make_pdf(tmp_path / "in" / f"{number}.pdf", 10)
    script = write_script(tmp_path / "script.json", {"delay_s": 3, "times": 99})
    engine = {"name": "scripted", "min_actors": 1, "max_actors": 2, "max_in_flight": 1}
    given = settings(engine=engine | {"scripted": {"script": script}}, plan={"chunk_pages": 1})
    counting = CountingReaders(tmp_path / "script.counters" / "rule-0")

    summary = run(str(tmp_path / "in"), str(tmp_path / "out"), given, observer=counting)

    assert (summary.status, sum(summary.num_pages.values())) == ("finished", 40)
    assert counting.num_readers[1] in (1, 2)
    assert max(counting.num_readers) == 2
