"""Calls a function in a process of its own, so that its leftovers end with the process and a crash costs this call alone."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

from schemas.errors import exit_code
from workers.import_path import import_path

Result = TypeVar("Result")

_END_S = 20.0
"""Seconds that a process may take to end after it has given its result or was asked to stop."""


class Died(Exception):
    """The process ended without a result. It met a bug and has reported its traceback, or somebody killed it."""


class Apart(Generic[Result]):
    """Calls `function(*args)` in a new Python process. Function, arguments, result and the errors for the operator
    (`schemas.errors`) are pickled.

    The process leads a session of its own, so Ctrl-C on the terminal does not reach it; `ask_to_stop` does. The process has ended
    when the context closes. multiprocessing's spawn is not used, because it imports the caller's main module, and a script without
    a `__main__` guard would start itself again.
    """

    def __init__(self, function: Callable[..., Result], *args: Any) -> None:
        ours, theirs = os.pipe()
        self._answers = Connection(ours, writable=False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from pipeline.watching.child_process import serve; serve({theirs})"],
                stdin=subprocess.PIPE,
                pass_fds=[theirs],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(import_path())},
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            pickle.dump((function, args), stdin)

    def wait(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s`. True if there is a result, or the process has ended without one."""
        return self._answers.poll(timeout_s)

    def result(self) -> Result:
        """The function's result. Raises what the function raised, or Died."""
        try:
            is_good, value = self._answers.recv()
        except (EOFError, OSError):  # it died before its answer, or in the middle of it
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
            raise Died(f"its process ended without a word (exit code {self._process.returncode})") from None
        if is_good:
            return value
        raise value

    def ask_to_stop(self) -> None:
        """Sends SIGTERM. The first lets the run commit what it has read in full, a second stops it at once."""
        self._process.terminate()

    def kill(self) -> None:
        """Kills the process and everything that it has started in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def __enter__(self) -> "Apart[Result]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._answers.close()
        try:
            if kind is not None:
                self.ask_to_stop()
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()


def serve(descriptor: int) -> None:
    """Runs in the new process. The call comes through stdin, and its result goes through the descriptor."""
    os.set_inheritable(descriptor, False)
    function, args = pickle.load(sys.stdin.buffer)
    with Connection(descriptor, readable=False) as answers:
        try:
            answers.send((True, function(*args)))
        except Exception as error:  # noqa: BLE001 - sent to the parent, or reported as a bug
            if exit_code(error) is None:
                from pipeline.reporting.endings import fail_by_bug

                fail_by_bug(error)
            answers.send((False, error))
