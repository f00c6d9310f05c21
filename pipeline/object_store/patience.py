"""Before there is a plan nothing is lost by waiting: a store that is away for a moment is asked again, for about a minute."""

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
"""After which nothing is tried again: botocore has waited within each try, too."""
_PAUSE_MAX_S = 20.0


def patiently(step: Callable[[], Result], *, max_tries: int, say: Callable[[str], None]) -> Result:
    """What `step` gives. Raises StoreUnavailable or InputUnavailable after `max_tries` tries, or about a minute."""

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        say(f"{error} Trying again.")

    retrying = Retrying(
        retry=retry_if_exception_type((StoreUnavailable, InputUnavailable)),
        stop=stop_after_attempt(max_tries) | stop_after_delay(_LONGEST_S),
        wait=wait_random_exponential(multiplier=2, max=_PAUSE_MAX_S),
        before_sleep=tell,
        reraise=True,
    )
    return retrying(step)
