"""A call in a process of its own: what it leaves behind goes with it, and a crash costs that call alone."""

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

Result = TypeVar("Result")

_END_S = 20.0
"""What a process that has given its result, or was asked to stop, may still take to end."""


class Died(Exception):
    """The process ended without a result: a bug, of which it has said where its traceback is, or somebody killed it."""


class Apart(Generic[Result]):
    """`function(*args)` in a new Python process. Function, arguments and result are pickled; so are the errors that are meant for
    the operator (`schemas.errors`).

    The process leads a session of its own: Ctrl-C on the terminal does not reach it, `ask_to_stop` does. It is gone when the
    context closes. Not multiprocessing's spawn, which imports the caller's main module anew: a script without a guard around its
    last line would start itself.
    """

    def __init__(self, function: Callable[..., Result], *args: Any) -> None:
        ours, theirs = os.pipe()
        self._answers = Connection(ours, writable=False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from pipeline.watching.child_process import serve; serve({theirs})"],
                stdin=subprocess.PIPE,
                pass_fds=[theirs],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            pickle.dump((function, args), stdin)

    def wait(self, timeout_s: float) -> bool:
        """True once there is a result, or never will be."""
        return self._answers.poll(timeout_s)

    def result(self) -> Result:
        """Raises what the function raised, or Died."""
        try:
            is_good, value = self._answers.recv()
        except EOFError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
            raise Died(f"its process ended without a word (exit code {self._process.returncode})") from None
        if is_good:
            return value
        raise value

    def ask_to_stop(self) -> None:
        """SIGTERM, as to a run of its own: once to finish what is in flight, twice to stop at once."""
        self._process.terminate()

    def kill(self) -> None:
        """With all that it has started in its session."""
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
    """The other process: the call comes through stdin, its result goes through this descriptor."""
    os.set_inheritable(descriptor, False)
    function, args = pickle.load(sys.stdin.buffer)
    with Connection(descriptor, readable=False) as answers:
        try:
            answers.send((True, function(*args)))
        except Exception as error:  # noqa: BLE001 - handed to the parent, or told in a sentence
            if exit_code(error) is None:
                from pipeline.reporting.endings import fail_by_bug

                fail_by_bug(error)
            answers.send((False, error))
