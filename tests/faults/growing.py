"""A drop folder grows, changes and shrinks while two watches read it into one lake, one by events and one by polling. They are
killed now and then. In the end the `current_*` views must equal those of one clean run over the final folder.

    python -m tests.faults.growing --seconds 180 --kills 4

S3 and SQS are moto's. Some events come twice or late. The program prints what happened, and exits with 1 if a row is lost, doubled
or different.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

import psutil

from pipeline.analytics.duckdb_tables import run_query
from tests.faults.kill import ROOT
from tests.pipeline.made_input import make_pdf
from tests.pipeline.tables import doubled_keys
from tests.pipeline.watching.test_bucket_events import s3_body
from tests.servers.s3 import make_bucket, s3_endpoint
from tests.servers.sqs import MadeQueue, make_queue, send_events
from workers.sources.s3 import make_client

SETTINGS = ["plan.shard_sources=3", "plan.chunk_pages=2", "ray.num_cpus=1", "ray.render_workers=1", "ray.probe_workers=1"]
SETTINGS += ["watch.quiet_s=1", "watch.visibility_s=20", "watch.retry_s=2"]
VIEWS = {
    "current_documents": "uri, source_version, document_id, status, num_pages, num_pages_ok",
    "current_pages": "uri, source_version, page_index, status, text_plain",
    "current_blocks": "uri, source_version, page_index, block_index, kind, text",
}


class Drop:
    """Changes in the bucket, as other programs make them."""

    def __init__(self, bucket: str, folder: Path, dice: random.Random) -> None:
        self.bucket, self.folder, self.dice, self.client = bucket, folder, dice, make_client()
        self.keys: set[str] = set()
        self.done: Counter[str] = Counter()

    def step(self, queue: MadeQueue) -> None:
        what = self.dice.choice(["add", "add", "change", "delete", "repeat", "late"])
        if what in ("change", "delete") and len(self.keys) < 4:
            what = "add"
        number = self.done.total()
        if what in ("repeat", "late"):  # an event of before, once more, or of what is long gone
            key = self.dice.choice(sorted(self.keys)) if what == "repeat" and self.keys else f"drop/gone+{number}.pdf"
            queue.send(s3_body(key, bucket=self.bucket))
        elif what == "delete":
            key = self.dice.choice(sorted(self.keys))
            self.client.delete_object(Bucket=self.bucket, Key=key)
            self.keys.remove(key)
        else:
            key = self.dice.choice(sorted(self.keys)) if what == "change" else f"drop/folder {number % 3}/added {number}.pdf"
            path = self.folder / f"version-{number}.pdf"  # its name is on its pages: no two are of the same bytes
            make_pdf(path, self.dice.randint(1, 3))
            self.client.put_object(Bucket=self.bucket, Key=key, Body=path.read_bytes())
            self.keys.add(key)
        self.done[what] += 1


def start(bucket: str, log: IO[bytes], *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline", "watch", f"s3://{bucket}/drop", f"s3://{bucket}/lake", "--engine", "scripted"]
    command += [word for name in SETTINGS for word in ("--set", name)]
    return subprocess.Popen([*command, "--tasks", "ocr", "-q", *more], stdout=log, stderr=log, cwd=ROOT, start_new_session=True)


def kill(watch: subprocess.Popen[bytes]) -> None:
    """Kills a watch with its run and its Ray, each in a session of its own, as if its pod was lost."""
    for process in [*psutil.Process(watch.pid).children(recursive=True), psutil.Process(watch.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    watch.wait()


def current(output: str, sql: str, uris: set[str]) -> list[dict[str, Any]]:
    return sorted((row for row in run_query(output, sql).to_pylist() if row["uri"] in uris), key=repr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180, help="how long the folder changes")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, s3_endpoint() as endpoint, Path(folder, "log").open("ab") as log:
        bucket, queue = make_bucket(), make_queue(endpoint, max_receives=1000)
        send_events(bucket, queue)
        dice = random.Random(arguments.seed)
        drop = Drop(bucket, Path(folder), dice)
        flags = [["--queue", queue.url], ["--every", "7"]]
        watches = [start(bucket, log, *more) for more in flags]
        try:
            num_kills = change(drop, queue, watches, flags, log, arguments)
            wrong = settle(bucket, queue, watches, drop, log)
        finally:
            for watch in watches:
                if watch.poll() is None:
                    kill(watch)
        if wrong and wrong[0].startswith("a watch"):
            print(Path(folder, "log").read_text("utf-8", "replace")[-4000:])
    print(f"{dict(drop.done)}; {len(drop.keys)} objects in the end; {num_kills} kills")
    print("\n".join(wrong) or "the views are those of one clean run: no row lost, doubled or different")
    return 1 if wrong else 0


def change(
    drop: Drop,
    queue: MadeQueue,
    watches: list[subprocess.Popen[bytes]],
    flags: list[list[str]],
    log: IO[bytes],
    arguments: argparse.Namespace,
) -> int:
    begin = time.monotonic()
    moments = sorted(drop.dice.uniform(0, arguments.seconds) for _ in range(arguments.kills))
    num_kills = 0
    while (now := time.monotonic() - begin) < arguments.seconds:
        drop.step(queue)
        if num_kills < len(moments) and now > moments[num_kills]:
            which = num_kills % 2
            kill(watches[which])
            watches[which] = start(drop.bucket, log, *flags[which])
            num_kills += 1
        time.sleep(drop.dice.uniform(0.1, 2))
    return num_kills


def settle(bucket: str, queue: MadeQueue, watches: list[subprocess.Popen[bytes]], drop: Drop, log: IO[bytes]) -> list[str]:
    """Ends the polling watch and waits until the other has no message left. Gives the differences between the views, one line
    each."""
    watches[1].send_signal(signal.SIGTERM)
    if watches[1].wait(120) not in (0, 1):
        return [f"a watch that was asked to stop ended with {watches[1].returncode}"]
    end = time.monotonic() + 400
    while queue.num() + queue.num(hidden=True) and watches[0].poll() is None and time.monotonic() < end:
        time.sleep(1)
    watches[0].send_signal(signal.SIGTERM)
    if watches[0].wait(120) != 0 or queue.num() + queue.num(hidden=True) or queue.num(dead=True):
        return [f"a watch ended with {watches[0].returncode}; {queue.num()} messages are left"]
    clean = [sys.executable, "-m", "pipeline", "run", f"s3://{bucket}/drop", f"s3://{bucket}/clean", "--engine", "scripted"]
    clean += ["--tasks", "ocr", "-q", *(word for name in SETTINGS for word in ("--set", name))]
    subprocess.run(clean, stdout=log, stderr=log, cwd=ROOT, check=True, env=dict(os.environ))
    uris = {f"s3://{bucket}/{key}" for key in drop.keys}
    wrong = [f"doubled in {table}: {key}" for table, key in doubled_keys(f"s3://{bucket}/lake")]
    for view, columns in VIEWS.items():
        sql = f"select {columns} from {view}"
        found, expected = (current(f"s3://{bucket}/{output}", sql, uris) for output in ("lake", "clean"))
        if found != expected or not expected:
            lost, added = ([row for row in a if row not in b] for a, b in ((expected, found), (found, expected)))
            wrong.append(f"{view}: {len(lost)} rows lost or different, {len(added)} added, e.g. {(lost or added or [None])[0]}")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
