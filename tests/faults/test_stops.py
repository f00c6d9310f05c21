"""Runs are killed or asked to stop, through the command line, on Ray and in one process: a few rounds of the long campaign."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from schemas.plan import Recipe
from tests.faults.kill import ROOT, SETTINGS, compare, run_once, run_until_finished
from tests.pipeline.made_input import hang_once, make_drop
from tests.pipeline.tables import doubled_keys, read_rows
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

RAY, LOCAL = pytest.param("ray", marks=pytest.mark.ray), "local"
ON = pytest.mark.parametrize("on", [RAY, LOCAL])


@ON
def test_a_killed_run_goes_on_and_ends_with_the_same_tables(on: str, tmp_path: Path) -> None:
    drop, log = tmp_path / "drop", tmp_path / "log"
    make_drop(drop)
    one_cpu = ("--set", "ray.num_cpus=1")  # the graph starts there, too: its stages' minima leave room for each other
    assert run_once(str(drop), str(tmp_path / "reference"), log, None, "--on", on, *one_cpu) == 0, log.read_text()

    longest_s = {"ray": 20, "local": 5}[on]
    killed = run_until_finished(str(drop), str(tmp_path / "out"), log, 2, longest_s, 7, "--on", on)

    assert killed <= 2
    assert compare(str(tmp_path / "reference"), str(tmp_path / "out")) == []


def start(drop: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline", "run", str(drop), str(out), "--engine", "scripted", "--quiet", *SETTINGS, *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)


@ON
def test_what_a_killed_run_leaves_behind_does_not_reach_a_lake_that_is_made_anew(on: str, tmp_path: Path) -> None:
    """Workers of a killed run live a little longer, and may stage chunks of other settings into the new lake."""
    drop, out, script = tmp_path / "drop", tmp_path / "out", tmp_path / "script.json"
    make_drop(drop)
    hangs = hang_once(script, "*eleven*#page=10", delay_s=0.3)
    scripted = ("--set", f"engine.scripted.script={script}")
    process = start(drop, out, "--on", on, *scripted, "--set", "render.dpi_max=100")
    try:
        wait_until(lambda: hangs() and list(out.glob("_pagefold/staging/**/*.arrow")))
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= {"ray": 4, "local": 2}[on]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    out.rename(tmp_path / "gone")  # in one step: its workers are writing into it

    assert run_once(str(drop), str(out), tmp_path / "log", None, "--on", on, *scripted) == 0, (tmp_path / "log").read_text()

    (plan,) = [json.loads(path.read_text()) for path in out.glob("_pagefold/plans/*.json")]
    pages = read_rows(out, "pages")
    assert len(pages) == 15
    assert {row["recipe_id"] for row in pages} == {Recipe.model_validate(plan["recipes"]["ocr"]).recipe_id}
    assert doubled_keys(out) == []
    _, alive = psutil.wait_procs(family, timeout=120)
    assert alive == []


@pytest.mark.parametrize(
    ("on", "numbers"),
    [
        pytest.param("ray", [signal.SIGTERM], marks=pytest.mark.ray),
        pytest.param("ray", [signal.SIGINT] * 2, marks=pytest.mark.ray),
        ("local", [signal.SIGTERM]),
        ("local", [signal.SIGINT]),
        ("local", [signal.SIGINT] * 2),
    ],
)
def test_a_run_that_is_asked_to_stop_leaves_in_order(tmp_path: Path, on: str, numbers: list[signal.Signals]) -> None:
    drop, out, script = tmp_path / "drop", tmp_path / "out", tmp_path / "script.json"
    make_drop(drop)
    script.write_text(json.dumps({"delay_s": 600}))
    command = [sys.executable, "-m", "pipeline", "run", str(drop), str(out), "--engine", "scripted"]
    command += ["--on", on, "--set", f"engine.scripted.script={script}", "--set", "ray.grace_s=2"]

    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    assert process.stderr is not None
    seen = []
    for line in process.stderr:  # the engine hangs, so the run is reading until it is told otherwise
        seen.append(line)
        if " reading" in line:
            break
    time.sleep(3)
    for number in numbers:
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # all that a terminal's Ctrl-C reaches
        else:
            process.send_signal(number)
        time.sleep(0.2)
    try:
        rest = process.communicate(timeout=240)[1]
    finally:
        process.kill()

    is_over = process.returncode == -signal.SIGINT and len(numbers) > 1  # all was done when the second Ctrl-C came
    assert process.returncode == 1 or is_over, "".join(seen) + rest
    assert is_over or "Traceback" not in rest
    status = subprocess.run(
        [sys.executable, "-m", "pipeline", "status", str(out), "--json"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert json.loads(status.stdout)["runs"][0]["status"] == "incomplete", "".join(seen) + rest
