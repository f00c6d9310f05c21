"""Portions: what enters the graph, some sources of a shard that are not staged completely.

A portion holds a frame, which is the plan's own wherever nothing of it is staged, so that the sources of a large plan are unpacked
where they are probed and nowhere before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

from pydantic import ConfigDict

from pipeline.lake.paths import ChunkName
from pipeline.lake.shard_progress import ShardProgress
from pipeline.planning.chunks import Work
from pipeline.planning.duplicates import group_twins
from schemas.frozen import Frozen
from schemas.plan import Plan
from schemas.planned import PlannedSource, SourceFrame, unpacked

_PORTIONS_PER_CPU = 8
_PORTIONS_PER_SIZE = 8
"""Portions of one source, then of two, and so on."""


class Portion(Frozen):
    """The row that enters the graph, as JSON."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    plan_id: str
    shard_index: int
    source_indexes: list[int]
    """Of each source, in its shard."""
    chunk_pages: int
    page_range: str | None
    max_pages: int
    staged: dict[int, list[ChunkName]] = {}
    """Staged chunks by source_index. They are not read again, because the first answer is final."""
    frame: bytes
    """The body of a frame with these sources."""
    done: list[int] = []
    """source_index of those that are staged completely. They are fetched only because later ones may have the same bytes."""

    def works(self) -> Iterator[list[Work]]:
        """The sources, in groups that may have the same bytes."""
        sources = unpacked(self.frame)
        for group in group_twins(sources):
            yield [self._work(self.source_indexes[index], sources[index]) for index in group]

    def _work(self, source_index: int, planned: PlannedSource) -> Work:
        return Work(
            plan_id=self.plan_id,
            shard_index=self.shard_index,
            source_index=source_index,
            planned=planned,
            chunk_pages=self.chunk_pages,
            page_range=self.page_range,
            max_pages=self.max_pages,
            staged=self.staged.get(source_index, []),
            is_done=source_index in self.done,
        )


def portions(plan: Plan, progress: Mapping[int, ShardProgress], num_cpus: int) -> Iterator[Portion]:
    """The portions that are left of the shards in `progress`.

    In a small run they have few sources, so that all processes find work at once; the first ones have one.
    """
    num_left = sum(shard.num_sources - shard.num_complete for shard in progress.values())
    most = -(-num_left // (_PORTIONS_PER_CPU * num_cpus))
    sizes = (min(most, 1 + number // _PORTIONS_PER_SIZE) for number in count())
    for shard in progress.values():
        first = 0
        for frame in () if shard.is_complete else plan.shards.frames(shard.shard_index):
            indexes = range(first, first := first + frame.num_sources)
            if frame.num_sources <= most and not shard.has_any(indexes):
                yield _portion(plan, shard, indexes, frame.body)
            else:
                yield from _divided(plan, shard, indexes, frame, sizes)


def _divided(
    plan: Plan, shard: ShardProgress, indexes: Sequence[int], frame: SourceFrame, sizes: Iterator[int]
) -> Iterator[Portion]:
    """Portions of up to so many sources (more where they may have the same bytes) of what is left of a frame."""
    sources = frame.sources()
    for some in _batches(_left(shard, indexes, sources), sizes):
        yield _portion(plan, shard, [indexes[index] for index in some], SourceFrame.of([sources[index] for index in some]).body)


def _left(shard: ShardProgress, indexes: Sequence[int], sources: Sequence[PlannedSource]) -> Iterator[list[int]]:
    """Groups of sources that may have the same bytes, up to the last one that is not staged completely."""
    for group in group_twins(sources):
        left = [index for index in group if not shard.is_source_complete(indexes[index])]
        if left:
            yield [index for index in group if index <= left[-1]]


def _batches(groups: Iterable[list[int]], sizes: Iterator[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    most = next(sizes)
    for group in groups:
        if batch and len(batch) + len(group) > most:
            yield batch
            batch, most = [], next(sizes)
        batch += group
    if batch:
        yield batch


def _portion(plan: Plan, shard: ShardProgress, indexes: Sequence[int], frame: bytes) -> Portion:
    return Portion(
        plan_id=plan.plan_id,
        shard_index=shard.shard_index,
        source_indexes=list(indexes),
        frame=frame,
        chunk_pages=plan.chunk_pages,
        page_range=plan.page_range,
        max_pages=plan.max_pages,
        staged=shard.staged(indexes),
        done=[index for index in indexes if shard.is_source_complete(index)],
    )
