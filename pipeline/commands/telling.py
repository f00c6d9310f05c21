"""How a command says what it did: progress on stderr, results on stdout, mistakes in one sentence."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from pipeline.errors import EXIT_FINISHED, EXIT_INCOMPLETE, exit_code

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
    """Do the work with its progress on stderr and Ray's noise in a log file; the file is kept where the run did not end well."""
    from pipeline.report import RunLog, quiet_ray
    from pipeline.telemetry import watched

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
            sys.stderr.write(f"pagefold: this is a bug, or the machine's end; what Ray said is in {log.path}\n")
        raise
    finally:
        kept = log.put_away()
    return summary, kept


def fail(sentence: str, code: int) -> NoReturn:
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
