"""Calls in a process of their own."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from pipeline.lake.lease import LeaseHeld
from pipeline.watching.child_process import Apart, Died
from schemas.errors import OperatorError
from schemas.lease import LeaseBody
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def pid_and(text: str) -> tuple[int, str]:
    return os.getpid(), text


def refuse(error: Exception) -> None:
    raise error


def divide() -> float:
    return 1 / 0


def vanish() -> None:
    os._exit(7)


def say_much() -> bytes:
    return bytes(1 << 20)


def wait_for_signal(started: Path) -> str:
    caught = []
    signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    started.touch()
    while not caught:
        time.sleep(0.01)
    return "stopped"


def never_end(started: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    started.touch()
    while True:
        time.sleep(1)


def call(*args):
    with Apart(*args) as process:
        assert process.wait(240)
        return process.result()


def test_a_result_comes_back_from_another_process():
    pid, text = call(pid_and, "hello")
    assert pid != os.getpid()
    assert text == "hello"


@pytest.mark.parametrize(
    "error", [OperatorError("This is wrong."), LeaseHeld(LeaseBody(owner="h", run_id="r", epoch=1, ttl_s=60, nonce="n"), 3)]
)
def test_errors_for_the_operator_come_back_as_they_are(error):
    with pytest.raises(type(error)) as caught:
        call(refuse, error)
    assert str(caught.value) == str(error)


def _remove_log(err):
    """The log that a bug's sentence ends with."""
    log = Path(err.rpartition(" ")[2].strip())
    assert "Traceback (most recent call last)" in log.read_text()
    shutil.rmtree(log.parent)


def test_a_bug_says_so_in_a_sentence_there_and_is_a_death_here(capfd):
    with pytest.raises(Died, match="exit code 1"):
        call(divide)
    err = capfd.readouterr().err
    assert "unexpected ZeroDivisionError: " in err
    assert "Traceback (most" not in err
    _remove_log(err)


def test_a_process_that_vanishes_is_a_death():
    with pytest.raises(Died, match="exit code 7"):
        call(vanish)


def test_a_process_killed_in_the_middle_of_its_answer_is_a_death():
    with Apart(say_much) as process:
        assert process.wait(240)  # the pipe holds a part of the answer
        process.kill()
        with pytest.raises(Died, match="exit code -9"):
            process.result()


def test_it_can_be_asked_to_stop(tmp_path):
    with Apart(wait_for_signal, tmp_path / "started") as process:
        wait_until((tmp_path / "started").exists)
        assert not process.wait(0)
        process.ask_to_stop()
        assert process.wait(240)
        assert process.result() == "stopped"


def test_it_can_be_killed_and_none_is_left(tmp_path):
    with Apart(never_end, tmp_path / "started") as process:
        wait_until((tmp_path / "started").exists)
        process.kill()
        with pytest.raises(Died, match="exit code -9"):
            process.result()
    with pytest.raises(ProcessLookupError):
        os.kill(process._process.pid, 0)
