"""What a run says about itself before it starts (`PlanReport`) and when it has ended (`Summary`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pipeline.lake.missing_files import MissingFiles
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE
from schemas.failure import FailureKind, Task

SummaryStatus = Literal["finished", "too_many_failed", "incomplete", "nothing_to_do"]
"""too_many_failed: it came to its end, and what was read is committed, but more failed than `run.fail_above` allows, or all did."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a run ended."""

    run_id: str
    status: SummaryStatus
    output: str
    plan_ids: tuple[str, ...] = ()
    num_documents: int = 0
    """Committed, of the run's plans as a whole; so are the pages, charts and failures below."""
    num_documents_before: int = 0
    """Of these, by earlier runs of the same plan."""
    num_pages: Mapping[str, int] = field(default_factory=dict)
    """Pages by status: ok, blank, partial, failed."""
    num_pages_now: int = 0
    """Read by this run."""
    num_pages_waiting: int = 0
    """Read and not committed: their documents are not whole. The same command goes on with them."""
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
    """Why it is incomplete, or how much failed."""
    num_deleted: int = 0
    """Sources that were found to be gone from the input."""
    num_waiting: int = 0
    """New sources that are too few for a shard, left for a later run."""
    waiting_until: datetime | None = None
    """When one that waits has waited long enough."""

    @property
    def num_pages_read(self) -> int:
        return sum(self.num_pages.values())

    @property
    def num_failures(self) -> int:
        return sum(self.failures.values())

    @property
    def pages_per_s(self) -> float | None:
        """Of this run; None when it read no page."""
        return self.num_pages_now / self.seconds if self.num_pages_now and self.seconds > 0 else None

    @property
    def exit_code(self) -> int:
        return EXIT_FINISHED if self.status in ("finished", "nothing_to_do") else EXIT_INCOMPLETE


@dataclass(frozen=True, kw_only=True)
class TaskForecast:
    """What one task would read. Amounts are None where no run of this engine and model tells."""

    task: Task
    num_sources: int
    num_pages: int
    """Estimated from the bytes where a source was never opened."""
    num_tokens: int | None
    """Prompt and output."""
    gpu_h: float | None
    cost: float | None
    currency: str | None
    why: Mapping[str, int]
    """Sources by reason: new, read again after failures, or what of the recipe is different."""


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
    num_stale_left: int = 0
    """The same, and left as they are: see `plan.redo`."""
    num_left_out: Mapping[str, int] = field(default_factory=dict)
    """Listed, and not to be read now: excluded, too_young, unmarked, marker."""
    num_waiting: int = 0
    """Would be read, but are too few for a shard: see `plan.min_sources`."""
    waiting_until: datetime | None = None
    num_deleted: int = 0
    """Known to the lake, no longer listed."""
    num_restored: int = 0
    """Noted as deleted, and listed again."""
    num_not_taken_for_deleted: int = 0
    """Known to the lake, below an input that lists nothing at all."""
    empty_input: str | None = None
    """What is odd about an input that lists nothing, where that is allowed."""
    num_left_for_limit: int = 0
    """Would be read, but for `input.limit`."""
    num_retried: int
    """With failures that the next run tries again by itself."""
    num_bytes: int
    """Of all that would be read."""
    num_shards: int
    recipes: Mapping[str, str]
    """recipe_id by task."""
    forecast: tuple[TaskForecast, ...] = ()
    """What it comes to, task by task."""
    unfinished_plan_id: str | None = None
    """An earlier run's plan that would be finished first."""
    num_unfinished_sources: int = 0
    """Sources of its shards that are not committed."""
    abandons_unfinished: bool = False
    """The unfinished plan asks for answers of other recipes: it is closed and its sources are planned anew."""
    tasks_left_out: tuple[str, ...] = ()
    """Asked for, but the engine cannot do them."""
    missing_files: MissingFiles = field(default_factory=MissingFiles)
    """Table files that manifests name and that are not there as they were written."""

    @property
    def has_work(self) -> bool:
        """A run would do more than look."""
        return bool(self.num_shards or self.num_deleted or self.num_restored or self.unfinished_plan_id)


def waiting_text(num_sources: int, until: datetime) -> str:
    return (
        f"{num_sources} new {'waits' if num_sources == 1 else 'wait'} for more, at the latest until {until:%Y-%m-%d %H:%M:%S} UTC"
    )
