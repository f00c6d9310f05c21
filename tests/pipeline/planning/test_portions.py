"""What enters the graph is what is left of the plan, packed as the plan has it where nothing is staged."""

from collections.abc import Iterable

from pipeline.lake.paths import ChunkName
from pipeline.lake.shard_progress import ShardProgress
from pipeline.planning.choosing import make_shards
from pipeline.planning.chunks import Work
from pipeline.planning.duplicates import group_by_bytes
from pipeline.planning.portions import portions
from schemas.plan import Plan
from schemas.planned import PlannedSource
from schemas.settings import PlanSettings
from tests.pipeline.made import make_plan, make_source, planned


def item(number: int, size_bytes: int | None = None) -> PlannedSource:
    source = make_source(f"{number}.pdf", size_bytes=number + 1 if size_bytes is None else size_bytes)
    return planned("x").model_copy(update={"source": source})


def plan_of(items: Iterable[PlannedSource], shard_sources: int = 1000) -> Plan:
    return make_plan([]).model_copy(update={"shards": make_shards(items, PlanSettings(shard_sources=shard_sources))})


def progress_of(plan: Plan, *staged: str) -> dict[int, ShardProgress]:
    found = {index: ShardProgress(plan, index) for index in range(len(plan.shards))}
    for name in staged:
        found[0].add(ChunkName.parse(name))
    return found


def works(plan: Plan, progress: dict[int, ShardProgress], num_cpus: int = 1) -> list[list[Work]]:
    return [group for portion in portions(plan, progress, num_cpus) for group in portion.works()]


def test_every_source_is_in_one_portion_with_its_place_in_the_plan() -> None:
    plan = plan_of((item(number) for number in range(700)), shard_sources=300)

    found = [work for group in works(plan, progress_of(plan)) for work in group]

    assert len({(work.shard_index, work.source_index) for work in found}) == len(found) == 700
    assert all(plan.shards[work.shard_index][work.source_index] == work.planned for work in found)


def test_a_large_plan_goes_in_as_it_is_packed() -> None:
    plan = plan_of((item(number) for number in range(3000)), shard_sources=1500)
    packed = {frame.body for index in range(2) for frame in plan.shards.frames(index)}

    assert {portion.frame for portion in portions(plan, progress_of(plan), num_cpus=1)} == packed


def test_a_small_run_has_work_for_every_process() -> None:
    plan = plan_of(item(number) for number in range(100))

    sizes = [len(portion.source_indexes) for portion in portions(plan, progress_of(plan), num_cpus=4)]

    assert (sum(sizes), sizes[:9], max(sizes)) == (100, [1] * 8 + [2], 4)


def test_what_is_staged_is_not_sent_again() -> None:
    plan = plan_of(item(number) for number in range(4))
    progress = progress_of(plan, "00000.00000-00001.of-00002", "00002.00000-00001.of-00005")

    found = [work for group in works(plan, progress) for work in group]

    assert [work.source_index for work in found] == [1, 2, 3]
    assert [list(map(str, work.staged)) for work in found] == [[], ["00002.00000-00001.of-00005"], []]


def test_what_may_have_the_same_bytes_stays_together_up_to_what_is_left() -> None:
    plan = plan_of([item(0, 9), item(1), item(2, 9), item(3), item(4, 9)])  # the shard has 0, 2 and 4 first
    progress = progress_of(plan, "00000.00000-00000.of-00001", "00002.00000-00000.of-00001")

    found = works(plan, progress)

    assert [[(work.source_index, work.is_done) for work in group] for group in found] == [
        [(0, True), (1, False)],
        [(3, False)],
        [(4, False)],
    ]


def test_twins_lie_in_one_frame_where_a_shard_has_several() -> None:
    plan = plan_of([item(number, size_bytes=1 + number % 400) for number in range(800)])

    frames = plan.shards.frames(0)

    assert [frame.num_sources for frame in frames] == [256, 256, 256, 32]
    sizes = [{source.source.size_bytes for source in frame.sources()} for frame in frames]
    assert sum(map(len, sizes)) == 400


def test_a_shard_that_is_done_sends_nothing() -> None:
    plan = plan_of([item(0)])

    assert works(plan, progress_of(plan, "00000.00000-00000.of-00001")) == []


def test_of_very_many_equal_sources_none_is_lost() -> None:
    groups = list(group_by_bytes([7] * 20_001, [1] * 20_001))

    assert sorted(index for group in groups for index in group) == list(range(20_001))
    assert max(map(len, groups)) == 10_000
