"""A process is called dead only where two witnesses agree that it is gone, or another one has its id."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.lake import process_identity as processes
from pipeline.lake.process_identity import is_dead, this_process

pytestmark = pytest.mark.skipif(this_process() is None, reason="this platform does not tell which process is which")


def unreadable(number: int) -> Callable[[Path], str]:
    real = Path.read_text

    def read_text(path: Path, *args: object) -> str:
        if path.name == "stat":
            raise OSError(number, os.strerror(number))
        return real(path)

    return read_text


def killing(error: BaseException | None) -> Callable[[int, int], None]:
    def kill(pid: int, signal: int) -> None:
        assert signal == 0
        if error is not None:
            raise error

    return kill


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EPERM, errno.EACCES, errno.ENOMEM, errno.EIO])
def test_a_process_that_cannot_be_looked_at_is_not_dead(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    own = this_process()
    monkeypatch.setattr(Path, "read_text", unreadable(number))
    monkeypatch.setattr(processes, "_place", lambda: (own or "").rsplit("/", 2)[0])
    monkeypatch.setattr(os, "kill", killing(ProcessLookupError()))  # nobody asks this witness
    assert own
    assert not is_dead(own)
    assert not is_dead(f"{own}9")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESRCH])
@pytest.mark.parametrize(
    ("answer", "dead"), [(ProcessLookupError(), True), (PermissionError(), False), (None, False), (OverflowError(), False)]
)
def test_a_process_that_is_not_in_proc_is_dead_once_the_kernel_does_not_know_it(
    monkeypatch: pytest.MonkeyPatch, number: int, answer: BaseException | None, dead: bool
) -> None:
    own = this_process()
    monkeypatch.setattr(Path, "read_text", unreadable(number))
    monkeypatch.setattr(processes, "_place", lambda: (own or "").rsplit("/", 2)[0])
    monkeypatch.setattr(os, "kill", killing(answer))  # PermissionError: another user's, hidden by hidepid
    assert own
    assert is_dead(own) is dead


def test_nothing_is_known_of_anybody_where_too_many_files_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    own = this_process()

    def refuse(path: Path, *args: object) -> str:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert own
    assert this_process() is None
    assert not is_dead(f"{own}9")
