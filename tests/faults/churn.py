"""A drop folder grows and changes while runs read it, overlap and are killed. In the end the views must equal those of one clean
run over the final folder.

    python -m tests.faults.churn --polls 20
    python -m tests.faults.churn --polls 20 --on local --longest-s 2

S3 is moto's. Files are added, overwritten, copied, deleted and put back, also while runs are at work. The program exits with 1 if
the views differ, or a key is in a table twice.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymupdf

from pipeline.analytics.duckdb_tables import run_query
from tests.faults.kill import ROOT
from tests.pipeline.tables import doubled_keys
from workers.sources.s3 import make_client

SETTINGS = ["--engine", "scripted", "--set", "plan.shard_sources=3", "--set", "plan.chunk_pages=2", "--set", "output.lease_ttl_s=6"]
SETTINGS += ["--set", "ray.num_cpus=1", "--set", "ray.render_workers=1", "--set", "ray.probe_workers=1"]


class Drop:
    """A folder in a bucket, with its changes: new files, new versions, copies, deletions, and old versions put back."""

    def __init__(self, bucket: str, seed: int) -> None:
        self.uri = f"s3://{bucket}/in"
        self._bucket, self._dice = bucket, random.Random(seed)
        self._there: dict[str, bytes] = {}
        self._before: list[tuple[str, bytes]] = []
        self._made = 0

    def change(self) -> str:
        """Makes one change and gives its name."""
        moves: list[Callable[[], None]] = [self._add, self._add]
        if len(self._there) > 2:
            moves += [self._overwrite, self._copy, self._delete]
        if self._before:
            moves.append(self._put_back)
        move = self._dice.choice(moves)
        move()
        return move.__name__.strip("_")

    def _add(self) -> None:
        self._put(f"{self._dice.choice('abc')}/{self._made:03d}.pdf", self._new())

    def _overwrite(self) -> None:
        self._put(self._any(), self._new())

    def _copy(self) -> None:
        self._put(f"copies/{self._made:03d}.pdf", self._there[self._any()])
        self._made += 1

    def _delete(self) -> None:
        key = self._any()
        self._before.append((key, self._there.pop(key)))
        make_client().delete_object(Bucket=self._bucket, Key=f"in/{key}")

    def _put_back(self) -> None:
        self._put(*self._dice.choice(self._before))

    def _put(self, key: str, body: bytes) -> None:
        if key in self._there:
            self._before.append((key, self._there[key]))
        self._there[key] = body
        make_client().put_object(Bucket=self._bucket, Key=f"in/{key}", Body=body)

    def _any(self) -> str:
        return self._dice.choice(sorted(self._there))

    def _new(self) -> bytes:
        """A document whose pages have a width of their own, by which it can be distinguished."""
        self._made += 1
        if self._made % 9 == 0:
            return b"no document %d" % self._made
        with pymupdf.open() as document:
            for number in range(self._dice.randint(1, 4)):
                document.new_page(width=300 + self._made, height=400).insert_text((30, 60), f"{self._made}, page {number}")
            return bytes(document.tobytes())


PAGES = """
    SELECT documents.uri, documents.document_id, pages.page_index, pages.status, pages.width_pt, pages.num_text_layer_chars
    FROM current_pages AS pages
    JOIN current_documents AS documents ON documents.document_id = pages.document_id
    WHERE documents.deleted_at IS NULL
"""
DOCUMENTS = """
    SELECT uri, document_id, status, media_type, size_bytes, num_pages, num_pages_read, num_pages_ok, num_failures
    FROM current_documents WHERE deleted_at IS NULL
"""
FAILURES = """
    SELECT documents.uri, failures.kind, failures.page_index
    FROM open_failures AS failures
    JOIN current_documents AS documents ON documents.document_id = failures.document_id
    WHERE documents.deleted_at IS NULL
"""


def answers(output: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the views for every uri that exists, whichever source of the same bytes was read."""
    views = {"documents": DOCUMENTS, "pages": PAGES, "failures": FAILURES}
    return {
        name: sorted((tuple(row.values()) for row in run_query(output, sql).to_pylist()), key=repr) for name, sql in views.items()
    }


def differences(clean: str, output: str) -> list[str]:
    """The differences between the views, one line each."""
    wrong = [f"doubled in {table}: {key}" for table, key in doubled_keys(output)]
    expected, found = answers(clean), answers(output)
    for view, rows in expected.items():
        wrong += [f"{view}: lost or different {row}" for row in rows if row not in found[view]]
        wrong += [f"{view}: added or different {row}" for row in found[view] if row not in rows]
        if len(rows) != len(found[view]):
            wrong.append(f"{view}: {len(found[view])} rows, {len(rows)} in the clean run")
    return wrong


class Pagefold:
    """Runs commands in processes of their own, and kills them with everything that they have started."""

    def __init__(self, log: Path, on: str) -> None:
        self._log, self._on = log, on
        self.num_killed = 0

    def run(self, input: str, output: str, kill_after_s: float | None = None) -> dict[str, Any] | None:
        """The run's summary; None if it was killed, or refused because another run is at work."""
        process = self._start("run", input, output, "--json", "--on", self._on)
        out = self._wait(process, kill_after_s)
        return json.loads(out) if out else None

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "pipeline", *arguments, "--quiet", *SETTINGS]
        with self._log.open("ab") as sink:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sink, cwd=ROOT, start_new_session=True)

    def _wait(self, process: "subprocess.Popen[bytes]", kill_after_s: float | None) -> bytes | None:
        try:
            out, _ = process.communicate(timeout=kill_after_s)
        except subprocess.TimeoutExpired:
            self.num_killed += 1
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        if process.returncode not in (0, 1):
            raise SystemExit(f"exit code {process.returncode}; see {self._log}:\n{self._log.read_text()[-2000:]}")
        return out


@contextlib.contextmanager
def changing(drop: Drop, pause_s: float) -> Iterator[None]:
    """Changes the folder while the context is open."""
    stop = threading.Event()

    def change() -> None:
        while not stop.wait(pause_s):
            drop.change()

    writer = threading.Thread(target=change, daemon=True)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def campaign(bucket: str, folder: Path, arguments: argparse.Namespace) -> int:
    dice, drop, pagefold = random.Random(arguments.seed), Drop(bucket, arguments.seed), Pagefold(folder / "log", arguments.on)
    output, clean = f"s3://{bucket}/lake", f"s3://{bucket}/clean"
    for _ in range(6):
        drop.change()
    for poll in range(1, arguments.polls + 1):
        kill_after_s = dice.uniform(0.5, arguments.longest_s) if dice.random() < 0.6 else None
        others = [threading.Thread(target=pagefold.run, args=(drop.uri, output)) for _ in range(poll % 3 == 0)]
        with changing(drop, pause_s=dice.uniform(0.5, 4)):
            for other in others:  # it finds the lease taken, or takes it first
                other.start()
            pagefold.run(drop.uri, output, kill_after_s)
            for other in others:
                other.join()
        print(f"poll {poll}: killed {pagefold.num_killed} times", flush=True)
    while (ended := pagefold.run(drop.uri, output)) is None or ended["status"] != "nothing_to_do":
        time.sleep(1)
    if (ended := pagefold.run(drop.uri, clean)) is None or ended["status"] != "finished":
        raise SystemExit(f"the clean run did not finish: {ended}")
    wrong = differences(clean, output)
    for line in wrong:
        print(line)
    counts = ", ".join(f"{len(rows)} {view}" for view, rows in answers(clean).items())
    print(f"{pagefold.num_killed} kills, {arguments.polls} polls; {counts} in the end: {len(wrong)} differences")
    return 1 if wrong else 0


def main() -> int:
    from tests.servers.s3 import s3_server

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polls", type=int, default=20)
    parser.add_argument("--longest-s", type=float, default=12.0, help="a run that is killed is so by then")
    parser.add_argument("--on", choices=["ray", "local"], default="ray", help="the way that all runs take")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, s3_server() as bucket:
        return campaign(bucket, Path(folder), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
