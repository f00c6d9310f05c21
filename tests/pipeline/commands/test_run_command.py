"""`pagefold run` and `retry`: what they pass on, what they print and ask, and how they exit. Runs are replaced by fakes."""

import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import pytest

from pipeline import runner
from pipeline.lake.lease import LeaseHeld
from pipeline.lake.paths import plan_path, staged_path
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import StoreError
from pipeline.reporting.summary import Summary
from schemas.errors import OperatorError
from schemas.failure import FailureKind
from schemas.lease import LeaseBody
from schemas.settings import Settings
from tests.pipeline.commands.done import DONE
from tests.pipeline.made import make_chunk, make_plan, planned, records_of
from workers.engines.engine import EngineStartError
from workers.sources.listing import InputError


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
