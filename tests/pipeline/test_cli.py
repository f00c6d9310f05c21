"""The command line: what it passes on, what it prints, and how it exits. Runs are replaced by fakes here."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import pytest
from rich.console import Console

from pipeline import preview, runner
from pipeline.doctor import Finding, available_memory_bytes, examine
from pipeline.lake.lease import LeaseHeld
from pipeline.lake.paths import plan_path, staged_path
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import StoreError
from pipeline.reporting import figures as wording
from pipeline.reporting import terminal as report
from pipeline.reporting.progress import Progress
from pipeline.reporting.summary import PlanReport, Summary
from schemas.errors import OperatorError
from schemas.failure import FailureKind
from schemas.lease import LeaseBody
from schemas.receipt import Receipt
from schemas.settings import Settings
from schemas.tables import COLUMNS
from tests.pipeline.made import make_chunk, make_plan, planned, records_of
from tests.pipeline.written_lake import row, write_lake
from workers.engines.engine import EngineStartError
from workers.sources.listing import InputError

DONE = Summary(
    run_id="r1",
    status="finished",
    output="out",
    num_documents=2,
    num_pages={"ok": 3, "failed": 1, "blank": 0},
    num_pages_now=4,
    failures={FailureKind.bad_json: 1},
    seconds=2.0,
)


@pytest.fixture
def lake(tmp_path: Path) -> str:
    key = {"source_id": "s1", "plan_id": "000001", "uri": "/in/odd [bold]name.pdf"}
    rows = {
        "documents": [row("documents", document_id="d", num_pages=2, **key | {"name": "odd"})],
        "pages": [row("pages", page_index=0, status="ok", recipe_id="o", text_plain="Hello", **key)],
        "failures": [
            row("failures", page_index=1, kind="bad_json", message="no \x1b[31mJSON", task="ocr", **key),
            row("failures", kind="throttled", message="slow down", **key),
        ],
        "runs": [row("runs", run_id="r1", status="finished", seconds=3.2)],
    }
    return str(write_lake(tmp_path / "lake", rows))


@pytest.mark.parametrize(
    ("report", "codes"),
    [({}, (0, 0)), ({"num_shards": 1}, (0, 10)), ({"num_deleted": 1}, (0, 10)), ({"unfinished_plan_id": "000001"}, (0, 10))],
)
def test_plan_tells_a_scheduler_by_its_exit_code_whether_there_is_work(pagefold, monkeypatch, report, codes):
    counts = {
        "num_sources_found": 1,
        "num_done": 1,
        "num_new": 0,
        "num_changed": 0,
        "num_retried": 0,
        "num_bytes": 0,
        "num_shards": 0,
    }
    monkeypatch.setattr(preview, "plan", lambda *_, **__: PlanReport(**(counts | report), recipes={}))
    assert (pagefold("plan", "in", "out")[0], pagefold("plan", "in", "out", "--exit-code", "--json")[0]) == codes


@pytest.mark.parametrize(("given", "share"), [("5%", 0.05), ("0.05", 0.05), ("0", 0.0), (" 12.5 % ", 0.125)])
def test_fail_above_is_a_share_or_a_percentage(pagefold, monkeypatch, given, share):
    seen = []
    monkeypatch.setattr(runner, "run", lambda input, output, settings, **_: seen.append(settings) or DONE)
    assert pagefold("run", "in", "out", "--fail-above", given, "--allow-empty", "-q")[0] == 0
    assert (seen[0].run.fail_above, seen[0].input.allow_empty) == (pytest.approx(share), True)


@pytest.mark.parametrize("given", ["5", "many", "x%", "-1%"])
@pytest.mark.slow
def test_a_share_that_is_none_is_one_sentence(pagefold, given):
    code, _, err = pagefold("run", "in", "out", f"--fail-above={given}")
    assert (code, err.count("\n"), err.startswith("pagefold: run.fail_above: ")) == (2, 1, True)


def test_a_run_of_too_many_failures_says_so_and_exits_1(pagefold, monkeypatch):
    failed = replace(DONE, status="too_many_failed", message="all 4 pages failed")
    monkeypatch.setattr(runner, "run", lambda *_, **__: failed)
    code, out, _ = pagefold("run", "in", "out", "-q")
    assert (code, "Finished in 2.0 s, but all 4 pages failed." in out) == (1, True)


@pytest.mark.slow
def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from pipeline.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'ray', 'pyarrow', 'pymupdf', 'duckdb', 'numpy', 'boto3', 'torch', 'pydantic'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("run", "watch", "plan", "status", "failures", "retry", "gc", "query", "ask", "export", "report", "demo"):
        assert f"  {command} " in done.stdout
    after = os.times()
    took_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert took_s < 3  # CPU seconds; 0.15 on an idle core


def test_flags_become_settings(pagefold, monkeypatch):
    seen = {}

    def run(input: str, output: str, settings: Settings, *, observer: object) -> Summary:
        seen.update(input=input, output=output, settings=settings)
        return DONE

    monkeypatch.setattr(runner, "run", run)
    code, *_ = pagefold(
        *("run", "in", "out", "--engine", "server", "--model", "m", "--base-url", "http://h/v1", "--tasks", "ocr"),
        *("--limit", "3", "--pages", "1-2,9-", "--ray-address", "auto", "--unsafe-single-writer", "-q"),
        *("--set", "render.dpi_max=200", "--set", "engine.max_tries=2"),
    )
    settings = seen["settings"]
    assert (code, seen["input"], seen["output"]) == (0, "in", "out")
    assert (settings.engine.name, settings.engine.model, settings.engine.server.base_url) == ("server", "m", "http://h/v1")
    assert (settings.read.tasks, settings.input.limit, settings.input.pages) == (["ocr"], 3, "1-2,9-")
    assert (settings.ray.address, settings.output.unsafe_single_writer) == ("auto", True)
    assert (settings.render.dpi_max, settings.engine.max_tries) == (200, 2)


def test_a_config_file_is_read(pagefold, monkeypatch, tmp_path):
    (tmp_path / "mine.toml").write_text("[engine]\nname = 'scripted'\n")
    monkeypatch.setattr(runner, "run", lambda *args, **_: DONE if args[2].engine.name == "scripted" else None)
    assert pagefold("run", "in", "out", "--config", "mine.toml", "-q")[0] == 0


def test_the_summary_says_what_failed_and_what_to_do(pagefold, monkeypatch):
    monkeypatch.setattr(runner, "run", lambda *_, **__: DONE)
    code, out, err = pagefold("run", "in", "out")
    assert code == 0
    for part in ("Finished", "4 (3 ok, 1 failed; 2.0 pages/s", "bad_json", "see failures.raw_text", "pagefold query out"):
        assert part in out
    assert "Traceback" not in err


def test_json_is_for_programs(pagefold, monkeypatch):
    monkeypatch.setattr(runner, "run", lambda *_, **__: DONE)
    code, out, _ = pagefold("run", "in", "out", "--json", "-q")
    told = json.loads(out)
    assert code == 0
    assert (told["run_id"], told["num_pages"]["ok"], told["failures"], told["pages_per_s"]) == ("r1", 3, {"bad_json": 1}, 2.0)


@pytest.mark.slow
def test_a_watch_takes_flags_and_tells_a_line_for_each_run(pagefold, monkeypatch):
    from pipeline.watching import watch as watching

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    seen = []

    def watch(input: str, settings: Settings, work: watching.Actions, *, queue: object, max_runs: int | None) -> int:
        seen.append((settings.watch.queue, settings.watch.every_s, queue is None, max_runs))
        told = {"at": at, "message": None, "exit_code": 0}
        work.show(watching.Woken(reason="events", num_messages=3, status="finished", summary=DONE, **told))
        work.show(watching.Woken(reason="time", num_messages=0, status="nothing_to_do", **told))
        work.show(watching.Woken(reason="again", num_messages=0, status="failed", **told | {"message": "no \x1b[31mnetwork"}))
        work.say("another run is at work")
        return 1

    monkeypatch.setattr(watching, "watch", watch)
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
    code, out, err = pagefold("watch", "s3://b/in", "s3://b/out", "--queue", url, "--every", "7", "--max-runs", "4")
    assert (code, seen) == (1, [(url, 7.0, False, 4)])
    assert out.splitlines() == [
        "2026-01-02 03:04:05 3 events: finished, 2 documents, 4 pages, 1 failures in 2.0 s",
        "2026-01-02 03:04:05 time is up: nothing to do",
        "2026-01-02 03:04:05 tried again: failed (no [31mnetwork)",
    ]
    assert err == "pagefold: another run is at work\n"

    _, out, _ = pagefold("watch", "in", "out", "--json")
    assert seen[1] == (None, None, True, None)
    assert [json.loads(line)["reason"] for line in out.splitlines()] == ["events", "time", "again"]
    _, _, err = pagefold("watch", "in", "out", "--log-format", "json")
    assert json.loads(err) | {"event": "watch", "message": "another run is at work"} == json.loads(err)


HELD = LeaseHeld(LeaseBody(owner="host", run_id="r0", epoch=1, ttl_s=60, nonce="n"), 3)


@pytest.mark.parametrize(
    ("outcome", "code", "part"),
    [
        (Summary(run_id="r", status="incomplete", output="out", message="stopped by SIGTERM"), 1, "stopped by SIGTERM"),
        (Summary(run_id="r", status="nothing_to_do", output="out"), 0, "Nothing to do"),
        (OperatorError("This is wrong."), 2, "pagefold: This is wrong."),
        (StoreError("No bucket."), 2, "pagefold: No bucket."),
        (InputError("No \x1b[31minput."), 2, "pagefold: No [31minput."),
        (EngineStartError("No weights."), 2, "pagefold: No weights."),
        (HELD, 1, "pagefold: Run r0 on host is at work"),
        (KeyboardInterrupt(), 1, "the same command goes on"),
    ],
)
def test_exit_codes_and_sentences(pagefold, monkeypatch, outcome, code, part):
    def run(*_: object, **__: object) -> Summary:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(runner, "run", run)
    got, out, err = pagefold("run", "in", "out")
    assert got == code
    assert part in out + err
    assert "Traceback" not in err


def last_log(err: str) -> str:
    """What the log says that a bug's sentence ends with; removes it."""
    log = Path(err.rpartition(" ")[2].strip())
    text = log.read_text()
    shutil.rmtree(log.parent)
    return text


@pytest.fixture
def unfinished(tmp_path) -> str:
    """An output with a plan of other recipes, of whose two documents one is read."""
    store = LocalStore(str(tmp_path / "out"))
    items = [planned("a.pdf"), planned("b.pdf")]
    store.create(plan_path("000001"), make_plan([items]).model_dump_json().encode())
    chunk = make_chunk(items[0], 0, 0, [0], 1)
    store.create(staged_path("000001", 0, chunk.name), encode_chunk(chunk, records_of(chunk), "r1"))
    return store.root


@pytest.mark.parametrize("command", [("run", "in"), ("retry",)], ids=lambda command: command[0])
@pytest.mark.slow
def test_on_a_terminal_a_run_asks_before_it_closes_a_plan(pagefold, monkeypatch, unfinished, command):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(runner, command[0], lambda *_, **__: DONE)
    asked = []
    monkeypatch.setattr("typer.confirm", lambda text, err: asked.append(text))  # no

    code, _, err = pagefold(*command, unfinished, "-q")

    assert (code, err) == (1, "pagefold: nothing was done.\n")
    assert asked[0].startswith(
        "Plan 000001 is unfinished (1 of its 2 open documents are read). It asks for ocr and chart by scripted; these settings ask "
        "for ocr by classic"
    )
    assert pagefold(*command, unfinished, "-q", "--yes")[0] == 0
    assert pagefold(*command, unfinished + "-new", "-q")[0] == 0
    assert len(asked) == 1


def test_elsewhere_nobody_is_asked(pagefold, monkeypatch, unfinished):
    monkeypatch.setattr(runner, "run", lambda *_, **__: DONE)
    monkeypatch.setattr("typer.confirm", None)
    assert pagefold("run", "in", unfinished, "-q")[0] == 0


@pytest.mark.parametrize("words", ["last words of Ray\n", ""])
def test_a_bug_of_a_run_is_a_sentence_that_names_the_log_with_its_traceback(pagefold, monkeypatch, words):
    def run(*_: object, **__: object) -> Summary:
        os.write(2, words.encode())
        raise TypeError("a bug\n\x1b[31mof two lines")

    monkeypatch.setattr(runner, "run", run)
    code, out, err = pagefold("run", "in", "out", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("pagefold: unexpected TypeError: a bug [31mof two lines; this is a bug, ")
    assert err.count("\n") == 1
    said = last_log(err)
    assert said.startswith(words)
    assert "Traceback (most recent call last)" in said
    assert "in run" in said


def test_a_bug_of_a_command_without_a_log_gets_one(pagefold, monkeypatch):
    monkeypatch.setattr(preview, "plan", lambda *_, **__: [][1])
    code, out, err = pagefold("plan", "in", "out")
    assert (code, out) == (1, "")
    assert err.startswith("pagefold: unexpected IndexError: list index out of range; ")
    assert "IndexError" in last_log(err)


def test_a_bug_where_no_log_can_be_written_is_on_stderr(pagefold, monkeypatch):
    def nowhere() -> None:
        raise OperatorError("There is no temporary folder to write to.")

    monkeypatch.setattr(report, "RunLog", nowhere)
    monkeypatch.setattr(preview, "plan", lambda *_, **__: [][1])
    code, _, err = pagefold("plan", "in", "out")
    assert code == 1
    assert err.splitlines()[-1].endswith("Its traceback stands above: no log can be written.")


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["run", "in"], "Missing argument"),
        (["run", "in", "out", "--engin", "x"], "No such option"),
        (["run", "in", "out", "--engine", "gpt"], "engine.name: input should be"),
        (["run", "in", "out", "--set", "render.dpimax=2"], "did you mean render.dpi_max"),
        (["plan", "in", "out", "--pages", "x"], "input.pages: string should match"),
        (["retry", "out", "--kind", "bad_jsn"], "did you mean bad_json"),
        (["failures", "out", "--kind", "zzz"], "no failure kind 'zzz'"),
        (["query", "missing", "select 1"], "There is no folder missing"),
        (["query", ".", "select nothing"], "nothing"),
        (["schema", "--table", "page"], "there are documents, pages"),
        (["status", "gs://b/x"], "neither a local folder"),
        (["nonsense"], "No such command"),
    ],
)
def test_an_operator_mistake_is_one_sentence_and_exit_code_2(pagefold, args, part):
    code, out, err = pagefold(*args)
    assert (code, out) == (2, "")
    assert part in err
    assert "Traceback" not in err


def test_retry_passes_kinds_and_settings(pagefold, monkeypatch):
    seen = {}

    def retry(output: str, settings: Settings, *, kinds: object, observer: object) -> Summary:
        seen.update(output=output, kinds=kinds, engine=settings.engine.name)
        return DONE

    monkeypatch.setattr(runner, "retry", retry)
    assert pagefold("retry", "out", "--kind", "bad_json", "--kind", "refused", "--engine", "server", "-q")[0] == 0
    assert seen == {"output": "out", "kinds": [FailureKind.bad_json, FailureKind.refused], "engine": "server"}
    assert pagefold("retry", "out", "-q")[0] == 0
    assert seen["kinds"] is None


def test_plan_says_what_would_be_done(pagefold, monkeypatch):
    plan = PlanReport(
        num_sources_found=9,
        num_done=4,
        num_new=3,
        num_changed=1,
        num_retried=1,
        num_bytes=3_500_000,
        num_shards=2,
        num_image_bytes=1_500_000,
        recipes={"ocr": "abc"},
        unfinished_plan_id="000007",
        num_unfinished_sources=5,
        tasks_left_out=("chart",),
    )
    monkeypatch.setattr(preview, "plan", lambda *_, **__: plan)
    code, out, _ = pagefold("plan", "in", "out", "--set", "render.dpi_max=200")
    assert code == 0
    for part in (
        "3.3 MiB",
        "in 2 shards",
        "about 1.4 MiB",
        "Plan 000007 with 5 sources left is finished first",
        "does not do chart",
        "render.dpi_max=200",
    ):
        assert part in out
    told = json.loads(pagefold("plan", "in", "out", "--json")[1])
    assert (told["num_new"], told["settings"]["render"]["dpi_max"]) == (3, 300)


@pytest.mark.slow
def test_failures_are_listed_with_what_to_do_and_harmless_to_the_terminal(pagefold, lake):
    code, out, _ = pagefold("failures", lake)
    assert code == 0
    for part in ("bad_json", "see failures.raw_text", "odd [bold]name.pdf", "no [31mJSON", "try again by themselves"):
        assert part in out
    assert "\x1b" not in out
    rows = [json.loads(line) for line in pagefold("failures", lake, "--json", "--kind", "bad_json")[1].splitlines()]
    assert [(row["kind"], row["page_index"]) for row in rows] == [("bad_json", 1)]


@pytest.mark.slow
def test_status_of_an_idle_output(pagefold, lake):
    code, out, _ = pagefold("status", lake)
    assert code == 0
    for part in ("Idle", "Documents: 1 partial", "bad_json 1, throttled 1", "3.2 s"):
        assert part in out
    told = json.loads(pagefold("status", lake, "--json")[1])
    assert (told["state"], told["documents"], told["open_failures"]) == ("idle", {"partial": 1}, {"bad_json": 1, "throttled": 1})


@pytest.mark.slow
def test_query_prints_tables_csv_json_and_parquet(pagefold, lake, tmp_path):
    sql = "select name, num_failures from current_documents"
    assert pagefold("query", lake, sql)[1].split() == ["name", "num_failures", "odd", "2", "1", "row"]
    assert pagefold("query", lake, sql, "--csv")[1] == "name,num_failures\nodd,2\n"
    assert [pagefold("query", lake, "select '=1' as a", flag)[1] for flag in ("--csv", "--csv-raw")] == ["a\n'=1\n", "a\n=1\n"]
    assert json.loads(pagefold("query", lake, sql, "--json")[1]) == {"name": "odd", "num_failures": 2}
    assert pagefold("query", lake, sql, "--parquet", str(tmp_path / "x.parquet"))[0] == 0
    assert pagefold("query", lake, f"select * from '{tmp_path}/x.parquet'", "--csv")[1] == "name,num_failures\nodd,2\n"


def test_schema_prints_every_column(pagefold):
    told = json.loads(pagefold("schema", "--json")[1])
    assert {entry["table"]: len(entry["columns"]) for entry in told if not entry["is_view"]} == {
        name: len(columns) + (name != "runs") for name, columns in COLUMNS.items()
    }
    text = pagefold("schema", "--table", "charts")[1]
    assert all(column.name in text for column in COLUMNS["charts"])


@pytest.mark.slow
def test_doctor_checks_input_and_output(tmp_path):
    (tmp_path / "in").mkdir()
    found = {finding.check: finding for finding in examine(Settings(), str(tmp_path / "in"), str(tmp_path / "out"), with_ray=False)}
    assert (found["python"].verdict, found["libraries"].verdict) == ("ok", "ok")
    assert (found["input"].verdict, found["output"].verdict) == ("fail", "ok")
    assert any(check.startswith("sandbox") for check in found)
    missing = {finding.check: finding for finding in examine(Settings(), str(tmp_path / "nope"), "gs://b", with_ray=False)}
    assert (missing["input"].verdict, missing["output"].verdict) == ("fail", "fail")
    assert (available_memory_bytes() or 0) > 10**8


@pytest.mark.parametrize(("verdict", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_exits_1_when_a_run_would_not_work(pagefold, monkeypatch, verdict, code):
    monkeypatch.setattr("pipeline.doctor.examine", lambda *_, **__: iter([Finding("x", verdict, "y\x1b[31m")]))
    got, out, _ = pagefold("doctor")
    assert got == code
    assert out.split() == [verdict, "x", "y", "[31m"]


def test_version_is_printed(pagefold):
    assert pagefold("--version")[1].startswith("pagefold 0")


class Stream(io.StringIO):
    """A file that may say it is a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        raise OSError


def _a_run(observer: report.Observer) -> None:
    observer.phase("reading")
    observer.planned("000001", 4, 1000)
    observer.message("plan 000001 is \x1b[31munfinished")
    observer.chunk_done(Receipt(shard_index=0, name="n", uri="u", num_ok=2, failures={FailureKind.bad_json: 1}), 1)


def await_text(stream: Stream, text: str) -> None:
    end = time.monotonic() + 60
    while text not in stream.getvalue():
        assert time.monotonic() < end, stream.getvalue()
        time.sleep(0.02)


def test_without_a_terminal_progress_is_plain_lines(monkeypatch):
    monkeypatch.setattr(report, "LINE_EVERY_S", 0.05)
    monkeypatch.setattr(report, "QUIET_FOR_S", 0.5)
    stream = Stream(is_terminal=False)
    with report.show_progress(stream) as observer:
        _a_run(observer)
        await_text(stream, "waiting in phase `reading`")
    text = stream.getvalue()
    assert "plan 000001 is [31munfinished" in text
    assert "reading: 1/4 documents · 2 pages" in text
    assert "bad_json 1" in text
    assert "waiting in phase `reading`" in text
    assert "\x1b" not in text


def test_on_a_terminal_progress_is_live():
    stream = Stream(is_terminal=True)
    with report.show_progress(stream) as observer:
        _a_run(observer)
        await_text(stream, "bad_json 1")
    assert "1/4 documents" in stream.getvalue()
    assert "failures: bad_json 1" in stream.getvalue()


def test_quiet_shows_nothing():
    stream = Stream(is_terminal=True)
    with report.show_progress(stream, quiet=True) as observer:
        _a_run(observer)
    assert stream.getvalue() == ""


@pytest.mark.slow
def test_noise_of_this_process_and_its_children_goes_to_the_log(tmp_path):
    program = """
import os, subprocess, sys
from pathlib import Path
from types import SimpleNamespace
from pipeline.reporting.terminal import quiet_ray
with quiet_ray(Path("log")) as real:
    os.write(1, b"from C++\\n")
    print("from Python", flush=True)
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    real.write("progress\\n")
print("after")
"""
    environment = os.environ | {"PYTHONPATH": str(Path(report.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("after\n", "progress\n")
    assert (tmp_path / "log").read_text().splitlines() == ["from C++", "from Python", "from a child"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7390, "2 h 03 min")],
)
def test_durations_read_well(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("num_bytes", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**4, "5.0 TiB")])
def test_sizes_read_well(num_bytes, text):
    assert wording.size(num_bytes) == text


def test_time_left_is_counted_by_pages_from_the_first_ones_on(monkeypatch):
    now = SimpleNamespace(s=1000.0)
    monkeypatch.setattr("pipeline.reporting.progress.time", SimpleNamespace(monotonic=lambda: now.s))

    def done(uri: str, num_ok: int, num_document_pages: int, num_documents_done: int) -> None:
        receipt = Receipt(shard_index=0, name="n", uri=uri, num_ok=num_ok, num_document_pages=num_document_pages)
        progress.chunk_done(receipt, num_documents_done)

    progress = Progress()
    progress.planned("000001", 6, 100)
    progress.phase("reading")
    assert progress.pages_per_s is None
    done("broken", 0, 0, 1)  # a file that cannot be opened
    now.s += 30
    done("large", 20, 100, 1)
    assert progress.left_s is None  # the workers have only just started
    now.s += 10
    done("small", 20, 20, 2)  # two pages a second since

    # 80 pages are left of the large one, and 3 documents of 40 pages on average have not been opened
    assert progress.left_s == pytest.approx((80 + 3 * 40) / 2)
    assert progress.pages_per_s == pytest.approx(1)

    now.s += 40
    done("large", 80, 100, 3)
    assert progress.left_s == pytest.approx(3 * 40 / 2)


def test_what_an_earlier_run_has_read_is_not_left():
    progress = Progress()
    progress.planned("000001", 6, 100)
    for pages in (10, 10):
        progress.chunk_done(Receipt(shard_index=0, name="n", uri="u", num_ok=pages, num_document_pages=20), 5 + (pages == 10))
    assert progress.left_s is None


@pytest.mark.parametrize(("per_s", "text"), [(0.0416, "0.042"), (0.3, "0.3"), (4.24, "4.2"), (123.4, "123")])
def test_a_pace_has_two_digits_that_count(per_s, text):
    assert wording.pace(per_s) == text


def test_the_summary_escapes_what_others_wrote():
    console = Console(file=io.StringIO(), width=100)
    report.print_summary(console, Summary(run_id="r", status="incomplete", output="[red]o\x1b[1m", message="[bold]why\x1b[0m"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]why" in text
    assert "[red]o" in text
    assert "\x1b" not in text


def test_what_libraries_log_does_not_land_above_the_live_display(monkeypatch):
    elsewhere = io.StringIO()
    monkeypatch.setattr(sys, "stderr", elsewhere)
    stream = Stream(is_terminal=True)
    with report.show_progress(stream) as observer:
        _a_run(observer)
        print("WARNING: so many words", file=sys.stderr)
    assert "so many words" not in stream.getvalue()
    assert elsewhere.getvalue() == "WARNING: so many words\n"


def in_a_process(code: str, stdout: int | None = None, stderr: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """`pagefold` with fakes that `code` puts in place."""
    code = (
        "import sys\n"
        "from pipeline import cli, runner\n"
        "from pipeline.reporting.summary import Summary\n"
        "runner.run = lambda *_, **__: Summary(run_id='r', status='finished', output='out', num_documents=2, seconds=1.0)\n" + code
    )
    return subprocess.run([sys.executable, "-c", code], stdout=stdout, stderr=stderr, text=True, timeout=60, check=False)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_finished_run_whose_summary_meets_a_full_disk_is_finished(flags):
    with open("/dev/full", "w") as full:
        done = in_a_process(f"sys.argv = ['pagefold', 'run', 'in', 'out', '-q', *{flags}]; cli.main()", full.fileno())
    assert (done.returncode, done.stderr) == (
        0,
        "pagefold: the run is over, but its summary could not be printed: No space left on device.\n",
    )


@pytest.mark.slow
def test_a_finished_run_whose_summary_nobody_reads_is_finished():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = in_a_process("sys.argv = ['pagefold', 'run', 'in', 'out', '-q']; cli.main()", writer)
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_another_command_that_meets_a_full_disk_says_so_in_a_sentence():
    with open("/dev/full", "w") as full:
        done = in_a_process("sys.argv = ['pagefold', 'schema', '--json']; cli.main()", full.fileno())
    assert (done.returncode, done.stderr) == (1, "pagefold: No space left on device: standard output, or what it goes to.\n")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_run_whose_progress_meets_a_full_disk_is_finished():
    with open("/dev/full", "w") as full:
        done = in_a_process(
            "import time\n"
            "def run(*_, observer, **__):\n"
            "    observer.phase('reading')\n"
            "    print('noise of Ray', flush=True)\n"
            "    time.sleep(0.3)\n"
            "    return Summary(run_id='r', status='finished', output='out', num_documents=2, seconds=1.0)\n"
            "runner.run = run\n"
            "sys.argv = ['pagefold', 'run', 'in', 'out']; cli.main()",
            subprocess.PIPE,
            full.fileno(),
        )
    assert (done.returncode, done.stdout.startswith("Finished")) == (0, True)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_run_whose_log_meets_a_full_disk_is_finished():
    done = in_a_process(
        "from pathlib import Path\n"
        "from pipeline.reporting import terminal as report\n"
        "import logging, os\n"
        "opened = report.quiet_ray\n"
        "report.quiet_ray = lambda log: opened(Path('/dev/full'))\n"
        "def run(*_, **__):\n"
        "    logging.getLogger('ray').warning('noise of Ray')\n"
        "    os.system('echo noise of a child')\n"
        "    return Summary(run_id='r', status='finished', output='out', num_documents=2, seconds=1.0)\n"
        "runner.run = run\n"
        "sys.argv = ['pagefold', 'run', 'in', 'out']; cli.main()",
        subprocess.PIPE,
    )
    assert done.returncode == 0, done.stderr
    assert "Finished" in done.stdout


def test_a_log_is_kept_where_the_run_did_not_end_well_and_else_removed(pagefold, monkeypatch, tmp_path):
    monkeypatch.setattr("pipeline.scratch.tempfile", SimpleNamespace(gettempdir=lambda: str(tmp_path / "tmp"), mkdtemp=mkdtemp))
    (tmp_path / "tmp").mkdir()

    def ending(summary: Summary):
        def run(*_: object, **__: object) -> Summary:
            os.write(2, b"noise of Ray\n")
            return summary

        return run

    monkeypatch.setattr(runner, "run", ending(DONE))
    _, out, _ = pagefold("run", "in", "out", "-q")
    assert "run.log" not in out
    assert list((tmp_path / "tmp").iterdir()) == []
    monkeypatch.setattr(runner, "run", ending(replace(DONE, status="incomplete", message="stopped")))
    _, out, _ = pagefold("run", "in", "out", "-q", "--json")
    assert Path(json.loads(out)["log"]).read_text() == "noise of Ray\n"


def test_without_a_temporary_folder_a_run_ends_in_a_sentence(pagefold, monkeypatch, tmp_path):
    monkeypatch.setattr("pipeline.scratch.tempfile", SimpleNamespace(gettempdir=lambda: str(tmp_path / "no such"), mkdtemp=mkdtemp))
    code, _, err = pagefold("run", "in", "out", "-q")
    assert (code, err.startswith("pagefold: There is no temporary folder to write to: ")) == (2, True)
