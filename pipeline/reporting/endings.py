"""The end of a command that cannot go on: one sentence on stderr, which for a bug also names the log with the traceback."""

import contextlib
import sys
from pathlib import Path
from typing import NoReturn

from schemas.errors import EXIT_INCOMPLETE, OperatorError
from schemas.masking import masked


def fail(sentence: str, code: int) -> NoReturn:
    sentence = masked(sentence)
    lines = (" ".join("".join(char if char.isprintable() else " " for char in line).split()) for line in sentence.splitlines())
    sys.stderr.write("pagefold: " + "\n".join(line for line in lines if line) + "\n")
    sys.exit(code)


class Logged(Exception):
    """A bug in a command that has a log. The exception itself is `__cause__`."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where
        """A sentence that says where the traceback is."""


def fail_by_bug(error: Exception) -> NoReturn:
    """Ends the command with one sentence, and the traceback in the command's log or, without one, in a new log."""
    bug = error.__cause__ if isinstance(error, Logged) and error.__cause__ else error
    where = error.where if isinstance(error, Logged) else _in_a_new_log(bug)
    fail(f"unexpected {_sentence(bug)}; this is a bug, or the machine's end. {where}", EXIT_INCOMPLETE)


def _in_a_new_log(error: BaseException) -> str:
    from pipeline.reporting.terminal import RunLog

    try:
        log = RunLog()
    except OperatorError:
        return keep_traceback(error, None)
    log.is_wanted = True
    where = keep_traceback(error, log.path)
    log.put_away()
    return where


def keep_traceback(error: BaseException, log: Path | None) -> str:
    """Appends the traceback to the log, or writes it to stderr if that fails. Gives a sentence that says where it is."""
    import traceback

    with contextlib.suppress(OSError):
        if log is not None:
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                traceback.print_exception(error, file=file)
            return f"Its traceback is in {log}"
    traceback.print_exception(error)
    return "Its traceback stands above: no log can be written."


def _sentence(error: BaseException) -> str:
    """Class and message of the error. Ray wraps what a task raised in an error whose message is a traceback, so its cause is
    used."""
    from workers.contained import sentence

    cause = getattr(error, "cause", None)
    return sentence(cause if isinstance(cause, BaseException) else error).rstrip(".")
