"""What a run of very many small documents costs before its first page: the driver, without Ray.

    python -m tests.bench million --sources 1000000

A bucket of so many objects is listed and planned, the plan is written, and its work is made ready as it enters Ray's store. Then
half of the plan is committed by hand, and a new process resumes it, listing and all. Bucket and lake answer after 30 ms, the lake
through a store in this process. Each part runs in a process of its own; beside it stands what a tenth of the sources costs. Exits 1
where a bound is broken.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from pipeline.lake.paths import manifest_path
from pipeline.lake.plans import find_unfinished, list_plan_numbers, write_plan
from pipeline.lake.shard_progress import read_progress
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import StoredObject
from pipeline.planning.carry_over import carry_over
from pipeline.planning.portions import portions
from pipeline.planning.todo import is_unchanged, new_work, read_lake
from schemas.plan import CommittedSource, Manifest, Plan
from tests.bench.runs.planning import INPUT, SETTINGS, apart, peak_mb, recipes
from tests.servers.static_s3 import static_s3

LATENCY_S = 0.03
NUM_CPUS = 16
MIN_SOURCES = 20_000
MAX_MB, MAX_CPU_S, MAX_RESUME_S, MAX_GROWTH = 1500, 60, 120, 10
"""Of the driver before the first page; of a resumed run on the clock; of the whole over a tenth of it."""


class SlowStore(LocalStore):
    """A folder that answers as late as a bucket does."""

    def get(self, path: str) -> bytes:
        time.sleep(LATENCY_S)
        return super().get(path)

    def create(self, path: str, body: bytes) -> str:
        time.sleep(LATENCY_S)
        return super().create(path, body)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for number, stored in enumerate(super().list(prefix)):
            if number % 1000 == 0:
                time.sleep(LATENCY_S)
            yield stored


def first(store: LocalStore) -> dict[str, Any]:
    output = read_lake(store)
    todo = new_work(INPUT, output.ledger, recipes(), SETTINGS)
    assert is_unchanged(store, output)
    plan = write_plan(
        store,
        todo.shards,
        recipes(),
        SETTINGS.plan,
        input=INPUT,
        epoch=1,
        page_range=None,
        max_pages=SETTINGS.render.max_pages,
        last_plan_id=output.last_plan_number,
        known=todo.known,
        disappearances=todo.disappearances,
    )
    return made_ready(store, plan, list(range(len(plan.shards))))


def resumed(store: LocalStore) -> dict[str, Any]:
    output = read_lake(store)
    new_work(INPUT, output.ledger, recipes(), SETTINGS)
    assert is_unchanged(store, output)
    unfinished = output.unfinished
    assert unfinished is not None
    return made_ready(store, unfinished.plan, unfinished.pending)


def made_ready(store: LocalStore, plan: Plan, pending: list[int]) -> dict[str, Any]:
    """Up to the rows that enter Ray's store."""
    progress = read_progress(store, plan, pending)
    carry_over(store, plan, progress, lambda: None)
    rows = [portion.model_dump_json() for portion in portions(plan, progress, NUM_CPUS)]
    left = sum(map(plan.shards.num_sources_of, pending))
    return {"sources": left, "rows": len(rows), "row_bytes": sum(map(len, rows)), "shards": len(pending)}


def commit_half(folder: Path) -> None:
    """Writes the manifests of every other shard."""
    store = LocalStore(str(folder))
    unfinished = find_unfinished(store, list_plan_numbers(store))
    assert unfinished is not None
    plan = unfinished.plan
    for index in range(0, len(plan.shards), 2):
        sources = [
            CommittedSource(
                **dict(item.source),
                document_id=f"{item.source.etag * 2}",
                tasks=item.tasks,
                attempt=0,
                num_pages=3,
                num_pages_read=3,
            )
            for item in plan.shards[index]
        ]
        manifest = Manifest(
            plan_id=plan.plan_id,
            shard_index=index,
            run_id="r",
            committed_at=datetime.now(UTC),
            recipe_ids={task: recipe.recipe_id for task, recipe in plan.recipes.items()},
            num_shards=len(plan.shards),
            sources=sources,
        )
        store.put(manifest_path(plan.ingest_date, plan.plan_id, index), manifest.model_dump_json().encode())


def measure(what: str, folder: str) -> dict[str, Any]:
    """The start of the process and its imports count, as they do in a run."""
    found = {"first": first, "resumed": resumed}[what](SlowStore(folder))
    seconds = time.time() - psutil.Process().create_time()
    return found | {"seconds": seconds, "cpu_s": time.process_time(), "peak_mb": peak_mb()}


def cost(num_sources: int) -> dict[str, dict[str, Any]]:
    found = {}
    with tempfile.TemporaryDirectory() as folder, static_s3(num_sources, Path(folder), LATENCY_S):
        for what in ("first", "resumed"):
            found[what] = one = apart("-m", "tests.bench.runs.million", "--measure", what, "--folder", folder)
            print(
                f"{num_sources:9,} {what:8} {one['seconds']:7.1f} s {one['cpu_s']:7.1f} s CPU {one['peak_mb']:6.0f} MB peak; "
                f"{one['sources']:,} in {one['shards']} shards enter as {one['rows']} rows, {one['row_bytes'] / 1e6:.1f} MB",
                flush=True,
            )
            if what == "first":
                commit_half(Path(folder))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--measure", choices=["first", "resumed"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.folder)))
        return 0
    if arguments.sources < MIN_SOURCES:
        parser.error(f"--sources is {MIN_SOURCES} at least: of fewer, a tenth is one shard, and half of it no unfinished plan")
    few, many = cost(arguments.sources // 10), cost(arguments.sources)
    wrong = []
    for what, one in many.items():
        growth = {name: one[name] / few[what][name] for name in ("seconds", "cpu_s", "peak_mb")}
        print(f"{what:18} over a tenth: {', '.join(f'{name} {ratio:.1f}x' for name, ratio in growth.items())}")
        wrong += [f"{what}: {name} grows {ratio:.1f}x" for name, ratio in growth.items() if ratio > MAX_GROWTH]
        wrong += [f"{what}: {one['peak_mb']:.0f} MB"] if one["peak_mb"] > MAX_MB else []
        wrong += [f"{what}: {one['cpu_s']:.0f} s of CPU"] if one["cpu_s"] > MAX_CPU_S else []
    wrong += [f"resumed after {many['resumed']['seconds']:.0f} s"] if many["resumed"]["seconds"] > MAX_RESUME_S else []
    for sentence in wrong:
        print(f"bound broken: {sentence}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
