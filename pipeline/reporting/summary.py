"""Reports about a run: `PlanReport` says what it would do, `Summary` how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pipeline.lake.tables.missing_files import MissingFiles
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE
from schemas.failure import FailureKind, Task

SummaryStatus = Literal["finished", "too_many_failed", "incomplete", "nothing_to_do"]
"""`too_many_failed`: the run has finished and committed, but all pages failed, or more than `run.fail_above` allows."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a run ended."""

    run_id: str
    status: SummaryStatus
    output: str
    plan_ids: tuple[str, ...] = ()
    num_documents: int = 0
    """Documents that are committed of the run's plans, by earlier runs as well. Pages, charts and failures below count the same."""
    num_documents_before: int = 0
    """Those of the documents that earlier runs of the same plan have committed."""
    num_pages: Mapping[str, int] = field(default_factory=dict)
    """Pages by status: ok, blank, partial, failed."""
    num_pages_now: int = 0
    """Pages that this run has read."""
    num_pages_waiting: int = 0
    """Pages that are read and not committed, because their documents are not whole. The same command goes on with them."""
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
    """Cost by the configured prices; None without prices."""
    currency: str | None = None
    num_requests: int | None = None
    """The most requests at once that a reader ended with at its endpoint; None if their number was fixed."""
    message: str | None = None
    """Why the run is incomplete, or how much failed."""
    num_deleted: int = 0
    """Sources that were found to be gone from the input."""
    num_waiting: int = 0
    """New sources that are too few for a shard and left for a later run."""
    waiting_until: datetime | None = None
    """The time at which the first of them has waited long enough."""

    @property
    def num_pages_read(self) -> int:
        return sum(self.num_pages.values())

    @property
    def num_failures(self) -> int:
        return sum(self.failures.values())

    @property
    def pages_per_s(self) -> float | None:
        """Pages per second of this run; None if it read no page."""
        return self.num_pages_now / self.seconds if self.num_pages_now and self.seconds > 0 else None

    @property
    def exit_code(self) -> int:
        return EXIT_FINISHED if self.status in ("finished", "nothing_to_do") else EXIT_INCOMPLETE


@dataclass(frozen=True, kw_only=True)
class TaskForecast:
    """What one task would read. Amounts are None if no earlier run used this engine and model."""

    task: Task
    num_sources: int
    num_pages: int
    """Pages to read, estimated from the bytes for sources that were never opened."""
    num_tokens: int | None
    """Prompt and output tokens."""
    gpu_h: float | None
    cost: float | None
    currency: str | None
    why: Mapping[str, int]
    """Number of sources by reason: new, read again after failures, or what differs in the recipe."""


@dataclass(frozen=True, kw_only=True)
class LayerChoice:
    """What one value of `read.text_from` would come to. Amounts are None if no earlier run used this engine and model."""

    text_from: str
    is_chosen: bool
    num_sampled: int
    """Pages that were looked at."""
    num_pages_model: int
    """Pages that the model would read."""
    num_pages_layer: int
    """Pages whose text layer would be the text."""
    num_tokens: int | None
    gpu_h: float | None
    cost: float | None
    currency: str | None


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """What a run would do."""

    num_sources_found: int
    num_done: int
    """Sources that are done under these recipes and left out."""
    num_new: int
    num_changed: int
    """Sources of which another version was read before."""
    num_redone: int = 0
    """Sources that were read before, but not under these recipes."""
    num_stale_left: int = 0
    """Sources that were not read under these recipes and are left as they are: see `plan.redo`."""
    num_left_out: Mapping[str, int] = field(default_factory=dict)
    """Listed sources that are not read now, by reason: excluded, too_young, unmarked, marker."""
    num_waiting: int = 0
    """Sources that would be read, but are too few for a shard: see `plan.min_sources`."""
    waiting_until: datetime | None = None
    num_deleted: int = 0
    """Sources that the lake knows and that are no longer listed."""
    num_restored: int = 0
    """Sources that were noted as deleted and are listed again."""
    num_not_taken_for_deleted: int = 0
    """Sources that the lake knows below an input that lists nothing at all."""
    empty_input: str | None = None
    """What is known about an input that lists nothing, if that is allowed."""
    num_left_for_limit: int = 0
    """Sources that would be read without `input.limit`."""
    num_retried: int
    """Sources with failures that the next run tries again by itself."""
    num_bytes: int
    """Bytes of all sources that would be read."""
    num_shards: int
    recipes: Mapping[str, str]
    """recipe_id by task."""
    forecast: tuple[TaskForecast, ...] = ()
    """Amounts and reasons, task by task."""
    layer_choices: tuple[LayerChoice, ...] = ()
    """What `read.text_from` would come to, one way and the other, where a sample says how many pages need no model."""
    num_image_bytes: int | None = None
    """Bytes of the pictures that would be kept, roughly; None where none are, by `output.images`."""
    unfinished_plan_id: str | None = None
    """An earlier run's plan that would be finished or closed first."""
    num_unfinished_sources: int = 0
    """Sources of the unfinished plan's shards that are not committed."""
    abandons_unfinished: bool = False
    """True if the unfinished plan has other recipes. It is closed then, and its sources are planned again."""
    tasks_left_out: tuple[str, ...] = ()
    """Tasks that are asked for and that the engine cannot do."""
    on: str = ""
    """The way that a run would take, ray or local; empty if it would find nothing."""
    why_on: str = ""
    missing_files: MissingFiles = field(default_factory=MissingFiles)
    """Table files that manifests name and that are missing or have another size."""

    @property
    def has_work(self) -> bool:
        """True if a run would write to the output."""
        return bool(self.num_shards or self.num_deleted or self.num_restored or self.unfinished_plan_id)


def waiting_text(num_sources: int, until: datetime) -> str:
    return (
        f"{num_sources} new {'waits' if num_sources == 1 else 'wait'} for more, at the latest until {until:%Y-%m-%d %H:%M:%S} UTC"
    )
