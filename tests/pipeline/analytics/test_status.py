"""`pagefold status`: a run at work, a dead one, or none; how far it is by its own word; and what a run cost."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline import cli
from pipeline.analytics import status as inspection
from pipeline.analytics.status import print_status, read_status
from pipeline.lake.lease import LEASE, Lease, read_lease
from pipeline.lake.paths import plan_path
from pipeline.lake.process_identity import this_process
from pipeline.object_store.local_store import LocalStore
from pipeline.reporting.observer import Several
from pipeline.reporting.progress import Progress
from pipeline.reporting.terminal import print_summary
from pipeline.reporting.totals import Counting, Totals
from schemas.errors import OperatorError
from schemas.lease import Heartbeat, LeaseBody
from schemas.settings import Settings
from tests.pipeline.made import make_plan, planned
from tests.pipeline.made_run import RUN, receipt, replay, summary
from tests.pipeline.written_lake import row, write_lake

BEAT = Heartbeat(
    phase="reading",
    num_documents=40,
    num_documents_done=10,
    num_pages=123,
    num_failures=2,
    pages_per_s=3.0,
    left_s=90.0,
    silent_s=1.0,
    stages="read 16",
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    runs = [row("runs", run_id=RUN, status="running"), row("runs", run_id="r0", status="running", currency="EUR", cost=0.5)]
    write_lake(tmp_path / "out", {"runs": runs})
    return tmp_path / "out"


def leave_lease(out: Path, **changes: Any) -> None:
    body = LeaseBody(owner="host", run_id=RUN, epoch=1, ttl_s=60, nonce="n", heartbeat=BEAT).model_copy(update=changes)
    LocalStore(str(out)).put(LEASE, body.model_dump_json().encode())


def shown(out: Path) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        print_status(console, read_status(str(out)))
    return capture.get()


def dead_process() -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.lake.process_identity import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("beat", "said"),
    [
        ({}, "reading: 10/40 documents, 123 pages, 2 failures, 3.0 pages/s, about 1 min 25 s left.\n"),
        ({"left_s": 3.0}, "about 0.0 s left."),
        ({"left_s": None, "pages_per_s": None}, "reading: 10/40 documents, 123 pages, 2 failures.\n"),
        ({"silent_s": 835.0, "left_s": None}, "3.0 pages/s. Nothing has come for 14 min 00 s (read 16).\n"),
    ],
)
@pytest.mark.slow
def test_a_run_at_work_says_how_far_it_is_and_when_it_may_end(
    out: Path, monkeypatch: pytest.MonkeyPatch, beat: dict[str, Any], said: str
) -> None:
    body = LeaseBody(owner="host", run_id=RUN, epoch=1, ttl_s=60, nonce="n", heartbeat=BEAT.model_copy(update=beat))
    monkeypatch.setattr(inspection, "read_lease", lambda _: (body, 5.0))  # renewed five seconds ago

    text = shown(out)

    assert f"Running: run {RUN} on host, last sign of life 5.0 s ago" in text
    assert said in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({}, "running", 0),
        ({"process": this_process()}, "running", 0),
        ({"process": "dead"}, "dead", 1),
        ({"ttl_s": -10}, "dead", 1),
        ({"ttl_s": -10, "is_released": True}, "idle", 0),
        ({"is_released": True}, "idle", 0),
    ],
)
def test_the_living_are_told_from_the_dead(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], state: str, code: int
) -> None:
    if changes.get("process") == "dead":
        changes = {"process": dead_process()}
    leave_lease(out, **changes)
    found = read_status(str(out))
    assert (found.state, found.heartbeat) == (state, BEAT if state == "running" else None)

    monkeypatch.setattr("sys.argv", ["pagefold", "status", str(out), "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == code
    assert f'"state": "{state}"' in capsys.readouterr().out


@pytest.mark.slow
def test_runs_without_an_end_were_killed_but_for_the_one_at_work(out: Path) -> None:
    leave_lease(out)
    rows = {words[0]: words[1] for line in shown(out).splitlines() if (words := line.split())[:1] in ([RUN], ["r0"])}
    assert rows == {RUN: "running", "r0": "killed"}
    assert "0.50 EUR" in shown(out)


def test_a_monitor_asks_without_reading_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "connected", None)
    store = LocalStore(str(tmp_path))
    store.create(plan_path("000001"), make_plan([[planned("a.pdf"), planned("b.pdf")]]).model_dump_json().encode())
    leave_lease(tmp_path)

    found = read_status(str(tmp_path), is_brief=True)

    assert (found.state, found.heartbeat, found.num_sources) == ("running", BEAT, 2)
    console = Console(width=200)
    with console.capture() as capture:
        print_status(console, found)
    assert "Documents: " not in capture.get()
    with pytest.raises(OperatorError, match="no plan"):
        read_status(str(tmp_path / "typo"), is_brief=True)


@pytest.mark.slow
def test_a_lease_of_another_version_is_one_all_the_same(out: Path) -> None:
    body = b'{"owner":"h","run_id":"r9","epoch":1,"ttl_s":60,"nonce":"n","new":1}'
    LocalStore(str(out)).put(LEASE, body)
    assert "Running: run r9 on h" in shown(out)


def test_each_renewal_carries_how_far_the_run_is(tmp_path: Path) -> None:
    store, progress = LocalStore(str(tmp_path)), Progress()
    with Lease.acquire(store, owner="h", run_id=RUN, ttl_s=30, beat=progress.heartbeat) as lease:
        replay(progress)
        lease._write()
        found = read_lease(store)
        assert found is not None
        beat = found[0].heartbeat
        assert beat is not None
        assert (beat.phase, beat.num_documents, beat.num_documents_done, beat.num_pages, beat.num_failures) == (
            "reading",
            3,
            1,
            5,
            1,
        )


def test_a_run_that_cannot_be_told_keeps_its_lease(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Heartbeat:
        raise RuntimeError("a bug")

    store = LocalStore(str(tmp_path))
    with Lease.acquire(store, owner="h", run_id=RUN, ttl_s=30, beat=broken) as lease:
        lease._write()
        lease.check()
    assert "a bug" in caplog.text


# what a run cost


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        ({}, None),
        ({"per_hour": 36.0}, 1.0),  # 100 s
        ({"per_gpu_hour": 36.0}, 0.3),  # two readers of half a GPU each, 20 s and 40 s
        ({"per_million_prompt_tokens": 100.0, "per_million_output_tokens": 1000.0}, 0.6),  # 2,000 and 400
        ({"per_hour": 36.0, "per_gpu_hour": 36.0}, 1.3),
        ({"per_hour": 0.0}, 0.0),
    ],
)
def test_a_run_costs_what_its_prices_say(price: dict[str, float], cost: float | None) -> None:
    settings = Settings.model_validate({"engine": {"num_gpus": 0.5}, "price": price | {"currency": "EUR"}})
    totals = Totals()
    replay(
        Counting(Several(), totals),
        receipt(reader="a", lived_s=20.0, num_gpus=0.5),
        receipt(reader="b", lived_s=40.0, num_gpus=0.5),
    )

    record = totals.record(settings, seconds=100.0, run_id=RUN, status="finished", started_at=None)

    assert record.cost == (None if cost is None else pytest.approx(cost))
    assert (record.currency, record.gpu_s) == (None if cost is None else "EUR", 30)
    assert record.num_documents == 2
    assert totals.summary(settings, seconds=100.0, run_id=RUN, status="finished", output="o").cost == record.cost


def test_the_summary_says_what_a_page_cost() -> None:
    console = Console(width=120, file=open(os.devnull, "w"), record=True)  # noqa: SIM115
    print_summary(console, summary(num_pages={"ok": 400}, num_pages_now=400, cost=1.0, currency="EUR"))
    assert "1.00 EUR (0.0025 a page)" in console.export_text()
