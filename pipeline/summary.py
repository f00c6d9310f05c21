"""What a run says about itself before it starts (`PlanReport`) and when it has ended (`Summary`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.errors import EXIT_FINISHED, EXIT_INCOMPLETE
from schemas.failure import FailureKind

SummaryStatus = Literal["finished", "incomplete", "nothing_to_do"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a run ended."""

    run_id: str
    status: SummaryStatus
    output: str
    plan_ids: tuple[str, ...] = ()
    num_documents: int = 0
    """Committed by this run; so are the counts below."""
    num_pages: Mapping[str, int] = field(default_factory=dict)
    """Pages by status: ok, blank, partial, failed."""
    num_charts: int = 0
    num_chart_points: int = 0
    failures: Mapping[FailureKind, int] = field(default_factory=dict)
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    seconds: float = 0.0
    render_s: float = 0.0
    read_s: float = 0.0
    gpu_s: float = 0.0
    cost: float | None = None
    """By the configured prices; None where there is none."""
    currency: str | None = None
    message: str | None = None
    """Why it is incomplete."""

    @property
    def num_pages_read(self) -> int:
        return sum(self.num_pages.values())

    @property
    def num_failures(self) -> int:
        return sum(self.failures.values())

    @property
    def pages_per_s(self) -> float | None:
        """None when no page was read."""
        return self.num_pages_read / self.seconds if self.num_pages_read and self.seconds > 0 else None

    @property
    def exit_code(self) -> int:
        return EXIT_INCOMPLETE if self.status == "incomplete" else EXIT_FINISHED


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """What a run would do."""

    num_sources_found: int
    num_done: int
    """Done under these recipes: left out."""
    num_new: int
    num_changed: int
    """Same uri, another version than the one that was read."""
    num_redone: int = 0
    """Read before, but not under these recipes."""
    num_left_for_limit: int = 0
    """Would be read, but for `input.limit`."""
    num_retried: int
    """With failures that the next run tries again by itself."""
    num_bytes: int
    """Of all that would be read."""
    num_shards: int
    recipes: Mapping[str, str]
    """recipe_id by task."""
    unfinished_plan_id: str | None = None
    """An earlier run's plan that would be finished first."""
    num_unfinished_sources: int = 0
    """Sources of its shards that are not committed."""
    abandons_unfinished: bool = False
    """The unfinished plan asks for answers of other recipes: it is closed and its sources are planned anew."""
    tasks_left_out: tuple[str, ...] = ()
    """Asked for, but the engine cannot do them."""
