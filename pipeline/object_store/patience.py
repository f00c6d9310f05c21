"""Before a run has a plan, a store or input that does not answer is asked again for about a minute, because waiting loses
nothing."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from pipeline.object_store.store import StoreUnavailable
from workers.sources.listing import InputUnavailable

Result = TypeVar("Result")

_LONGEST_S = 60.0
"""Seconds after which nothing is tried again. botocore waits within each try, too."""
_PAUSE_MAX_S = 20.0


def patiently(step: Callable[[], Result], *, max_tries: int, say: Callable[[str], None]) -> Result:
    """Calls `step` until it succeeds. Raises StoreUnavailable or InputUnavailable after `max_tries` tries, or about a minute."""

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        say(f"{error} Trying again.")

    retrying = Retrying(
        retry=retry_if_exception_type((StoreUnavailable, InputUnavailable)),
        stop=stop_after_attempt(max_tries) | stop_after_delay(_LONGEST_S),
        wait=wait_random_exponential(multiplier=2, max=_PAUSE_MAX_S),
        before_sleep=report,
        reraise=True,
    )
    return retrying(step)
