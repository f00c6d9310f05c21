"""What the operator did wrong, or cannot have: one sentence, no traceback, and an exit code that says whether to come again."""

from errno import EDQUOT, ENOSPC
from typing import ClassVar

EXIT_FINISHED = 0
"""Everything planned is committed; failures of single pages are rows, and reported."""
EXIT_INCOMPLETE = 1
"""Interrupted, not now (the store is away, another run holds the lease), too many pages failed, or a bug that no page could be
blamed for: the same command goes on."""
EXIT_OPERATOR = 2
"""An operator mistake; nothing was done."""
EXIT_WORK = 10
"""`plan --exit-code`: a run would find work."""


class OperatorError(Exception):
    """Ends the command before any work. `str(error)` is one sentence that says what to change."""

    exit_code: ClassVar[int] = EXIT_OPERATOR


class EndsRun(Exception):
    """No page can be blamed for it: the store, the lease, the cache, an engine that does not start. It flies through the border of
    a page and ends the run, in one sentence."""

    exit_code: ClassVar[int] = EXIT_OPERATOR
    """EXIT_INCOMPLETE where the same command may do later."""


class EngineDies(Exception):
    """The reader process dies at page after page. What was read stays staged; the same command goes on."""


class BugEverywhere(Exception):
    """A bug meets page after page and none is read. They stay open, and the same command goes on."""


class RayEnds(Exception):
    """Ray gave up the graph, for none of the reasons that have an error of their own. What was read stays staged."""


class DiskFull(Exception):
    """A disk of this machine is full, not the output's. What was read stays staged; with room, the same command goes on."""

    exit_code: ClassVar[int] = EXIT_INCOMPLETE


def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)


def sentence(error: BaseException) -> str:
    """For the operator."""
    if isinstance(error, OSError) and is_disk_full(error):
        return f"{error.strerror}: {error.filename or 'standard output, or what it goes to'}."
    return str(error)


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error meant for the operator, or None for a bug, whose traceback goes to a log."""
    if isinstance(error, OperatorError | EndsRun | DiskFull):
        return error.exit_code
    return EXIT_INCOMPLETE if is_disk_full(error) else None
