"""Errors for the operator: each has one sentence, no traceback, and an exit code that says whether to try again."""

from errno import EDQUOT, ENOSPC
from typing import ClassVar

EXIT_FINISHED = 0
"""Everything planned is committed. Failures of single pages are rows, and reported."""
EXIT_INCOMPLETE = 1
"""The run was interrupted, the store does not answer, another run holds the lease, too many pages failed, or a bug hit no page in
particular. The same command goes on."""
EXIT_OPERATOR = 2
"""An operator mistake; nothing was done."""
EXIT_WORK = 10
"""`plan --exit-code`: a run would find work."""


class OperatorError(Exception):
    """A mistake that ends the command before any work. `str(error)` is one sentence that says what to change."""

    exit_code: ClassVar[int] = EXIT_OPERATOR


class EndsRun(Exception):
    """A trouble that is no page's fault: with the store, the lease, the cache, or an engine that does not start. It is not caught
    at the border of a page, and ends the run with one sentence."""

    exit_code: ClassVar[int] = EXIT_OPERATOR
    """EXIT_INCOMPLETE in subclasses for which the same command may succeed later."""


class EngineDies(Exception):
    """The reader process dies at page after page. What was read stays staged; the same command goes on."""


class BugEverywhere(Exception):
    """A bug hits page after page and none is read. The pages stay open, and the same command goes on."""


class StagesEnd(Exception):
    """The stages ended, or Ray gave them up, for a reason that has no error of its own. What was read stays staged."""


class DiskFull(Exception):
    """A disk of this machine, not the output's, is full. What was read stays staged; with free space the same command goes on."""

    exit_code: ClassVar[int] = EXIT_INCOMPLETE


def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)


def sentence(error: BaseException) -> str:
    """The error's sentence for the operator."""
    if isinstance(error, OSError) and is_disk_full(error):
        return f"{error.strerror}: {error.filename or 'standard output, or what it goes to'}."
    return str(error)


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error meant for the operator, or None for a bug, whose traceback goes to a log."""
    if isinstance(error, OperatorError | EndsRun | DiskFull):
        return error.exit_code
    return EXIT_INCOMPLETE if is_disk_full(error) else None
