"""The choice of the sources that a run reads, and their division into shards, before any work."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.lake.ledger import AskedUnder, Ledger, SourceState, missing_tasks
from pipeline.lake.staging import this_version
from pipeline.planning.duplicates import group_by_bytes
from pipeline.planning.intake import Taken
from schemas.errors import OperatorError
from schemas.failure import FailureKind, Task
from schemas.plan import Recipe, SourceFailure
from schemas.planned import PlannedSource, Shards, SourceFrame, encoded
from schemas.settings import PlanSettings
from schemas.source import Source


@dataclass
class Counts:
    """Counts of the listing; the fields are described in `pipeline.reporting.summary.PlanReport`."""

    num_listed: int = 0
    num_done: int = 0
    num_new: int = 0
    num_changed: int = 0
    num_redone: int = 0
    num_retried: int = 0
    num_stale_left: int = 0
    num_left_for_limit: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    num_bytes: int = 0
    num_charts_alone: int = 0
    """Sources of which only the charts are read."""
    num_in_two: int = 0
    """Sources of which only the tasks are planned to which a closed plan has left answers. The next plan has the other tasks."""


@dataclass(frozen=True)
class Waiting:
    """New sources that are too few for a shard of their own."""

    num_sources: int
    until: datetime
    """The time at which the oldest has waited long enough."""


def plan_sources(
    taken: Iterable[Taken],
    ledger: Ledger,
    recipes: Mapping[Task, Recipe],
    settings: PlanSettings,
    *,
    page_range: str | None,
    limit: int | None,
    counts: Counts,
) -> Iterator[PlannedSource]:
    """The sources to read, in the order of the listing. It also fills `counts` and marks listed sources in the ledger, both of
    which are complete when it has ended."""
    chooser = _Chooser(ledger, recipes, settings, page_range, counts)
    num_planned = 0
    for source, left_out in taken:
        counts.num_listed += 1
        newest = ledger.newest_of(source.uri)
        if newest is not None:
            newest.is_listed = True
        if left_out is not None:
            counts.left_out[left_out] = counts.left_out.get(left_out, 0) + 1
            continue
        num_stale = counts.num_stale_left
        choice = chooser.choose(source, newest)
        if choice is None:
            counts.num_done += num_stale == counts.num_stale_left
        elif limit is not None and num_planned >= limit:
            counts.num_left_for_limit += 1
        else:
            choice = chooser.only_asked_before(choice)
            chooser.claim(choice)
            num_planned += 1
            counts.num_bytes += source.size_bytes
            counts.num_charts_alone += choice.tasks == ["chart"]
            yield choice


class _Chooser:
    def __init__(
        self, ledger: Ledger, recipes: Mapping[Task, Recipe], settings: PlanSettings, page_range: str | None, counts: Counts
    ) -> None:
        self._ledger, self._recipes, self._settings, self._range, self._counts = ledger, recipes, settings, page_range, counts
        self._recipe_ids = {task: recipe.recipe_id for task, recipe in recipes.items()}
        self._missing: dict[AskedUnder, list[Task]] = {}
        """Missing tasks by what was asked before, kept because most sources were asked the same."""

    def choose(self, source: Source, newest: SourceState | None) -> PlannedSource | None:
        """What is to be read of the source; None if nothing. `newest` is the ledger's newest version of the same uri."""
        if newest is None:
            self._counts.num_new += 1
            return PlannedSource(source=source, tasks=list(self._recipes))
        if newest.etag != source.etag:
            # A version that was read, overwritten and put back has known bytes, so it will become a duplicate of itself.
            self._counts.num_changed += 1
            before = self._ledger.state(source.uri, source.etag)
            return PlannedSource(source=source, tasks=list(self._recipes), attempt=before.attempt + 1 if before else 0)
        if newest.of_bytes is not None and newest.of_bytes.is_claimed:
            return None
        if missing := self._missing_tasks(newest.whole):
            if self._settings.redo in ("stale", "all"):
                self._counts.num_redone += 1
                attempt, document_id = newest.attempt + 1, newest.document_id
                return PlannedSource(source=source, tasks=missing, attempt=attempt, document_id=document_id)
            self._counts.num_stale_left += 1
        failures = newest.failures
        if not failures:
            return None
        if self._settings.redo != "failed":
            failures = self._due_again(newest)
        again = plan_retry(newest, failures, self._recipes)
        if again is not None:
            self._counts.num_retried += 1
        return again

    def _due_again(self, state: SourceState) -> list[SourceFailure]:
        """The failures to try again: transient ones a few times, bugs (internal_error) once for each version of pagefold, and
        scripts that the engine did not read once for each change of what it has to read by."""
        num_attempts = state.attempt + 1 - state.first_attempt
        transient = state.transient_failures() if num_attempts < self._settings.max_transient_attempts else []
        versions = {FailureKind.internal_error: this_version()}
        if (ocr := self._recipes.get("ocr")) is not None and ocr.reads_by:
            versions[FailureKind.unsupported_script] = ocr.reads_by
        return transient + [
            failure for failure in state.failures if failure.kind in versions and failure.version != versions[failure.kind]
        ]

    def only_asked_before(self, planned: PlannedSource) -> PlannedSource:
        """The source with only the tasks to which a closed plan has left answers, if there are any. Answers are taken over only if
        the recipes of all planned tasks are the same, and those of the other tasks have changed."""
        asked = self._ledger.asked_before.get((planned.source.uri, planned.source.etag), {})
        tasks = [task for task in planned.tasks if asked.get(task) == self._recipe_ids[task]]
        if not tasks or tasks == planned.tasks or self._settings.redo == "all":
            return planned
        self._counts.num_in_two += 1
        return planned.model_copy(update={"tasks": tasks})

    def claim(self, planned: PlannedSource) -> None:
        """Marks the bytes of the source as planned, so that no other source with the same bytes is planned."""
        if planned.document_id is not None:
            state = self._ledger.newest_of(planned.source.uri)
            if state is not None and state.of_bytes is not None:
                state.of_bytes.is_claimed = True

    def _missing_tasks(self, whole: AskedUnder) -> list[Task]:
        if self._settings.redo == "all":
            return list(self._recipes)
        missing = self._missing.get(whole)
        if missing is None:
            missing = self._missing[whole] = missing_tasks(whole, self._recipe_ids, self._range)
        return missing


def plan_retry(state: SourceState, failures: Sequence[SourceFailure], recipes: Mapping[Task, Recipe]) -> PlannedSource | None:
    """The smallest work that reads all of `failures` again; None if none of their tasks is in `recipes`."""
    failures = [failure for failure in failures if failure.task is None or failure.task in recipes]
    if not failures:
        return None
    tasks = list(recipes)
    if all(failure.task is not None and not failure.needs_ocr for failure in failures):
        tasks = [task for task in recipes if any(failure.task == task for failure in failures)]
    pages = None if any(failure.page_index is None for failure in failures) else {failure.page_index for failure in failures}
    regions = None
    if tasks == ["chart"] and all(failure.region_index is not None for failure in failures):
        regions = sorted({(failure.page_index, failure.region_index) for failure in failures})
    return PlannedSource.model_validate(
        {
            "source": state.source,
            "tasks": tasks,
            "attempt": state.attempt + 1,
            "pages": pages and sorted(pages),
            "regions": regions,
            "document_id": state.document_id,
        }
    )


def plan_retries(
    ledger: Ledger, recipes: Mapping[Task, Recipe], kinds: Sequence[FailureKind] | None, counts: Counts
) -> Iterator[PlannedSource]:
    """Work for every open failure of the given kinds (None: all), with as little of each source as possible. Deleted sources are
    left out."""
    for state in sorted(ledger.newest(), key=lambda state: state.uri):
        if ledger.is_deleted(state.uri) or (state.of_bytes is not None and state.of_bytes.is_claimed):
            continue
        failures = [failure for failure in state.failures if kinds is None or failure.kind in kinds]
        if again := plan_retry(state, failures, recipes):
            if state.of_bytes is not None:
                state.of_bytes.is_claimed = True
            counts.num_retried += 1
            counts.num_bytes += state.size_bytes
            counts.num_charts_alone += again.tasks == ["chart"]
            yield again


_FRAME_SOURCES = 256
_MAX_SHARDS = 100_000
"""A shard's number has five digits in the names of its files."""


def make_shards(planned: Iterable[PlannedSource], settings: PlanSettings) -> Shards:
    """Divides sources into shards, in listing order, by number of sources and bytes. Sources that may have the same bytes stay in
    one shard, and in one of its frames, even beyond these limits. Raises OperatorError for more shards than a plan can have."""
    lines: list[bytes] = []
    sizes, open_sizes, etags = array("q"), array("q"), array("q")
    for item in planned:  # the objects are not kept: of a million they would take 2 GB
        lines.append(encoded(item))
        sizes.append(item.source.size_bytes)
        open_sizes.append(item.source.size_bytes if item.document_id is None else 0)
        etags.append(hash(item.source.etag))
    frames: list[list[SourceFrame]] = []
    num_sources = num_bytes = 0
    pending: list[int] = []
    """Sources of the next frame of the last shard."""

    def close_frame() -> None:
        if pending:
            frames[-1].append(SourceFrame.of_lines([lines[index] for index in pending], sum(sizes[index] for index in pending)))
            pending.clear()

    for group in group_by_bytes(open_sizes, etags):
        size_bytes = sum(sizes[index] for index in group)
        if not frames or num_sources + len(group) > settings.shard_sources or num_bytes + size_bytes > settings.shard_bytes:
            close_frame()
            if len(frames) == _MAX_SHARDS:
                raise OperatorError(
                    f"A plan has at most {_MAX_SHARDS:,} shards, and this is more to read: raise plan.shard_bytes (and "
                    "plan.shard_sources, where it is low), or read a part of it first, with --limit."
                )
            frames.append([])
            num_sources = num_bytes = 0
        elif len(pending) + len(group) > _FRAME_SOURCES:
            close_frame()
        pending += group
        num_sources += len(group)
        num_bytes += size_bytes
    close_frame()
    return Shards(frames)


def hold_back(shards: Shards, ledger: Ledger, settings: PlanSettings, now: datetime) -> tuple[Shards, Waiting | None]:
    """The shards without the last one if it is small and can wait, so that a run every few minutes does not write files of one
    row."""
    if not shards:
        return shards, None
    last = shards[-1]
    estimate = PageEstimate(ledger)
    num_pages = sum(estimate.pages_of(item.source) for item in last)
    if len(last) >= settings.min_sources and num_pages >= settings.min_pages:
        return shards, None
    until = min(item.source.last_modified for item in last) + timedelta(seconds=settings.longest_wait_s)
    return (shards, None) if until <= now else (shards[:-1], Waiting(len(last), until))


class PageEstimate:
    """Estimates the pages of a source: the number it had when it was read, else its bytes by the average bytes per page."""

    BYTES_PER_PAGE = 100_000
    """The average if nothing was read yet."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        known = [(state.size_bytes, state.num_pages) for state in ledger.newest() if state.num_pages]
        num_bytes, num_pages = sum(size for size, _ in known), sum(pages for _, pages in known)
        self._bytes_per_page = max(num_bytes / num_pages, 1) if num_pages else self.BYTES_PER_PAGE

    def pages_of(self, source: Source) -> int:
        state = self._ledger.state(source.uri, source.etag)
        if state is not None and state.num_pages is not None:
            return state.num_pages
        return max(1, round(source.size_bytes / self._bytes_per_page))
