"""The display of a run for a person: live progress on a terminal, plain lines elsewhere, a summary at the end.

Texts from outside (names, messages) are stripped of control characters and never interpreted as markup.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.reporting.figures import counted, duration, pace
from pipeline.reporting.observer import Observer, Silent
from pipeline.reporting.progress import Progress
from pipeline.reporting.summary import Summary
from pipeline.scratch import Scratch
from schemas.errors import OperatorError
from schemas.failure import KINDS, FailureKind, clean_message

LINE_EVERY_S = 5.0
QUIET_FOR_S = 30.0
"""Seconds without news after which a line says which phase waits."""


class _Screen:
    """The live display of `Progress`, which rich's Live draws several times a second on its own thread."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __rich__(self) -> Group:
        progress = self._progress
        head = Text.assemble(
            (progress.phase_name, "bold"), f" {progress.phase_detail}".rstrip(), f"  {duration(progress.elapsed_s)}"
        )
        if progress.silent_s > QUIET_FOR_S:
            head.append(f"  {progress.waiting()}", "yellow")
        lines: list[Text | Table] = [head]
        if progress.num_documents:
            row = Table.grid(padding=(0, 2))
            pages = counted(progress.num_pages, "page")
            rate = "" if progress.pages_per_s is None else f"{pace(progress.pages_per_s)} pages/s"
            left = "" if progress.left_s is None else f"about {duration(progress.left_s)} left"
            bar = ProgressBar(progress.num_documents, progress.num_documents_done, width=30)
            row.add_row(bar, f"{progress.num_documents_done}/{progress.num_documents} documents", pages, rate, left)
            lines.append(row)
        if progress.failures:
            kinds = ", ".join(f"{kind} {count}" for kind, count in progress.failures.most_common(6))
            lines.append(Text(f"failures: {kinds}", "yellow"))
        return Group(*lines)


@contextlib.contextmanager
def show_progress(stream: TextIO, *, quiet: bool = False) -> Iterator[Observer]:
    """An observer that shows the run on `stream`: live on a terminal, a line every few seconds elsewhere, nothing when quiet."""
    if quiet:
        yield Silent()
        return
    progress = Progress()
    if stream.isatty():
        console = Console(file=stream, highlight=False, width=_width_of(stream))
        # Not redirected, so that what Ray writes to sys.stderr goes to the log file and not above the display.
        screen = _Screen(progress)
        with Live(screen, console=console, refresh_per_second=5, transient=True, redirect_stdout=False, redirect_stderr=False):
            yield progress
        for text in progress.messages:
            console.print(Text(text))
        return
    stop = threading.Event()
    thread = threading.Thread(target=_write_lines, args=(progress, stream, stop), daemon=True, name="progress")
    thread.start()
    try:
        yield progress
    finally:
        stop.set()
        thread.join()


def _write_lines(progress: Progress, stream: TextIO, stop: threading.Event) -> None:
    """Writes phases and messages as they come, counts every few seconds if they have changed, and a sign of life if nothing has."""
    phase, num_messages, last, since = "", 0, progress.line(), time.monotonic()
    silence = QUIET_FOR_S
    ended = False
    while not ended:
        ended = stop.wait(0.1)
        lines = progress.messages[num_messages:]
        num_messages += len(lines)
        now = time.monotonic()
        if (named := f"{progress.phase_name} {progress.phase_detail}".strip()) != phase:
            phase, last = named, progress.line()
            lines = [*lines, named]
        elif now - since >= LINE_EVERY_S and (line := progress.line()) != last and progress.num_documents:
            since, last = now, line
            lines = [*lines, line]
        if progress.silent_s < QUIET_FOR_S:
            silence = QUIET_FOR_S
        elif progress.silent_s >= silence:
            silence *= 2
            lines = [*lines, progress.waiting()]
        for text in lines:
            stream.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        if lines:
            stream.flush()


@contextlib.contextmanager
def quiet_ray(log: Path) -> Iterator[TextIO]:
    """Sends everything that this process and its children write to stdout and stderr to `log`. Gives the real stderr.

    It redirects file descriptors and not Python's streams, because Ray's C++ processes and dying workers write to these. The end
    restores them, so that a bug's traceback appears on the terminal.
    """
    os.environ.setdefault("RAY_DEDUP_LOGS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a FutureWarning about num_gpus=0
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no questions, and nothing is sent
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    with log.open("ab") as file, _closing_whatever(os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")) as real:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield real
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):  # a full disk below the log must not fail the run
                    stream.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            for descriptor in saved:
                os.close(descriptor)


@contextlib.contextmanager
def _closing_whatever(stream: TextIO) -> Iterator[TextIO]:
    """Closes the stream at the end, even if what is left in its buffer cannot be written."""
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()


class RunLog:
    """The file that takes what a run and Ray print. Only this user can read it. `put_away` removes it unless `is_wanted` is set."""

    def __init__(self) -> None:
        try:
            self._scratch = Scratch()
        except OSError as error:
            raise OperatorError(f"There is no temporary folder to write to: {error}.") from error
        self.path = self._scratch.folder / "run.log"
        self.is_wanted = False

    def put_away(self) -> Path | None:
        """Keeps or removes the file, and gives its path if it is kept."""
        if self.is_wanted and self.path.exists() and self.path.stat().st_size:
            self._scratch.keep()
            return self.path
        self._scratch.remove()
        return None


def print_summary(console: Console, summary: Summary, *, log: Path | None = None) -> None:
    """Prints how the run ended, what failed and what to do about it, and where the results are."""
    output = clean_message(summary.output)
    if summary.status == "nothing_to_do":
        console.print(Text.assemble(("Nothing to do: ", "bold"), f"all of it is in {output} already."))
        return
    if summary.status == "incomplete":
        console.print(
            Text(
                f"Incomplete: {clean_message(summary.message or 'interrupted').rstrip('.')}. The same command goes on.", "bold red"
            )
        )
    elif summary.status == "too_many_failed":
        console.print(Text(f"Finished in {duration(summary.seconds)}, but {clean_message(summary.message or '')}.", "bold red"))
    else:
        console.print(Text.assemble(("Finished ", "bold green"), f"in {duration(summary.seconds)}."))
    rows = Table.grid(padding=(0, 2))
    before = f", {summary.num_documents_before} of them by earlier runs" if summary.num_documents_before else ""
    rows.add_row("documents", f"{summary.num_documents}{before}")
    pages = ", ".join(f"{count} {status}" for status, count in summary.num_pages.items() if count)
    rate = "" if summary.pages_per_s is None else f"; {pace(summary.pages_per_s)} pages/s, start-up included"
    rows.add_row("pages", f"{summary.num_pages_read}" + (f" ({pages}{rate})" if pages else ""))
    if summary.num_pages_waiting:
        rows.add_row("staged", f"{counted(summary.num_pages_waiting, 'page')} more, of documents that are not whole yet")
    rows.add_row("charts", f"{summary.num_charts}, with {counted(summary.num_chart_points, 'data point')}")
    if summary.num_output_tokens:
        rows.add_row("tokens", f"{summary.num_prompt_tokens} prompt, {summary.num_output_tokens} output")
    if summary.num_requests is not None:
        rows.add_row("requests", f"up to {summary.num_requests} at once, by a reader")
    if summary.cost is not None:
        a_page = f" ({summary.cost / summary.num_pages_now:.2g} a page)" if summary.num_pages_now else ""
        rows.add_row("cost", f"{summary.cost:.2f} {summary.currency}{a_page}")
    rows.add_row("failures", str(summary.num_failures))
    rows.add_row("results", Text(output))
    if log is not None:
        rows.add_row("log", Text(str(log)))
    console.print(rows)
    if summary.failures:
        console.print()
        console.print(failures_table(summary.failures))
    console.print()
    console.print(Text(f'Next: pagefold query {output} "select name, status, num_pages from current_documents"'), soft_wrap=True)
    if summary.failures:
        console.print(Text(f"      pagefold failures {output}"))


def failures_table(failures: Mapping[FailureKind, int]) -> Table:
    """A table of failure kinds by count, with their meaning and what to do."""
    table = Table("failures", "kind", "what it means", "what to do", box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.columns[0].justify = "right"
    for kind, count in sorted(failures.items(), key=lambda item: (-item[1], item[0])):
        info = KINDS[kind]
        again = " (the next runs try again by themselves)" if info.is_transient else ""
        table.add_row(str(count), kind.value, Text(info.meaning), Text(info.what_to_do + again))
    return table


def _width_of(stream: TextIO) -> int | None:
    """The width of the terminal; None if unknown. rich itself would ask stdin and descriptors that point to the log by then."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return None
