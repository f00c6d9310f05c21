"""How a command that cannot go on says so: one sentence on stderr, and for a bug where its traceback is."""

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
    """A bug in a command that has a log: its cause is the exception."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where
        """A sentence that says where its traceback is."""


def fail_by_bug(error: Exception) -> NoReturn:
    """One sentence, and the traceback in a log: the one that Ray wrote to, where there is one."""
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
