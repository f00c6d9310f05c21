"""Pages as pixels, text and regions, drawn in a sandboxed child process that may crash, hang or be killed at any page."""

import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from schemas.failure import EndsRun, FailureKind, PageError
from schemas.page import Packed, RenderedPage, pack, unpack
from schemas.settings import RegionSettings, RenderSettings
from schemas.source import Document
from workers import sandbox
from workers.frames import Frame, FrameError, read_frame, write_frame

_READY, _FAILURE, _EXHAUSTED = b"R", b"F", b"M"
_START_S = 120.0
"""Imports take 0.6 s; on an overloaded machine with a cold disk much longer."""
_STDERR_LINES = 40

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pagefold-spawner")
"""PR_SET_PDEATHSIG follows the *thread* that started the child: this one lives as long as the interpreter."""


class RenderStartError(EndsRun):
    """No render process can be started on this machine: nothing that a document could do."""


class Renderer:
    """One reused child process. Not for several threads at once."""

    _child_module: ClassVar[str] = "workers.render_child"

    def __init__(self, render: RenderSettings, regions: RegionSettings, passwords: Sequence[str]) -> None:
        self._settings = render
        self._setup = {
            "render": render.model_dump(mode="json"),
            "regions": regions.model_dump(mode="json"),
            "passwords": list(passwords),
            "parent_pid": os.getpid(),
        }
        self._folders: list[str] = []
        """What the child may read: where its documents are."""
        self._child: _Child | None = None
        self._opened: tuple[str, int, int, int] | None = None
        self._document: Document | None = None

    def probe(self, path: Path, document_id: str | None, version_id: str | None) -> Document:
        """What the file is and how many pages it has.

        Raises PageError: empty, unsupported_type, encrypted, corrupt, no_pages, too_large; render_timeout, render_out_of_memory
        or render_crashed where opening it did that.
        """
        document = self._open(path)
        return document.model_copy(update={"document_id": document_id, "version_id": version_id})

    def render(self, path: Path, pages: Sequence[int]) -> Iterator[RenderedPage]:
        """Each page as soon as it is drawn, in order; what went wrong with it is inside it."""
        for page_index, packed in zip(pages, self.draw(path, pages), strict=True):
            yield understood(packed, page_index)

    def draw(self, path: Path, pages: Sequence[int]) -> Iterator[Packed]:
        """The same, packed as the child sent it: whoever reads a page unpacks it, once."""
        for page_index in pages:
            try:
                self._open(path)
                packed = self._draw(page_index)
            except PageError as error:
                packed = pack(RenderedPage(page_index=page_index, failure=error.failure("render", page_index=page_index)))
            yield packed

    def close(self) -> None:
        """Ends the child. The renderer may be used again; it then starts another."""
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the child, where one is running."""
        return self._child.pid if self._child else None

    def _open(self, path: Path) -> Document:
        """Nothing to do when it is the file that is open already."""
        stat = os.stat(path)
        key = (os.fspath(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
        folder = os.path.dirname(os.path.realpath(path))
        is_readable = any(os.path.commonpath([folder, known]) == known for known in self._folders)
        if not is_readable:
            self._folders = _widened(self._folders, folder)
        if self._child is not None and not (self._child.is_fit() and is_readable):
            self._stop()
        if self._document is not None and self._opened == key and self._child is not None:
            return self._document
        self._document = self._opened = None
        child = self._child = self._child or _Child(self._child_module, self._setup, self._settings, self._folders)
        with child.limited(self._settings.wall_s):
            answer = self._ask(child, {"open": os.path.abspath(path)})
        try:
            if answer.kind != _FAILURE:
                self._document, self._opened = Document.model_validate_json(answer.body), key
                return self._document
            name, message = json.loads(answer.body)
            kind = FailureKind(name)
        except (ValueError, TypeError):
            self._stop()
            raise _nonsense() from None
        if kind is FailureKind.render_out_of_memory:  # it answered, but who knows what it could not allocate
            self._stop()
        raise PageError(kind, str(message))

    def _draw(self, page_index: int) -> Packed:
        child = self._child
        assert child is not None
        with child.limited(self._settings.wall_s):
            page = self._ask(child, {"page": page_index})
            try:
                regions = _packed(child.read())
            except (EOFError, FrameError, OSError):  # the page is safe; only its regions are lost
                self._stop()
                regions = pack(RenderedPage(page_index=page_index, flags=["regions_failed"]))
        if page.kind == _EXHAUSTED:
            self._stop()
        return Packed.joined([_packed(page), regions])

    def _ask(self, child: "_Child", order: dict[str, object]) -> Frame:
        try:
            return child.ask(order)
        except (EOFError, FrameError, OSError):
            reason = child.why_dead()
            self._stop()
            raise reason from None

    def _stop(self) -> None:
        child, self._child, self._document, self._opened = self._child, None, None, None
        if child is not None:
            child.kill()


class _Child:
    """The process, its pipes, its clock, and the last it said on stderr."""

    def __init__(self, module: str, setup: dict[str, object], settings: RenderSettings, folders: Sequence[str]) -> None:
        self._settings = settings
        self._timed_out = False
        self._process = _SPAWNER.submit(_spawn, sandbox.command(module, folders)).result()
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
                if self.read().kind != _READY:
                    raise FrameError("not ready")
        except (EOFError, FrameError, OSError):
            self.kill()
            raise RenderStartError("the render process does not start: " + " | ".join(self._stderr)) from None
        self._first_bytes = sandbox.address_space_bytes(self.pid)

    def ask(self, order: dict[str, object]) -> Frame:
        write_frame(self._requests, Frame(b"O", json.dumps(order).encode()))
        return self.read()

    def read(self) -> Frame:
        return read_frame(self._answers)

    def limited(self, wall_s: float) -> "_WallClock":
        return _WallClock(self, wall_s)

    def time_out(self) -> None:
        self._timed_out = True
        self._process.kill()

    def is_fit(self) -> bool:
        """Alive, and grown by less than half of what it may."""
        if self._process.poll() is not None:
            return False
        return sandbox.address_space_bytes(self.pid) - self._first_bytes < self._settings.memory_bytes // 2

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join(timeout=5)
        for stream in (self._requests, self._answers):
            try:
                stream.close()
            except OSError:  # what was still to be written to a dead process
                continue

    def why_dead(self) -> PageError:
        """After an answer did not come."""
        if not self._timed_out:
            try:
                self._process.wait(timeout=2)
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
    """`with`: the child is killed when the block takes longer."""

    def __init__(self, child: _Child, wall_s: float) -> None:
        self._timer = threading.Timer(wall_s, child.time_out)

    def __enter__(self) -> None:
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def understood(packed: Packed, page_index: int) -> RenderedPage:
    """The page that was asked for. A child that was taken over may send anything: what is none of it costs the page."""
    try:
        (page,) = unpack(packed)
        if page.page_index != page_index or (page.image is None and page.failure is None):
            raise ValueError("not the page that was asked for")
    except ValueError:
        return RenderedPage(page_index=page_index, failure=_nonsense().failure("render", page_index=page_index))
    return page


def _packed(frame: Frame) -> Packed:
    """Unread, and not believed: see `understood`."""
    return Packed(frame.body.decode(errors="replace"), list(frame.buffers))


def _nonsense() -> PageError:
    return PageError(FailureKind.render_crashed, "the renderer's answer makes no sense: it is broken, or taken over")


_MAX_FOLDERS = 4
"""More are not told one by one: each means a new child."""


def _widened(folders: Sequence[str], folder: str) -> list[str]:
    """With `folder`; of many folders what is above them all, but never the root of the file system."""
    folders = [*folders, folder]
    if len(folders) <= _MAX_FOLDERS:
        return folders
    above = os.path.commonpath(folders)
    return [folder] if above == os.path.dirname(above) else [above]


def _spawn(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=sandbox.environment(os.environ),
        start_new_session=True,  # Ctrl-C in a terminal is the parent's to handle
        close_fds=True,
    )
