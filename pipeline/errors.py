"""What the operator did wrong, or cannot have: one sentence, no traceback."""


class OperatorError(Exception):
    """Ends the command before any work. `str(error)` is one sentence that says what to change; the exit code is 2."""


class EngineDies(Exception):
    """The reader process dies at page after page. What was read stays staged; the same command goes on."""


class BugEverywhere(Exception):
    """A bug meets page after page and none is read. They stay open, and the same command goes on."""


class RayEnds(Exception):
    """Ray gave up the graph, for none of the reasons that have an error of their own. What was read stays staged."""


EXIT_FINISHED = 0
"""Everything planned is committed; failures of single pages are rows, and reported."""
EXIT_INCOMPLETE = 1
"""Interrupted, another run holds (or took) the lease, or a bug that no page could be blamed for: the same command goes on."""
EXIT_OPERATOR = 2
"""An operator mistake; nothing was done."""


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error meant for the operator, or None for a bug, whose traceback goes to a log.

    The imports are here because an engine's error class costs Arrow, and `--help` shall not.
    """
    from pipeline.lease import LeaseHeld, LeaseLost
    from pipeline.store import StoreError
    from workers.cache import CacheError
    from workers.engines.engine import EngineStartError
    from workers.listing import InputError
    from workers.render import RenderStartError

    if isinstance(error, LeaseHeld | LeaseLost):
        return EXIT_INCOMPLETE
    if isinstance(error, OperatorError | StoreError | CacheError | EngineStartError | InputError | RenderStartError):
        return EXIT_OPERATOR
    return None
