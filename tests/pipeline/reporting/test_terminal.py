"""What a person sees while a run is at work: plain lines, a live display, or nothing; and where noise goes."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.reporting import terminal as report
from pipeline.reporting.summary import Summary
from schemas.failure import FailureKind
from schemas.receipt import Receipt


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
    end = time.monotonic() + 240
    while text not in stream.getvalue():
        assert time.monotonic() < end, stream.getvalue()
        time.sleep(0.02)


def test_without_a_terminal_progress_is_plain_lines(monkeypatch):
    monkeypatch.setattr(report, "LINE_EVERY_S", 0.05)
    monkeypatch.setattr(report, "QUIET_FOR_S", 0.5)
    stream = Stream(is_terminal=False)
    with report.show_progress(stream) as observer:
        _a_run(observer)
        await_text(stream, "1/4 documents")
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
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert (done.stdout, done.stderr) == ("after\n", "progress\n")
    assert (tmp_path / "log").read_text().splitlines() == ["from C++", "from Python", "from a child"]


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
