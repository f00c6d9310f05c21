"""How a command says what it did: progress on stderr, results on stdout, mistakes in one sentence."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from pipeline.reporting.endings import Logged, fail, keep_traceback
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE, exit_code
from schemas.masking import masked

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.reporting.observer import Observer
    from pipeline.reporting.summary import Summary
    from schemas.settings import Settings


def ask_before_closing(output: str, settings: "Settings", yes: bool) -> None:
    """Asks before an unfinished plan is closed, if stdin and stderr are a terminal and not `yes`. A refusal ends the command."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    from pipeline.preview import about_to_close

    sentence = about_to_close(output, settings)
    if sentence is not None and not typer.confirm(f"{masked(sentence)} Go on?", err=True):
        fail("nothing was done.", EXIT_INCOMPLETE)


def do(work: Callable[["Observer"], "Summary"], settings: "Settings", quiet: bool, as_json: bool) -> NoReturn:
    summary, log = observed(work, settings, quiet)
    if summary.exit_code:  # a further Ctrl-C must not change how a run ends that is over
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with printing_the_end():
        if as_json:
            dump_json(
                asdict(summary) | {"pages_per_s": summary.pages_per_s, "exit_code": summary.exit_code, "log": log and str(log)}
            )
        else:
            from pipeline.reporting.terminal import print_summary

            print_summary(console(), summary, log=log)
    raise typer.Exit(summary.exit_code)


@contextlib.contextmanager
def printing_the_end() -> Iterator[None]:
    """Keeps the exit code of a finished run, even if a full disk or a closed pipe prevents printing its summary."""
    try:
        yield
        flush_stdout()
    except OSError as error:
        _forget_stdout()
        with contextlib.suppress(OSError):
            sys.stderr.write(f"pagefold: the run is over, but its summary could not be printed: {error.strerror}.\n")
    except SystemExit:  # rich raises it for a closed pipe
        _forget_stdout()


def open_closed_streams() -> None:
    """Opens what the caller has closed of stdin, stdout and stderr on /dev/null. Python has None in the place of such a stream, and
    the next file that is opened would get its descriptor, and with it what other programs print."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", encoding="utf-8"))


def flush_stdout() -> None:
    """Flushes stdout and raises OSError if that fails. Python's own flush at exit would end with exit code 120 and no message."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_stdout()
        raise


def _forget_stdout() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Process:
    """What may be done to this process as a whole."""

    is_ours = False
    """True for a command line of its own; False where something else has called it, a test or a notebook."""


def observed(work: Callable[["Observer"], "Summary"], settings: "Settings", quiet: bool) -> "tuple[Summary, Path | None]":
    """Does the work with progress on stderr and Ray's output in a log file. The file is kept if the run did not end well."""
    from pipeline.reporting.terminal import RunLog, quiet_ray
    from pipeline.reporting.watchers import watched
    from pipeline.ways.no_pandas import leave_out_pandas

    if Process.is_ours and settings.run.on != "ray":
        leave_out_pandas()
    log = RunLog()
    try:
        with quiet_ray(log.path) as real, watched(settings, real, quiet=quiet) as observer:
            summary = work(observer)
        log.is_wanted = summary.exit_code != EXIT_FINISHED
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on.", EXIT_INCOMPLETE)
    except Exception as error:
        if exit_code(error) is None:
            log.is_wanted = True
            raise Logged(keep_traceback(error, log.path)) from error
        raise
    finally:
        kept = log.put_away()
    return summary, kept


def console() -> "Console":
    """A console on stdout. In a file or a pipe it is 120 columns wide (rich's default: 80), unless COLUMNS is set."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    return Console(highlight=False, width=width)


def dump_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def hint_at_empty(output: str, num_found: int) -> None:
    """Where nothing was found and no document was ever read: a mistyped prefix of a bucket is there, and empty."""
    from pipeline.lake.opening import open_store

    if not num_found and not any(open_store(output).list("documents/")):
        sys.stderr.write(f"No document has been read into {output} yet: is it the right place?\n")


def note(sentence: str) -> None:
    """Progress, for a person alone."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{sentence}\n")


@contextlib.contextmanager
def steps_shown(*, quiet: bool) -> Iterator[Callable[[int, int | None, str], None]]:
    """Shows what is done, of how many if that is known, and the name of the last one: as a bar on a terminal, else in lines, on
    stderr."""
    if quiet:
        yield lambda num_done, num_all, name: None
        return
    if not sys.stderr.isatty():

        def line(num_done: int, num_all: int | None, name: str) -> None:
            typer.echo(f"{num_done:>6}{'' if num_all is None else f' of {num_all}'}  {_legible(name)}", err=True)

        yield line
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as progress:
        task = progress.add_task("", total=None)

        def bar(num_done: int, num_all: int | None, name: str) -> None:
            progress.update(task, completed=num_done, total=num_all, description=escape(_legible(name)))

        yield bar


def _legible(name: str) -> str:
    """A name comes from strangers, and may command a terminal."""
    return "".join(char if char.isprintable() else "?" for char in name)
