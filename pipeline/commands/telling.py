"""How a command says what it did: progress on stderr, results on stdout, mistakes in one sentence."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from pipeline.errors import EXIT_INCOMPLETE, exit_code
from schemas.masking import masked

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.observer import Observer
    from pipeline.summary import Summary
    from schemas.settings import Settings


def do(work: Callable[["Observer"], "Summary"], settings: "Settings", quiet: bool, as_json: bool) -> NoReturn:
    summary, log = observed(work, settings, quiet)
    if as_json:
        dump_json(asdict(summary) | {"pages_per_s": summary.pages_per_s, "exit_code": summary.exit_code, "log": log and str(log)})
    else:
        from pipeline.report import print_summary

        print_summary(console(), summary, log=log)
    raise typer.Exit(summary.exit_code)


def observed(work: Callable[["Observer"], "Summary"], settings: "Settings", quiet: bool) -> "tuple[Summary, Path | None]":
    """Do the work with its progress on stderr and Ray's noise in a log file; the file is kept where something is in it."""
    from pipeline.report import new_log, quiet_ray
    from pipeline.telemetry import watched

    log = new_log()
    try:
        with quiet_ray(log) as real, watched(settings, real, quiet=quiet) as observer:
            summary = work(observer)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on.", EXIT_INCOMPLETE)
    except Exception as error:
        if exit_code(error) is None:
            raise _Logged(log) from error
        raise
    finally:
        if log.exists() and log.stat().st_size == 0:
            log.unlink()
            log.parent.rmdir()
    return summary, log if log.exists() else None


class _Logged(Exception):
    """A bug in a command that has a log: its cause is the exception, and the log the place for its traceback."""

    def __init__(self, log: Path) -> None:
        super().__init__(log)
        self.log = log


def fail_by_bug(error: Exception) -> NoReturn:
    """One sentence, and the traceback in a log: the one that Ray wrote to, where there is one."""
    log = error.log if isinstance(error, _Logged) else None
    bug = error.__cause__ if isinstance(error, _Logged) and error.__cause__ else error
    fail(f"unexpected {_sentence(bug)}; this is a bug, or the machine's end. {_keep_traceback(bug, log)}", EXIT_INCOMPLETE)


def _keep_traceback(error: BaseException, log: Path | None) -> str:
    """Where it is kept, in a sentence. Where no file can be written it goes to stderr."""
    import traceback

    from pipeline.report import new_log

    try:
        log = log or new_log()
        log.parent.mkdir(mode=0o700, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        traceback.print_exception(error)
        return "Its traceback stands above: no log can be written."
    return f"Its traceback is in {log}"


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
    import os

    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    return Console(highlight=False, width=width)


def dump_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")
