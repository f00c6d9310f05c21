"""A run without Ray: one process beside the driver does the work, and is restarted if it dies.

A death costs what the process had in hand, which is read again. A page that kills the process again and again is convicted by its
begin markers (see `pipeline.lake.begin_markers`), as on Ray.
"""

import contextlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from pipeline.cluster.readiness import Reader
from pipeline.committer import Compaction, compacting_threads, compaction
from pipeline.reporting.observer import Observer, StageLoad
from pipeline.stages.context import Context
from pipeline.ways.messages import END_OF_ROWS, Ended, Loads, LogMessage, Message, Receipts, Report, Start, receive
from pipeline.ways.way import TICK_S, Rows
from schemas.errors import DiskFull, EngineDies, StagesEnd, exit_code, is_disk_full
from schemas.receipt import Receipt
from schemas.settings import Settings
from workers.contained import sentence
from workers.import_path import import_path
from workers.usable_cpus import usable_cpus

_log = logging.getLogger(__name__)

_MAX_DEATHS = 20
"""Deaths without a receipt in between that end the run. A chunk with one page that kills costs four; one with more costs two more
for each."""
_MAX_DEATHS_AT_START = 3
_MOST_TO_END_S = 60.0


@contextlib.contextmanager
def here(settings: Settings, observer: Observer, worker: "Worker | None") -> Iterator["Here"]:
    """The way without Ray. `worker`: a process that was started before there were rows for it; None if there is none."""
    with compacting_threads() as threads:
        yield Here(settings, observer, threads, worker)


def num_cpus_here(settings: Settings) -> int:
    return settings.ray.num_cpus or usable_cpus()


class Here:
    def __init__(self, settings: Settings, observer: Observer, threads: ThreadPoolExecutor, worker: "Worker | None") -> None:
        self._observer, self._worker = observer, worker
        self.num_cpus = num_cpus_here(settings)
        self._threads = threads
        self._readers: dict[str, Reader] = {}
        self._loads: list[StageLoad] = []

    def compactor(self, *arguments: Any) -> Future[Compaction]:
        """Compacts in a thread of the driver, which has little else to do."""
        return self._threads.submit(compaction, *arguments)

    def receipts(self, rows: Rows, context: Context) -> Generator[Receipt | None, None, None]:
        deaths = _Deaths()
        while True:
            worker, self._worker = self._worker or Worker(Start(context, folder=None)), None
            with worker:
                worker.give(context.known, rows())
                try:
                    for message in worker.messages():
                        if isinstance(message, Receipts):
                            deaths.forget()
                            yield from map(Receipt.model_validate_json, message.bodies)
                        else:
                            self._take_in(message)
                            yield None
                        if isinstance(message, Ended):
                            worker.wait_for_end()
                            return
                except EOFError:
                    why = worker.why_dead()
                    deaths.add(why, is_started=any(reader.state == "ready" for reader in self._readers.values()))
                    self._readers, self._loads = {}, []
                    self._observer.message(
                        f"the process that reads died ({why}) and is started anew; what it had in hand is read again"
                    )

    def loads(self) -> list[StageLoad]:
        return self._loads

    def readers(self) -> Mapping[str, Reader]:
        return self._readers

    def forget(self) -> None: ...

    def check(self) -> None: ...

    def _take_in(self, message: Message | None) -> None:
        match message:
            case Report(name, reader):
                self._readers[f"{reader.process} {name}"] = reader
            case Loads(loads):
                self._loads = loads
            case LogMessage(record):
                logging.getLogger(record.name).handle(record)
            case Ended(error) if error is not None:
                if is_disk_full(error):
                    raise DiskFull("a disk of this machine is full: make room there") from error
                if exit_code(error) is not None:
                    raise error
                _log.error("a stage raised", exc_info=error)
                raise StagesEnd(f"the run was ended by {sentence(error)}") from error


class _Deaths:
    """Ends a run whose process dies again and again without a receipt in between."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def forget(self) -> None:
        self._in_a_row = 0

    def add(self, why: str, *, is_started: bool) -> None:
        self._in_a_row += 1
        if not is_started and self._in_a_row >= _MAX_DEATHS_AT_START:
            raise EngineDies(f"the process that reads died {self._in_a_row} times while it started, the last time by {why}")
        if self._in_a_row >= _MAX_DEATHS:
            raise EngineDies(
                f"the process that reads died {self._in_a_row} times without finishing a chunk, the last time by {why}: the engine "
                "is broken, or this machine too small"
            )


class Worker:
    """The process with its pipes. It imports what it needs, and starts a renderer, while it waits for work."""

    def __init__(self, start: Start) -> None:
        ours, theirs = os.pipe()
        self._messages: Connection[Any, Any] = Connection(ours, writable=False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"import gc; gc.disable(); from pipeline.ways.child import serve; serve({theirs})"],
                stdin=subprocess.PIPE,
                pass_fds=[theirs],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(import_path())},
                start_new_session=True,  # so that Ctrl-C on a terminal reaches the driver alone
            )
        finally:
            os.close(theirs)
        self._error: BaseException | None = None
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(start, self._stdin)
            self._stdin.flush()

    def give(self, known: Mapping[str, str], rows: Iterator[str]) -> None:
        """Starts a thread that writes the rows, as the process takes them. Call it once."""
        threading.Thread(target=self._write, args=(known, rows), daemon=True, name="rows").start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._messages.close()
        with contextlib.suppress(OSError):  # rows that nobody takes any more
            self._stdin.close()

    def messages(self) -> Iterator[Message | None]:
        """Gives the messages, and None several times a second while there is none. Raises EOFError when the process is dead."""
        while True:
            if self._error is not None:
                raise self._error
            yield receive(self._messages) if self._messages.poll(TICK_S) else None

    def wait_for_end(self) -> None:
        """Waits until the process that said its last word is gone, as it is at once unless it hangs; then it is killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_MOST_TO_END_S)

    def why_dead(self) -> str:
        status = self._process.wait()
        return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"

    def _write(self, known: Mapping[str, str], rows: Iterator[str]) -> None:
        with contextlib.suppress(BrokenPipeError):
            try:
                pickle.dump(known, stdin := self._stdin)
                stdin.flush()
                for row in rows:
                    stdin.write(row.encode() + b"\n")
                stdin.write(END_OF_ROWS)
                stdin.flush()
            except BrokenPipeError:
                raise
            except Exception as error:  # noqa: BLE001 - raised where the messages are read
                if not self._stdin.closed:
                    self._error = error
