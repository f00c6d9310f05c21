"""A run in one process: without Ray, supervised, and chosen where the work is small."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting.observer import Silent
from pipeline.runner import run
from pipeline.ways.choice import MAX_BYTES, MAX_SOURCES, choose_way
from pipeline.ways.here import _Deaths
from pipeline.ways.messages import Receipts, receive
from schemas.errors import EngineDies, OperatorError
from schemas.receipt import Receipt
from schemas.settings import Settings
from tests.pipeline.made_input import hang_once, make_pdf
from tests.pipeline.tables import doubled_keys, read_rows
from tests.waiting import wait_until
from workers.sources.listing import local_path


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"engine": {"name": "scripted"}, "run": {"on": "local"}} | changes)


class Killer(Silent):
    """Kills the process that reads, once, after its first receipt and while a page hangs."""

    def __init__(self, hangs: Callable[[], bool]) -> None:
        self._hangs = hangs
        self.killed: list[int] = []
        self.messages: list[str] = []

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        pid = int(receipt.spent.readers[0].name.split("-")[-2])
        if not self.killed:
            wait_until(self._hangs)
            self.killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.mark.slow
def test_a_process_that_is_killed_is_started_anew_and_reads_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make_pdf(tmp_path / "in" / "six.pdf", 6)
    killer = Killer(hang_once(tmp_path / "script.json", "*#page=5"))
    engine = {"name": "scripted", "scripted": {"script": tmp_path / "script.json"}}

    summary = run(str(tmp_path / "in"), str(tmp_path / "out"), settings(engine=engine, plan={"chunk_pages": 1}), observer=killer)

    assert (summary.status, summary.num_pages["ok"], len(killer.killed)) == ("finished", 6, 1)
    assert doubled_keys(tmp_path / "out") == []
    assert killer.messages == [
        "the process that reads died (signal SIGKILL) and is started anew; what it had in hand is read again"
    ]


class Stopper(Silent):
    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_that_goes_on_with_a_plan_and_then_makes_another_has_a_process_for_each(tmp_path: Path) -> None:
    drop, out = tmp_path / "in", str(tmp_path / "out")
    drop.mkdir()
    make_pdf(drop / "a.pdf", 2)
    assert run(str(drop), out, settings(plan={"chunk_pages": 1}), observer=Stopper()).status == "incomplete"
    make_pdf(drop / "b.pdf", 1)

    summary = run(str(drop), out, settings(plan={"chunk_pages": 1}))

    assert (summary.status, len(summary.plan_ids), summary.num_documents) == ("finished", 2, 2)
    assert doubled_keys(out) == []


@pytest.mark.slow
def test_an_input_whose_name_is_no_utf_8_is_read_and_noted(tmp_path: Path) -> None:
    drop, out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), tmp_path / "out"
    drop.mkdir()
    make_pdf(tmp_path / "a.pdf", 1)  # MuPDF writes to no such name
    (tmp_path / "a.pdf").rename(drop / "a.pdf")

    assert run(str(drop), str(out), settings()).status == "finished"

    ((input, uri),) = [
        (ended["input"], source["uri"]) for ended in read_rows(out, "runs") for source in read_rows(out, "documents")
    ]
    assert (local_path(input), local_path(uri)) == (str(drop), str(drop / "a.pdf"))


@pytest.mark.parametrize("num_bytes", [0, 2, 10], ids=["between", "in a head", "in a body"])
def test_a_process_that_dies_in_the_middle_of_a_message_is_dead(num_bytes: int) -> None:
    """A pipe that is full, because the driver has other things to do, takes a part of a message."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours:
        theirs.send(Receipts(["whole"]))
        os.write(theirs.fileno(), b"\0\0\0\x40 of sixty-four bytes"[:num_bytes])
        theirs.close()

        assert receive(ours) == Receipts(["whole"])
        with pytest.raises(EOFError):
            receive(ours)


def test_a_process_that_dies_while_it_starts_ends_the_run_after_three_times() -> None:
    deaths = _Deaths()
    deaths.add("signal SIGSEGV", is_started=False)
    deaths.add("signal SIGSEGV", is_started=False)

    with pytest.raises(EngineDies, match="died 3 times while it started, the last time by signal SIGSEGV"):
        deaths.add("signal SIGSEGV", is_started=False)


def test_a_process_that_finishes_a_chunk_now_and_then_may_die_as_often_as_it_likes() -> None:
    deaths = _Deaths()
    for _ in range(5):
        for _ in range(19):
            deaths.add("exit status 1", is_started=True)
        deaths.forget()
    for _ in range(19):
        deaths.add("exit status 1", is_started=True)

    with pytest.raises(EngineDies, match="died 20 times without finishing a chunk"):
        deaths.add("exit status 1", is_started=True)


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.ways.choice.usable_cpus", lambda: 8)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delitem(sys.modules, "ray", raising=False)


FEW = 1
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("changes", "num_sources", "way", "why"),
    [
        ({}, FEW, "local", "1 source, 10 B: at most"),
        ({}, MAX_SOURCES + 1, "ray", f"{MAX_SOURCES + 1} sources"),
        ({"run": {"on": "ray"}}, FEW, "ray", "run.on asks"),
        ({"run": {"on": "local"}}, MAX_SOURCES + 1, "local", "run.on asks"),
        ({"ray": {"address": "auto"}}, FEW, "ray", "a Ray cluster is named"),
        ({"engine": {"name": "scripted", "num_gpus": 1}}, FEW, "ray", "asks for GPUs"),
        ({"engine": {"name": "scripted", "max_actors": 9}}, FEW, "ray", "more readers than this machine's 8 cores"),
        ({"engine": {"name": "scripted", "max_actors": 8}}, FEW, "local", "at most"),
    ],
)
@pytest.mark.usefixtures("eight_cores")
def test_the_way_follows_the_settings_and_then_the_work(changes: dict[str, Any], num_sources: int, way: str, why: str) -> None:
    choice = choose_way(Settings.model_validate(changes), num_sources, 10)

    assert choice.way == way
    assert why in choice.why


@pytest.mark.usefixtures("eight_cores")
def test_many_bytes_or_few_cores_decide_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_way(Settings(), FEW, MAX_BYTES + 1).way == "ray"

    monkeypatch.setattr("pipeline.ways.choice.usable_cpus", lambda: 4)

    assert choose_way(Settings(), MAX_SOURCES + 1, MAX_BYTES + 1).way == "local"


@pytest.mark.usefixtures("eight_cores")
def test_a_named_cluster_in_the_environment_is_taken_unless_one_process_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")

    assert choose_way(Settings(), FEW, 10).way == "ray"
    assert choose_way(settings(), FEW, 10).way == "local"


@pytest.mark.parametrize("changes", [{"ray": {"address": "10.0.0.1:6379"}}, {"engine": {"name": "scripted", "num_gpus": 1}}])
def test_one_process_and_what_only_ray_has_is_a_mistake(changes: dict[str, Any]) -> None:
    with pytest.raises(OperatorError, match=r"^run\.on = local"):
        choose_way(settings(**changes), FEW, 10)


NOTES_MODULES = """
import atexit, os, sys
from pathlib import Path
def note():
    names = [name for name, module in sys.modules.items() if module is not None]
    Path(os.environ["MODULES"], str(os.getpid())).write_text(" ".join(names))
def exit_noting(code, exit=os._exit):
    note()
    exit(code)
atexit.register(note)
os._exit = exit_noting
"""
"""Imported by each Python at its start, as `sitecustomize`."""
HEAVY = {"ray", "pandas", "boto3", "botocore.handlers", "httpx", "langcodes", "rapidocr", "onnxruntime", "torch"}


@pytest.mark.slow
def test_neither_the_driver_nor_its_process_imports_what_it_does_not_use(tmp_path: Path) -> None:
    for name in ("in", "site", "modules"):
        (tmp_path / name).mkdir()
    make_pdf(tmp_path / "in" / "one.pdf", 1)
    (tmp_path / "site" / "sitecustomize.py").write_text(NOTES_MODULES)
    paths = os.pathsep.join([str(tmp_path / "site"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pipeline", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--on", "local", "--quiet"]

    subprocess.run(command, check=True, timeout=300, env=os.environ | {"PYTHONPATH": paths, "MODULES": str(tmp_path / "modules")})

    noted = [set(path.read_text().split()) for path in (tmp_path / "modules").iterdir()]
    assert len([names for names in noted if "pyarrow" in names]) == 2
    assert [sorted(names & HEAVY) for names in noted] == [[]] * len(noted)


@pytest.mark.slow
def test_the_endpoint_is_asked_without_the_command_line_of_httpx() -> None:
    code = "import sys, workers.engines.server.engine; assert not {'rich', 'pygments', 'httpx._main'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240, cwd=ROOT)
