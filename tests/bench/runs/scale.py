"""Memory and scale of whole runs, engine `scripted` without delay: one large document, a mixed drop, very many small documents.

    python -m tests.bench scale                                  # all three, full size
    python -m tests.bench scale large --pages 2000               # peak memory, who shares the pages, bytes fetched
    python -m tests.bench scale mixed --pages 5000               # growth of each process between 30 % and 100 % of the pages
    python -m tests.bench scale small --documents 20000          # seconds per document as their number grows

Exits 1 where a bound is broken. Memory is counted as `process_tree` says; the S3 of these runs is moto in this
process, which is not in the tree. Settings are the defaults, but for those printed.
"""

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.lake.ledger import load_ledger
from pipeline.lake.opening import open_store
from pipeline.lake.paths import chunk_name, staging_prefix
from pipeline.lake.plans import find_unfinished, list_plan_numbers, read_plan, write_plan
from pipeline.planning.choosing import Counts, make_shards, plan_sources
from pipeline.planning.intake import Taken
from schemas.plan import Plan
from schemas.settings import Settings
from tests.bench.inputs.made_documents import make_large_pdf, make_mixed, make_small
from tests.bench.inputs.places import ROOT
from tests.bench.runs.counted_run import VARIABLE
from tests.bench.runs.process_tree import ProcessTree
from tests.servers.s3 import make_bucket, s3_endpoint
from tests.servers.s3_proxy import s3_proxy
from workers.sources.listing import list_sources
from workers.sources.s3 import make_client

MAX_PEAK_BYTES = 3e9
MAX_FETCHED = 1.2
MAX_GROWTH_BYTES = 10e6
"""Of one process, per 1,000 pages or documents, once it has grown by more than its start allows."""
START_BYTES, COMPACTION_START_BYTES = 20e6, 100e6
"""What a process may still come to need after 30 %. Compaction begins late and takes a step at its first shards; the same shard ten
times in one process took 16.5 MB at first and 14.5 MB at the end."""
MAX_RATIO = 1.3
"""Of the cost of a further document: among many over among few."""


@dataclass
class Done:
    seconds: float
    tree: ProcessTree
    pages: dict[str, Counter[int]]
    """By stage and process id."""


class _PagesDone:
    """What `tests.bench counted_run` notes, read as it grows."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open()
        self.by_stage: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def __call__(self) -> float:
        """Pages read so far."""
        for line in self._file:
            stage, pid, num_pages = line.split()
            self.by_stage[stage][int(pid)] += int(num_pages)
        return float(self.by_stage["read"].total())


def run(input: str, output: str, folder: Path, *settings: str) -> Done:
    """One `pagefold run`, sampled. Ends the benchmark where it does not finish."""
    notes = folder / f"pages-done-{time.monotonic_ns()}"
    pages = _PagesDone(notes)
    more = [part for setting in (f"fetch.cache_dir={folder / 'cache'}", *settings) for part in ("--set", setting)]
    command = [
        sys.executable,
        "-m",
        "tests.bench.runs.counted_run",
        "run",
        input,
        output,
        "--engine",
        "scripted",
        "--on",
        "ray",
        "--quiet",
        *more,
    ]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {VARIABLE: str(notes)}, stdout=subprocess.DEVNULL)
    try:
        with ProcessTree(process.pid, pages) as tree:
            code = process.wait()
    finally:
        if process.poll() is None:  # we are to end: it ends with us
            process.kill()
            process.wait()
    if code:
        raise SystemExit(f"the run ended with exit code {code}")
    pages()
    return Done(time.monotonic() - started, tree, dict(pages.by_stage))


def large(folder: Path, num_pages: int) -> list[str]:
    document = folder / "large.pdf"
    make_large_pdf(document, num_pages)
    size = document.stat().st_size
    settings = ["engine.min_actors=2", "engine.max_actors=2"]
    with s3_endpoint() as endpoint, s3_proxy(endpoint) as proxy:
        bucket = make_bucket()
        make_client().upload_file(str(document), bucket, "drop/large.pdf")
        document.unlink()
        os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
        done = run(f"s3://{bucket}/drop", str(folder / "out"), folder, *settings)
        fetched = proxy.num_bytes_sent / size
    tree = done.tree
    print(f"\n{num_pages} pages, {size / 1e6:.0f} MB; {', '.join(settings)}: {done.seconds:.0f} s")
    print(f"peak of the process tree {tree.peak_bytes / 1e6:.0f} MB (sum of PSS), bytes fetched {fetched:.2f}x the object")
    _table("MB at the peak", {role: num_bytes / 1e6 for role, num_bytes in tree.peak_by_role.items()})
    _cpu(done, num_pages, "page")
    wrong = []
    for stage in ("render", "read"):
        shares = done.pages[stage]
        print(f"pages by process, {stage}: {', '.join(f'{count} (pid {pid})' for pid, count in shares.most_common())}")
        if len(shares) < 2 or min(shares.values()) < 0.5 * num_pages / len(shares):
            wrong.append(f"large: the pages are not shared among the processes of {stage}")
    if tree.peak_bytes > MAX_PEAK_BYTES:
        wrong.append(f"large: the peak of {tree.peak_bytes / 1e6:.0f} MB is above {MAX_PEAK_BYTES / 1e6:.0f} MB")
    if fetched > MAX_FETCHED:
        wrong.append(f"large: {fetched:.2f} times the object was fetched")
    return wrong


def mixed(folder: Path, num_pages: int) -> list[str]:
    drop = folder / "drop"
    num_files = make_mixed(drop, num_pages)
    with s3_endpoint():
        bucket = make_bucket()
        for path in sorted(drop.iterdir()):
            make_client().upload_file(str(path), bucket, f"drop/{path.name}")
        done = run(f"s3://{bucket}/drop", f"s3://{bucket}/out", folder)
    total = done.pages["read"].total()
    print(f"\n{num_files} files, {total} pages, input and output on S3: {done.seconds:.0f} s")
    _cpu(done, total, "page")
    print(f"peak of the process tree {done.tree.peak_bytes / 1e6:.0f} MB (sum of PSS)")
    return _growth("mixed", done, total, "page")


def small(folder: Path, num_documents: int) -> list[str]:
    drop, output = folder / "drop", folder / "out"
    make_small(drop, num_documents)
    done = run(str(drop), str(output), folder, "output.keep_staging=true")
    store = open_store(str(output))
    plan = read_plan(store, list_plan_numbers(store)[0])
    files = {table.name: sum(1 for _ in table.rglob("*.parquet")) for table in sorted(output.iterdir()) if table.name[0] != "_"}
    print(f"\n{num_documents} documents of one page, a local folder: {done.seconds:.0f} s")
    print(f"{len(plan.shards)} shards; files: {', '.join(f'{table} {count}' for table, count in files.items())}")
    _cpu(done, num_documents, "document")

    wrong = _growth("small", done, num_documents, "document")

    sizes = [num_documents // 10, num_documents * 3 // 10, num_documents]
    rows = {"flow (CPU, all processes)": _flow(done, sizes)}
    for size in reversed(sizes):
        for name, seconds in _beside_the_flow(folder, drop, plan, size).items():
            rows.setdefault(name, []).insert(0, seconds)
    print(f"\n{'seconds for so many documents':42}" + "".join(f"{size:>9}" for size in sizes) + "    ms per document between")
    for name, seconds in rows.items():
        first, second = (1000 * (seconds[i + 1] - seconds[i]) / (sizes[i + 1] - sizes[i]) for i in (0, 1))
        print(f"{name:42}" + "".join(f"{each:9.2f}" for each in seconds) + f"{first:12.3f}{second:12.3f}")
        if second > MAX_RATIO * first and seconds[-1] > 5:
            wrong.append(f"small: {name}: a document costs {first:.2f} ms first and {second:.2f} ms later")
    return wrong


def _flow(done: Done, sizes: Sequence[int]) -> list[float]:
    """CPU seconds of the whole tree until so many documents were read."""
    return [next(sum(cpu.values()) for _, at, cpu in done.tree.timeline if at >= 0.98 * size) for size in sizes]


def _beside_the_flow(folder: Path, drop: Path, plan: Plan, size: int) -> dict[str, float]:
    """Seconds of what a run of the first `size` documents does beside the flow, over an output where all is staged. The others
    are taken out of the drop."""
    output = folder / f"first-{size}"
    store = open_store(str(output))
    costs: dict[str, float] = {}

    def timed(name: str, act: Callable[[], object]) -> None:
        started = time.process_time()
        act()
        costs[f"{name} (CPU)"] = time.process_time() - started

    for source in islice(list_sources(str(drop)), size, None):
        Path(source.uri).unlink()
    timed("listing", lambda: list(list_sources(str(drop))))
    sources = list(list_sources(str(drop)))
    settings = Settings()

    def write() -> None:
        taken = (Taken(source, None) for source in sources)
        planned = plan_sources(taken, load_ledger(store), plan.recipes, settings.plan, page_range=None, limit=None, counts=Counts())
        write_plan(
            store,
            make_shards(planned, settings.plan),
            plan.recipes,
            settings.plan,
            input=str(drop),
            epoch=1,
            page_range=None,
            max_pages=settings.render.max_pages,
            last_plan_id=None,
        )

    timed("planning", write)
    timed("finding the unfinished plan", lambda: find_unfinished(store, list_plan_numbers(store)))
    for index, sources_of_shard in enumerate(read_plan(store, plan.plan_id).shards):
        _link_staged(folder / "out", output, staging_prefix(plan.plan_id, index), len(sources_of_shard))
    resumed = run(str(drop), str(output), folder)
    costs["a run with everything staged (wall)"] = resumed.seconds
    costs["  its driver (CPU)"] = resumed.tree.cpu_by_role()["driver"]
    costs["  its compaction (CPU)"] = resumed.tree.cpu_by_role().get("compaction", 0.0)
    before_s = _cpu_of_ended_s()
    run(str(drop), str(output), folder)
    costs["a run with nothing to do (CPU)"] = _cpu_of_ended_s() - before_s  # it may be over before it is sampled
    return costs


def _cpu_of_ended_s() -> float:
    """Of the processes that were started here and have ended, with those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _link_staged(done: Path, output: Path, prefix: str, num_sources: int) -> None:
    """The chunks of the shard's first sources: a shorter plan of the same listing has the same shards, but for the last."""
    (output / prefix).mkdir(parents=True)
    for path in (done / prefix).iterdir():
        if (name := chunk_name(path.name)) and name.source_index < num_sources:
            os.link(path, output / prefix / path.name)


def _cpu(done: Done, num_units: int, unit: str) -> None:
    """After the first tenth: the start of Ray and of the processes is left out."""
    first = next(moment for moment in done.tree.timeline if moment.progress >= 0.1 * num_units)
    last = done.tree.timeline[-1]
    num_between = last.progress - first.progress
    cpu = done.tree.cpu_between(first, last)
    cpu["all"] = sum(cpu.values())
    _table(f"CPU ms a {unit}", {role: 1000 * seconds / num_between for role, seconds in cpu.items()})
    speed = num_between / (last.monotonic_s - first.monotonic_s)
    print(f"{unit}s a second: {speed:.1f}; CPU until the first tenth was read: {sum(first.cpu_s.values()):.0f} s")


def _growth(what: str, done: Done, num_units: float, unit: str) -> list[str]:
    """Each process that was there from 30 % on; what grows too much."""
    print(f"{'role':20}{'pid':>8}{'MB at 30 %':>12}{'at 100 %':>10}   MB per 1,000 {unit}s")
    wrong = []
    for process in sorted(done.tree.processes, key=lambda process: process.role):
        if (growth := process.growth(0.3 * num_units, num_units)) is not None:
            start, end, slope = growth
            print(f"{process.role:20}{process.pid:8}{start / 1e6:12.1f}{end / 1e6:10.1f}{slope * 1000 / 1e6:12.1f}")
            allowed = COMPACTION_START_BYTES if process.role == "compaction" else START_BYTES
            if slope * 1000 > MAX_GROWTH_BYTES and end - start > allowed:
                wrong.append(f"{what}: {process.role} grows by {slope * 1000 / 1e6:.0f} MB per 1,000 {unit}s")
    return wrong


def _table(title: str, values: dict[str, float]) -> None:
    shown = sorted(values.items(), key=lambda item: -item[1])
    print(f"{title}: " + ", ".join(f"{name} {value:.1f}" for name, value in shown if value))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["large", "mixed", "small"], help="all three by default")
    parser.add_argument("--pages", type=int, help="of the large document (2,000), of the mixed drop (5,000)")
    parser.add_argument("--documents", type=int, default=20_000, help="small ones")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wrong = []
    for what in [arguments.what] if arguments.what else ["large", "mixed", "small"]:
        print(f"\n-- {what}", flush=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if what == "large":
                wrong += large(folder, arguments.pages or 2000)
            elif what == "mixed":
                wrong += mixed(folder, arguments.pages or 5000)
            else:
                wrong += small(folder, arguments.documents)
    for sentence in wrong:
        print(sentence)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
