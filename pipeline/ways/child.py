"""The process that does the work of a run without Ray. `pipeline.ways.here` starts it, and restarts it if it dies.

It gets its context and its rows through stdin, and sends messages to the driver: receipts, reports of its readers, records of its
log, the loads of its stages, and how it ended. It ends at once when stdin closes, because then the driver is gone.
"""

import contextlib
import gc
import os
import pickle
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import IO, TYPE_CHECKING, Any

from pipeline.cluster.readiness import report_through
from pipeline.reporting.json_log import send_log_records
from pipeline.stages.setups import RenderSetup
from pipeline.ways.messages import END_OF_ROWS, Ended, Loads, LogMessage, Message, Receipts, Report, Start
from pipeline.ways.no_pandas import leave_out_pandas
from workers.contained import sentence
from workers.rendering.render_process import RenderStartError
from workers.rendering.renderer import Renderer

if TYPE_CHECKING:
    from pipeline.local import Line

_LOADS_EVERY_S = 2.0


def serve(descriptor: int) -> None:
    """Runs in the new process; the messages go through the descriptor."""
    os.set_inheritable(descriptor, False)
    with os.fdopen(os.dup(0), "rb") as orders:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _Child(Connection(descriptor, readable=False), orders).work()


class _Child:
    def __init__(self, messages: "Connection[Any, Any]", orders: IO[bytes]) -> None:
        self._messages, self._orders = messages, orders
        self._lock = threading.Lock()

    def work(self) -> None:
        leave_out_pandas()
        start: Start = pickle.load(self._orders)
        report_through(lambda name, reader: self._send(Report(name, reader)))
        send_log_records(lambda record: self._send(LogMessage(record)), run_id=start.context.run_id)
        error: BaseException | None = None
        try:
            self._work(start)
        except BaseException as raised:  # noqa: BLE001 - raised in the driver
            error = _sendable(raised)
        self._send(Ended(error))
        os._exit(0)  # engines and render processes end with this process

    def _work(self, start: Start) -> None:
        warm = _Warm(start)
        from pipeline.local import build, in_one_process  # takes a while, in which the renderer starts
        from pipeline.stages.pools import pools

        stages = pools(in_one_process(replace(start.context, known=self._known())))
        warm.hand_to(stages[1].setup)
        line = build(stages)
        gc.enable()  # the imports took a twelfth less without it
        threading.Thread(target=self._send_loads, args=(line,), daemon=True, name="loads").start()
        for table in line.run(self._rows()):
            for bodies in table.column("receipts").to_pylist():
                self._send(Receipts(bodies))

    def _known(self) -> Mapping[str, str]:
        try:
            known: Mapping[str, str] = pickle.load(self._orders)
        except EOFError:  # the driver is gone
            os._exit(1)
        return known

    def _rows(self) -> Iterator[str]:
        for line in self._orders:
            if line == END_OF_ROWS:
                threading.Thread(target=self._watch_driver, daemon=True, name="driver").start()
                return
            yield line.decode()
        os._exit(1)

    def _watch_driver(self) -> None:
        self._orders.read()
        os._exit(1)

    def _send_loads(self, line: "Line") -> None:
        pause = threading.Event()
        while not pause.wait(_LOADS_EVERY_S):
            self._send(Loads(line.loads()))

    def _send(self, message: Message) -> None:
        with self._lock:
            try:
                self._messages.send(message)
            except OSError:  # the driver is gone
                os._exit(1)


class _Warm:
    """A renderer whose child starts while this process imports the rest."""

    def __init__(self, start: Start) -> None:
        context = start.context
        self._setup = RenderSetup.of(context.settings, context.recipes, context.run_id)
        self._renderer: Renderer | None = None
        self._thread = threading.Thread(target=self._start, args=(start.folder,), daemon=True, name="warm")
        if start.folder is not None:
            self._thread.start()

    def _start(self, folder: str) -> None:
        renderer = self._setup.make_renderer()
        with contextlib.suppress(RenderStartError):  # the first document meets it again, and then it ends the run
            renderer.warm(folder)
            self._renderer = renderer

    def hand_to(self, setup: RenderSetup) -> None:
        """Gives the renderer to the stages, unless they want another one."""
        if self._thread.ident is not None:
            self._thread.join()
        if self._renderer is not None:
            if replace(setup, most_renderers=self._setup.most_renderers) == self._setup:
                setup.renderers.add(self._renderer)
            else:
                self._renderer.close()


def _sendable(error: BaseException) -> BaseException:
    """The error, with its traceback as a note; or what can be said of one that cannot be sent."""
    trace = "".join(traceback.format_exception(error))
    try:
        error.add_note(trace)
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class does
        error = RuntimeError(sentence(error))
        error.add_note(trace)
    return error
