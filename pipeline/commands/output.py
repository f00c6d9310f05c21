"""How a command says what it did: progress on stderr, results on stdout, mistakes in one sentence."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from pipeline.errors import EXIT_FINISHED, EXIT_INCOMPLETE, OperatorError, exit_code
from schemas.masking import masked

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.reporting.observer import Observer
    from pipeline.reporting.summary import Summary
    from schemas.settings import Settings


def ask_before_closing(output: str, settings: "Settings", yes: bool) -> None:
    """On a terminal, and unless `yes`: where an unfinished plan would be closed, ask first. A refusal ends the command."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    from pipeline.runner import about_to_close

    sentence = about_to_close(output, settings)
    if sentence is not None and not typer.confirm(f"{masked(sentence)} Go on?", err=True):
        fail("nothing was done.", EXIT_INCOMPLETE)


def do(work: Callable[["Observer"], "Summary"], settings: "Settings", quiet: bool, as_json: bool) -> NoReturn:
    summary, log = observed(work, settings, quiet)
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
    """A run that is over ends as it did, even where a full disk or a closed pipe takes none of what is printed of it."""
    try:
        yield
        flush_stdout()
    except OSError as error:
        _forget_stdout()
        with contextlib.suppress(OSError):
            sys.stderr.write(f"pagefold: the run is over, but its summary could not be printed: {error.strerror}.\n")
    except SystemExit:  # what rich makes of a closed pipe
        _forget_stdout()


def flush_stdout() -> None:
    """Now, and not when Python ends, which would make it exit code 120 without a word. Raises OSError."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_stdout()
        raise


def _forget_stdout() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def observed(work: Callable[["Observer"], "Summary"], settings: "Settings", quiet: bool) -> "tuple[Summary, Path | None]":
    """Do the work with its progress on stderr and Ray's noise in a log file; the file is kept where the run did not end well."""
    from pipeline.reporting.terminal import RunLog, quiet_ray
    from pipeline.reporting.watchers import watched

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
            raise _Logged(_keep_traceback(error, log.path)) from error
        raise
    finally:
        kept = log.put_away()
    return summary, kept


class _Logged(Exception):
    """A bug in a command that has a log: its cause is the exception."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where
        """A sentence that says where its traceback is."""


def fail_by_bug(error: Exception) -> NoReturn:
    """One sentence, and the traceback in a log: the one that Ray wrote to, where there is one."""
    bug = error.__cause__ if isinstance(error, _Logged) and error.__cause__ else error
    where = error.where if isinstance(error, _Logged) else _in_a_new_log(bug)
    fail(f"unexpected {_sentence(bug)}; this is a bug, or the machine's end. {where}", EXIT_INCOMPLETE)


def _in_a_new_log(error: BaseException) -> str:
    from pipeline.reporting.terminal import RunLog

    try:
        log = RunLog()
    except OperatorError:
        return _keep_traceback(error, None)
    log.is_wanted = True
    where = _keep_traceback(error, log.path)
    log.put_away()
    return where


def _keep_traceback(error: BaseException, log: Path | None) -> str:
    """Where it is kept, in a sentence. Where no file can be written it goes to stderr."""
    import traceback

    with contextlib.suppress(OSError):
        if log is not None:
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                traceback.print_exception(error, file=file)
            return f"Its traceback is in {log}"
    traceback.print_exception(error)
    return "Its traceback stands above: no log can be written."


def _sentence(error: BaseException) -> str:
    """Ray wraps what a task raised, and says its traceback in place of a message."""
    from workers.contained import sentence

    cause = getattr(error, "cause", None)
    return sentence(cause if isinstance(cause, BaseException) else error).rstrip(".")


def fail(sentence: str, code: int) -> NoReturn:
    sentence = masked(sentence)
    lines = (" ".join("".join(char if char.isprintable() else " " for char in line).split()) for line in sentence.splitlines())
    sys.stderr.write("pagefold: " + "\n".join(line for line in lines if line) + "\n")
    sys.exit(code)


def console() -> "Console":
    """On stdout; into a file or a pipe 120 columns wide, unless COLUMNS says otherwise (rich: 80)."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    return Console(highlight=False, width=width)


def dump_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")
