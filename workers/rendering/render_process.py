"""The child process that draws, as its parent holds it: how it starts, how long it may take, and why it died."""

import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from schemas.errors import EndsRun
from schemas.failure import FailureKind, PageError
from schemas.settings import RenderSettings
from workers.rendering.frames import READY, Frame, FrameError, Most, read_frame, write_frame
from workers.rendering.sandbox import limits as sandbox

_START_S = 120.0
"""Seconds that a child may take to start. Its imports take 0.6 s, and much longer on an overloaded machine with a cold disk."""
_END_S = 20.0
"""Seconds that a child may take to end after it has closed its answers, before it is killed."""
_STDERR_LINES = 40

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pagefold-spawner")
"""Starts the children. PR_SET_PDEATHSIG kills a child when the *thread* that started it ends; this one lives as long as the
process."""


class RenderStartError(EndsRun):
    """No render process can be started on this machine, which no document can cause."""


class RenderProcess:
    """The child process with its pipes, its clock, and its last lines on stderr."""

    def __init__(self, module: str, setup: dict[str, object], settings: RenderSettings, folders: Sequence[str]) -> None:
        self._settings = settings
        self._timed_out = False
        try:
            self._process = _SPAWNER.submit(_spawn, sandbox.command(module, folders)).result()
        except OSError as error:  # no memory, or no process left
            raise RenderStartError(f"the render process does not start: {error}") from error
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            with self.limited(_START_S):
                write_frame(self._requests, Frame(b"S", json.dumps(setup).encode()))
                self.read(READY, Most(0, 0, 0))
        except (EOFError, FrameError, OSError):
            self.kill()
            raise RenderStartError("the render process does not start: " + " | ".join(self._stderr)) from None
        self._first_bytes = sandbox.address_space_bytes(self.pid)

    def ask(self, order: dict[str, object], kinds: bytes, most: Most) -> Frame:
        write_frame(self._requests, Frame(b"O", json.dumps(order).encode()))
        return self.read(kinds, most)

    def read(self, kinds: bytes, most: Most) -> Frame:
        """A frame of one of `kinds`. Raises FrameError for another kind or more than `most`; EOFError or OSError if the child is
        gone."""
        frame = read_frame(self._answers, most)
        if frame.kind not in kinds:
            raise FrameError("an answer to another question")
        return frame

    def limited(self, wall_s: float) -> "_WallClock":
        return _WallClock(self, wall_s)

    def time_out(self) -> None:
        self._timed_out = True
        self._process.kill()

    def is_fit(self) -> bool:
        """True if the child is alive, and not killed by a clock that ran out just after its answer, and has used less than half of
        the memory that it may add."""
        if self._timed_out or self._process.poll() is not None:
            return False
        return sandbox.address_space_bytes(self.pid) - self._first_bytes < self._settings.memory_bytes // 2

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join(timeout=5)
        for stream in (self._requests, self._answers):
            try:
                stream.close()
            except OSError:  # a buffer that cannot be written to a dead process
                continue

    def why_dead(self) -> PageError:
        """The failure for an answer that did not come."""
        if not self._timed_out:
            try:
                self._process.wait(timeout=_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        status = self._process.wait()
        self._listener.join(timeout=5)
        last = self._stderr[-1] if self._stderr else ""
        if self._timed_out:
            return PageError(FailureKind.render_timeout, f"no answer within {self._settings.wall_s:g} s")
        if status in (-signal.SIGPROF, -signal.SIGXCPU):
            return PageError(FailureKind.render_timeout, f"more than {self._settings.cpu_s:g} s of CPU time")
        if any(sign in line for line in self._stderr for sign in ("bad_alloc", "MemoryError", "out of memory", "alloc")):
            return PageError(FailureKind.render_out_of_memory, f"out of memory: {last}")
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return PageError(FailureKind.render_crashed, f"the renderer died by {how} {last}")

    def _listen(self) -> None:
        assert self._process.stderr
        with self._process.stderr as stream:
            while line := stream.readline(4096):
                self._stderr.append(line.decode(errors="replace").strip())


class _WallClock:
    """A context that kills the child if the block takes longer than `wall_s`."""

    def __init__(self, child: RenderProcess, wall_s: float) -> None:
        self._timer = threading.Timer(wall_s, child.time_out)

    def __enter__(self) -> None:
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _spawn(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=sandbox.environment(os.environ),
        start_new_session=True,  # so that only the parent gets Ctrl-C from a terminal
        close_fds=True,
    )
