"""A run dies just before or just after any of its writes; it is started again and must end with the same tables.

The moments are those of one run, whose folder is copied after each of its writes. Every one is tried for a restart of the same run,
for shards and for parts, and for a gc in between. For other sequels (another recipe, a retry, answers that are taken over) a third
of them is tried. The tests call the commit protocol's own code on a local store, in the order of a run. Reading is simulated, and
Ray is not started.
"""

import contextlib
import json
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.begin_markers import Begins
from pipeline.lake.commit import commit_whole, delete_staging, write_manifest
from pipeline.lake.compaction import Shard, compact
from pipeline.lake.garbage import sweep
from pipeline.lake.ledger import list_manifests, load_ledger
from pipeline.lake.paths import ChunkName, staged_path
from pipeline.lake.plans import abandon, find_unfinished, is_outdated, list_plan_numbers, write_plan
from pipeline.lake.shard_progress import ShardProgress, read_progress
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import Exists
from pipeline.planning.carry_over import asked_before, carry_over
from pipeline.planning.choosing import Counts, make_shards, plan_retries, plan_sources
from pipeline.planning.chunks import Work
from pipeline.planning.duplicates import known_documents
from pipeline.planning.intake import Taken
from pipeline.planning.portions import portions
from pipeline.stages.documents import ProbeDocuments
from schemas.failure import FailureKind, PageError, Task
from schemas.plan import Plan, Recipe
from schemas.settings import OutputSettings, PlanSettings
from schemas.source import Document, FileIdentity, Source
from tests.pipeline.dying_store import DyingStore, Killed
from tests.pipeline.made import RECIPES, make_recipe, make_source, records_of
from tests.pipeline.tables import doubled_in, doubled_keys, read_all, read_rows
from workers.rendering.renderers import Renderers
from workers.sources.fetch import Fetched

pytestmark = pytest.mark.slow

PAGES = {"a.pdf": 3, "b.pdf": 1, "c.pdf": 4, "d.pdf": 4}
BYTES = {"a.pdf": "a", "b.pdf": "b", "c.pdf": "c", "d.pdf": "c"}
"""The text that stands for each file's bytes: d.pdf has the bytes of c.pdf, and the same size."""
SOURCES = [make_source(name, size_bytes=ord(text)) for name, text in BYTES.items()]
SETTINGS = PlanSettings(chunk_pages=2, shard_sources=2)


ASKED: Counter[tuple[str, str, int]] = Counter()
"""How often each page was asked for, by (recipe_id, uri, page_index)."""


@dataclass(frozen=True)
class Day:
    """What a run of one day asks for, and what it finds."""

    recipes: dict[Task, Recipe] = field(default_factory=lambda: RECIPES)
    is_retry: bool = False
    gone: tuple[str, ...] = ()
    settings: PlanSettings = SETTINGS
    has_parts: bool = False
    """True if each document is committed as soon as it is whole."""


def run(store: Any, run_id: str, day: Day = Day()) -> bool:
    """Does what a run does: plans, or takes an unfinished plan; reads, stages, compacts, commits, cleans up. False if there was
    nothing to do."""
    plan_ids = list_plan_numbers(store)
    unfinished = find_unfinished(store, plan_ids)
    if unfinished and is_outdated(store, unfinished.plan, day.recipes, plan_ids):
        commit_whole(store, unfinished.plan, unfinished.pending, run_id, OutputSettings(), lambda: None)
        abandon(store, unfinished.plan, run_id)
        unfinished = None
    if unfinished:
        plan, pending = unfinished.plan, unfinished.pending
    else:
        plan = make_plan(store, day)
        pending = list(range(len(plan.shards))) if plan else []
    if not plan:
        return False
    found = read_progress(store, plan, pending)
    carry_over(store, plan, found, lambda: None)
    for progress in found.values():
        left = list(portions(plan, {progress.shard_index: progress}, num_cpus=1))
        for works in [works for portion in left for works in portion.works()]:
            read(store, works, progress, run_id, plan, day)
            if day.has_parts and not progress.is_complete:
                commit(store, plan, progress, run_id)
        commit(store, plan, progress, run_id)
        assert progress.is_committed
    return True


def commit(store: Any, plan: Plan, progress: ShardProgress, run_id: str) -> None:
    """Commits the documents that are whole."""
    while progress.num_waiting:
        compacted = compact(store, Shard.whole_of(plan, progress), progress.chunks(), OutputSettings())
        assert compacted
        write_manifest(store, plan, progress.shard_index, run_id, compacted, lambda: None)
        progress.commit(compacted.source_indexes, compacted.part)
        delete_staging(store, plan, progress.shard_index, compacted)


def make_plan(store: Any, day: Day) -> Plan | None:
    sources = [source for source in SOURCES if name_of(source) not in day.gone]
    ledger, counts = load_ledger(store), Counts()
    ledger.asked_before = asked_before(store, list_manifests(store))
    if day.is_retry:
        planned = list(plan_retries(ledger, day.recipes, None, counts))
    else:
        taken = (Taken(source, None) for source in sources)
        planned = list(plan_sources(taken, ledger, day.recipes, SETTINGS, page_range=None, limit=None, counts=counts))
    if not planned:
        return None
    plan_ids = list_plan_numbers(store)
    return write_plan(
        store,
        make_shards(planned, day.settings),
        day.recipes,
        day.settings,
        input="s3://drop",
        epoch=1,
        page_range=None,
        max_pages=100,
        last_plan_id=plan_ids[-1] if plan_ids else None,
        known=known_documents(ledger, planned, {task: recipe.recipe_id for task, recipe in day.recipes.items()}, None),
    )


def name_of(source: Source) -> str:
    return source.uri.rpartition("/")[2]


class Files:
    """Stands in for fetcher and renderer."""

    def __init__(self, gone: tuple[str, ...]) -> None:
        self._gone = gone

    @contextlib.contextmanager
    def open(self, source: Source) -> Iterator[Fetched]:
        if name_of(source) in self._gone:
            raise PageError(FailureKind.gone, "it was there when it was listed")
        yield Fetched(Path(name_of(source)), BYTES[name_of(source)] * 64, None)

    def probe(self, path: Path, document_id: str, version_id: str | None, file: FileIdentity | None) -> Document:
        return Document(document_id=document_id, media_type="application/pdf", num_pages=PAGES[path.name])


class Probe(ProbeDocuments):
    def __init__(self, known: dict[str, str], gone: tuple[str, ...]) -> None:
        self.fetcher = Files(gone)  # type: ignore[assignment]
        self._renderers, self._lent = Renderers(lambda: Files(gone), 1), None  # type: ignore[arg-type, return-value]
        self._known = known


def read(store: Any, works: list[Work], progress: ShardProgress, run_id: str, plan: Plan, day: Day) -> None:
    begins = Begins(store, run_id)
    for chunk in chain.from_iterable(Probe(plan.known, day.gone).probe(works)):
        marker, _ = begins.begin(chunk.plan_id, chunk.shard_index, chunk.name)
        kind = chunk.blocked.kind if chunk.blocked else FailureKind.bad_json
        failing = {page: kind for page in chunk.pages if chunk.blocked or (page == 2 and not chunk.attempt)}
        records = records_of(chunk, failing, plan.recipes["ocr"].recipe_id)
        if "ocr" in chunk.tasks:
            ASKED.update((plan.recipes["ocr"].recipe_id, chunk.source.uri, page) for page in chunk.pages)
        recipe_ids = {str(task): recipe.recipe_id for task, recipe in plan.recipes.items()}
        with contextlib.suppress(Exists):
            store.create(
                staged_path(chunk.plan_id, chunk.shard_index, chunk.name), encode_chunk(chunk, records, run_id, recipe_ids)
            )
        begins.end(marker)
        progress.add(ChunkName.parse(chunk.name))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "out"
    assert run(LocalStore(str(out)), "r0")
    return out


Film = Callable[[Day], list["Moment"]]


@dataclass(frozen=True)
class Moment:
    """A run is killed here: just before its first write, or just after one."""

    out: Path
    """The output as it is then."""
    asked: Counter[tuple[str, str, int]]
    """What was asked for until then."""

    def copied(self, out: Path) -> Path:
        """A copy that another run may go on with. It counts what is asked from here on."""
        copy(self.out, out)
        ASKED.clear()
        ASKED.update(self.asked)
        return out


class Filmed(DyingStore):
    """A store that copies its folder after each write: what a run leaves that is killed at this moment."""

    def __init__(self, folder: Path) -> None:
        super().__init__(LocalStore(str(folder / "out")), at=-1)
        self._folder = folder
        self.moments: list[Moment] = []
        self._keep()

    def _write(self, name: str, *arguments: Any) -> Any:
        result = super()._write(name, *arguments)
        self._keep()
        return result

    def _keep(self) -> None:
        kept = self._folder / str(self.num_writes)
        copy(self._folder / "out", kept)
        self.moments.append(Moment(kept, ASKED.copy()))


def copy(out: Path, to: Path) -> None:
    """Files are shared: a store never changes one, it puts another in its place."""
    if out.exists():
        shutil.copytree(out, to, copy_function=os.link)


def moments(folder: Path, day: Day = Day(), *, after: Path | None = None, num_writes: int = 30) -> list[Moment]:
    """All moments of an undisturbed run, which finds what lies in `after`."""
    if after:
        copy(after, folder / "out")
    store = Filmed(folder)
    run(store, "r1", day)
    assert store.num_writes > num_writes
    return store.moments


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Day], list[Moment]]:
    """The moments of the first run of a day, which runs once for all tests."""
    found: dict[str, list[Moment]] = {}

    def of(day: Day = Day()) -> list[Moment]:
        if repr(day) not in found:
            ASKED.clear()
            found[repr(day)] = moments(tmp_path_factory.mktemp("filmed"), day)
        return found[repr(day)]

    return of


def third_of(moments: list[Moment], seed: int) -> list[Moment]:
    """A random third of the moments. Writes come in threes, so every third one would always be of the same kind."""
    return random.Random(seed).sample(moments, len(moments) // 3 + 1)


def end_of(out: Path, reference: Path, day: Day = Day()) -> None:
    """Runs until nothing is left to do, and checks that every table equals the reference."""
    finish(out, day)
    found = read_all(str(out))
    assert found == tables_of(reference)
    assert doubled_in(found) == []


@cache
def tables_of(reference: Path) -> dict[str, list[dict[str, Any]]]:
    return read_all(str(reference))


def finish(out: Path, day: Day) -> None:
    store = LocalStore(str(out))
    for number in range(4):
        if not run(store, f"again{number}", day):
            break
    assert not run(store, "last", day)


def names(out: Path) -> list[str]:
    """The files of an output, without what is random in their names."""
    paths = (str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    return sorted(re.sub(r"\.[0-9a-f]{8}\b", "", path) for path in paths)


def dies(out: Path, at: float, day: Day = Day()) -> None:
    with contextlib.suppress(Killed):
        run(DyingStore(LocalStore(str(out)), at), "dying", day)


@pytest.mark.parametrize("day", [Day(), Day(has_parts=True)], ids=["shards", "parts"])
def test_death_at_any_write_changes_nothing(tmp_path: Path, reference: Path, filmed: Film, day: Day) -> None:
    for number, moment in enumerate(filmed(day)):
        end_of(moment.copied(tmp_path / str(number)), reference)


def test_an_exception_at_a_write_leaves_what_a_kill_leaves(tmp_path: Path, filmed: Film) -> None:
    for at, moment in list(enumerate(filmed(Day())))[1::9]:
        out = tmp_path / str(at)
        with pytest.raises(Killed):
            run(DyingStore(LocalStore(str(out)), at), "r1")

        assert names(out) == names(moment.out)


def test_death_upon_death_changes_nothing(tmp_path: Path, reference: Path) -> None:
    dice = random.Random(5)
    for number in range(25):
        out = tmp_path / f"out-{number}"
        for _ in range(6):
            dies(out, dice.randint(1, 24) / 2, Day(has_parts=dice.random() < 0.5))

        end_of(out, reference)


def test_gc_after_a_death_at_any_write_takes_nothing_that_is_needed(tmp_path: Path, reference: Path, filmed: Film) -> None:
    for number, moment in enumerate(filmed(Day())):
        out = moment.copied(tmp_path / str(number))
        store = LocalStore(str(out))
        if not list_plan_numbers(store):
            continue  # nothing was planned yet: there is nothing to clean

        sweep(store, min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc")

        end_of(out, reference)
        assert sweep(store, min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc").found == []
        assert [stored.path for stored in store.list("_pagefold/staging/")] == []


@pytest.mark.parametrize("day", [Day(), Day(has_parts=True)], ids=["shards", "parts"])
def test_after_a_death_at_any_write_another_recipe_leaves_no_key_twice(tmp_path: Path, filmed: Film, day: Day) -> None:
    """Files that were compacted and not committed could double keys, because their sources are planned again with the same OCR
    recipe."""
    another = Day({**RECIPES, "chart": make_recipe("chart", "2")})
    for number, moment in enumerate(third_of(filmed(day), seed=1)):
        out = moment.copied(tmp_path / str(number))

        finish(out, another)

        assert doubled_keys(str(out)) == []
        assert len({row["source_id"] for row in read_all(str(out))["documents"]}) == len(SOURCES)


OTHER = Day({**RECIPES, "ocr": make_recipe("ocr", "2"), "chart": make_recipe("chart", "2")})


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (Day(), Day()),
        (Day(has_parts=True), Day()),
        (Day(), Day(settings=PlanSettings(chunk_pages=3, shard_sources=4))),
    ],
    ids=["shards", "parts", "another K"],
)
def test_after_a_death_at_any_write_and_another_recipe_nothing_is_asked_twice(
    tmp_path: Path, filmed: Film, first: Day, then: Day
) -> None:
    """Only the chunk that was being read at the death is asked again, up to K pages."""
    for number, moment in enumerate(third_of(filmed(first), seed=2)):
        out = moment.copied(tmp_path / str(number))
        store = LocalStore(str(out))
        assert run(store, "r2", OTHER)
        sweep(store, min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc", keep_answers=timedelta(days=30))
        finish(out, then)

        assert doubled_keys(str(out)) == []
        wanted = RECIPES["ocr"].recipe_id
        rows = {(row["uri"], row["page_index"]) for row in read_rows(out, "pages") if row["recipe_id"] == wanted}
        assert len(rows) == sum(PAGES.values()) - PAGES["d.pdf"]
        again = sum(count - 1 for (recipe_id, _, _), count in ASKED.items() if recipe_id == wanted)
        assert again <= SETTINGS.chunk_pages
        sweep(store, min_age_s=-2, in_tables=True, ttl_s=30, run_id="gc", keep_answers=timedelta(days=30))
        assert [stored.path for stored in store.list("_pagefold/staging/")] == []


def test_after_a_death_at_any_write_and_another_chart_prompt_no_text_is_asked_twice(tmp_path: Path, filmed: Film) -> None:
    """Texts are taken over first, in a plan without charts; the charts follow in a plan of their own."""
    prompt = Day({**RECIPES, "chart": make_recipe("chart", "2")})
    for number, moment in enumerate(third_of(filmed(Day()), seed=3)):
        out = moment.copied(tmp_path / str(number))
        finish(out, prompt)

        assert doubled_keys(str(out)) == []
        again = sum(count - 1 for count in ASKED.values())
        assert again <= SETTINGS.chunk_pages
        tasks = {(row["name"], task) for row in read_rows(out, "documents") for task in row["tasks"] if not row["duplicate_of"]}
        assert tasks >= {(name, task) for name in ("a.pdf", "b.pdf", "c.pdf") for task in ("ocr", "chart")}


def test_death_at_any_write_while_answers_are_taken_over_loses_and_doubles_nothing(tmp_path: Path) -> None:
    before = tmp_path / "before"
    ASKED.clear()
    dies(before, 19)
    assert run(LocalStore(str(before)), "r2", OTHER)
    assert list(LocalStore(str(before)).list("_pagefold/staging/"))
    for number, moment in enumerate(third_of(moments(tmp_path / "filmed", after=before, num_writes=10), seed=4)):
        out = moment.copied(tmp_path / str(number))
        finish(out, Day())

        assert doubled_keys(str(out)) == []
        again = sum(count - 1 for (recipe_id, _, _), count in ASKED.items() if recipe_id == RECIPES["ocr"].recipe_id)
        assert again <= 2 * SETTINGS.chunk_pages


def test_death_at_any_write_of_a_retry_changes_nothing(tmp_path: Path, reference: Path) -> None:
    """The retry is of single pages: one of `a.pdf`, one of `c.pdf`."""
    again, retried = Day(is_retry=True), tmp_path / "retried"
    copy(reference, retried)
    assert run(LocalStore(str(retried)), "r0", again)
    pages = [(row["uri"], row["page_index"]) for row in read_rows(retried, "pages") if row["attempt"] == 1]
    assert pages == [("s3://drop/a.pdf", 2), ("s3://drop/c.pdf", 2)]
    for number, moment in enumerate(third_of(moments(tmp_path / "filmed", again, after=reference, num_writes=10), seed=5)):
        end_of(moment.copied(tmp_path / str(number)), retried, again)


def test_another_k_in_between_changes_nothing(tmp_path: Path, reference: Path) -> None:
    dice = random.Random(7)
    for number in range(12):
        out = tmp_path / f"out-{number}"
        for chunk_pages in (2, 1, 3):
            dies(out, dice.randint(1, 50) / 2, Day(settings=PlanSettings(chunk_pages=chunk_pages, shard_sources=2)))

        end_of(out, reference)


def test_after_a_death_and_midnight_all_is_committed_under_the_day_of_the_plan(
    tmp_path: Path, reference: Path, filmed: Film
) -> None:
    for number, moment in enumerate(third_of(filmed(Day()), seed=6)):
        out = moment.copied(tmp_path / str(number))
        plans = list((out / "_pagefold/plans").glob("*.json"))
        if not plans:  # its sources alone are written
            continue
        for path in plans:
            plan_it_yesterday(out, path)

        end_of(out, reference)

        days = {path.parent.name for table in ("documents", "pages", "blocks") for path in (out / table).rglob("*.parquet")}
        assert days == {f"ingest_date={YESTERDAY}"}


YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


def plan_it_yesterday(out: Path, path: Path) -> None:
    """Changes the plan's date, as if the run had begun and been killed before midnight."""
    plan = json.loads(path.read_text())
    today, plan["ingest_date"] = plan["ingest_date"], YESTERDAY
    path.unlink()  # the file is shared with the moment that it was copied from
    path.write_text(json.dumps(plan))
    for folder in [*out.glob(f"*/ingest_date={today}"), *out.glob(f"_pagefold/manifests/{today}")]:
        folder.rename(folder.with_name(folder.name.replace(today, YESTERDAY)))


def test_another_recipe_gone_sources_and_back_lose_and_double_nothing(tmp_path: Path, filmed: Film) -> None:
    """The run of each day dies somewhere. On the third day the first recipe comes back, a source is gone, and another one is
    back."""
    dice = random.Random(11)
    other: dict[Task, Recipe] = {**RECIPES, "ocr": make_recipe("ocr", "2")}
    for number, moment in enumerate(third_of(filmed(Day()), seed=7)):
        out = moment.copied(tmp_path / str(number))
        dies(out, dice.randint(1, 80) / 2, Day(other, gone=("a.pdf",)))
        last = Day(gone=("b.pdf",))
        dies(out, dice.randint(1, 80) / 2, last)
        finish(out, last)
        finish(out, Day())

        assert doubled_keys(str(out)) == []
        wanted = RECIPES["ocr"].recipe_id
        rows = [row for row in read_rows(out, "pages") if row["recipe_id"] == wanted]
        read = {(BYTES[row["uri"].rpartition("/")[2]], row["page_index"]) for row in rows}
        gone = {BYTES[row["uri"].rpartition("/")[2]] for row in read_rows(out, "failures") if row["kind"] == "gone"}
        whole = {(text, page) for name, text in BYTES.items() for page in range(PAGES[name])}
        assert {key for key in whole if key[0] not in gone} <= read <= whole
