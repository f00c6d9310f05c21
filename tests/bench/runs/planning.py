"""What a run costs that finds nothing new: listing and planning against boto3's bare listing of the same bucket.

    python -m tests.bench planning --objects 100000

The bucket is served from memory by another process, so that what is measured is the driver. Each figure is the median of its
rounds, each of which is a process of its own. Measured are the bare listing, listing with planning, and the whole command
`pagefold run`; the last two with a manifest for each 256 sources, then with the snapshot of a day that is over.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import boto3

from pipeline.lake.ledger import list_manifests
from pipeline.lake.opening import open_store
from pipeline.lake.paths import manifest_path, plan_path, table_path
from pipeline.lake.snapshots import write_snapshots
from pipeline.lake.tables.missing_files import find_missing
from pipeline.object_store.local_store import LocalStore
from pipeline.planning.engines import describe_engines
from pipeline.planning.recipes import make_recipes
from pipeline.planning.todo import new_work, read_lake
from schemas.plan import CommittedFile, CommittedSource, Manifest, Plan
from schemas.settings import Settings
from schemas.tables import TABLES
from tests.bench.inputs.places import ROOT
from tests.servers.static_s3 import drop_object, static_s3
from workers.sources.s3 import make_client

SETTINGS = Settings.model_validate({"engine": {"name": "scripted"}})
SHARD = 256
INPUT, OUTPUT = "s3://drop/in", "s3://lake"


def recipes() -> Any:
    return make_recipes(SETTINGS, describe_engines(SETTINGS.engine, SETTINGS.read.tasks), SETTINGS.read.tasks)


def write_lake(folder: Path, num_objects: int, day: date) -> None:
    """Manifests of one plan that has read them all."""
    store, asked = LocalStore(str(folder)), recipes()
    objects = sorted(drop_object(number) for number in range(num_objects))
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    shards = [objects[start : start + SHARD] for start in range(0, num_objects, SHARD)]
    for index, shard in enumerate(shards):
        sources = [
            CommittedSource(
                uri=f"s3://drop/{key}",
                etag=etag,
                size_bytes=size,
                last_modified=now,
                document_id=f"{int(etag, 16):064x}",
                tasks=["ocr", "chart"],
                attempt=0,
                num_pages=3,
                num_pages_read=3,
            )
            for key, etag, size in shard
        ]
        files = [CommittedFile(path=table_path(table, day, "000001", index), size_bytes=1, rows=SHARD) for table in TABLES]
        for file in files:
            store.put(file.path, b"P")
        manifest = Manifest(
            plan_id="000001",
            shard_index=index,
            run_id="r",
            committed_at=now,
            recipe_ids={task: recipe.recipe_id for task, recipe in asked.items()},
            num_shards=len(shards),
            files=files,
            sources=sources,
        )
        store.put(manifest_path(day, "000001", index), manifest.model_dump_json().encode())
    common = {"created_at": now, "ingest_date": day, "input": INPUT, "epoch": 1, "chunk_pages": 8, "max_pages": 5000}
    plan = Plan(plan_id="000001", recipes=asked, shards=[], **common)  # not looked at: its manifests say that all is committed
    store.put(plan_path("000001"), plan.model_dump_json().encode())


def bare() -> dict[str, Any]:
    """By boto3 alone, which takes its own time to parse each page."""
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="drop", Prefix="in/")
    return {"num_listed": sum(len(page["Contents"]) for page in pages)}


def planned() -> dict[str, Any]:
    store = open_store(OUTPUT)
    ledger = read_lake(store).ledger
    todo = new_work(INPUT, ledger, recipes(), SETTINGS)
    assert not todo.has_work
    assert not find_missing(store, ledger.files)
    return {"num_listed": todo.counts.num_listed, "num_done": todo.counts.num_done}


def measure(what: str) -> dict[str, Any]:
    """In this process: what is imported by now does not count."""
    make_client()
    started, cpu = time.monotonic(), time.process_time()
    found = {"bare": bare, "planned": planned}[what]()
    spent = {"seconds": time.monotonic() - started, "cpu_s": time.process_time() - cpu}
    return found | spent | {"peak_mb": peak_mb()}


def peak_mb() -> float:
    """Of this process since it was started; getrusage's figure begins with that of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def apart(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rounds(what: str, number: int) -> dict[str, float]:
    found = [apart("-m", "tests.bench.runs.planning", "--measure", what) for _ in range(number)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def told(name: str, found: dict[str, float], base: dict[str, float]) -> None:
    ratios = "" if found is base else f" {found['seconds'] / base['seconds']:5.2f}x {found['cpu_s'] / base['cpu_s']:8.2f}x"
    print(f"{name:<44} {found['seconds']:7.2f} s {found['cpu_s']:7.2f} s CPU {found['peak_mb']:6.0f} MB peak{ratios}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", choices=["bare", "planned"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        today, before = Path(folder, "today"), Path(folder, "before")
        write_lake(today, arguments.objects, datetime.now(UTC).date())
        write_lake(before, arguments.objects, date(2026, 1, 2))
        store = LocalStore(str(before))
        write_snapshots(store, list_manifests(store))
        print(f"{arguments.objects} objects, nothing new; median of {arguments.rounds}")
        for name, lake in (("a manifest for each 256", today), ("a snapshot", before)):
            with static_s3(arguments.objects, lake):
                base = rounds("bare", arguments.rounds)
                told("boto3's bare listing", base, base)
                told(f"listing and planning, {name}", rounds("planned", arguments.rounds), base)
                started = time.monotonic()
                ended = apart("-m", "pipeline", "run", INPUT, OUTPUT, "--engine", "scripted", "--quiet", "--json")
                assert ended["status"] == "nothing_to_do"
                print(f"{f'pagefold run, {name}':<44} {time.monotonic() - started:7.2f} s, start and end of the process included")
        with tempfile.TemporaryDirectory() as small:
            write_lake(Path(small), 100, datetime.now(UTC).date())
            with static_s3(100, Path(small)):
                started = time.monotonic()
                apart("-m", "pipeline", "run", INPUT, OUTPUT, "--engine", "scripted", "--quiet", "--json")
                print(f"{'pagefold run over 100 objects':<44} {time.monotonic() - started:7.2f} s, the same; Ray is not started")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
