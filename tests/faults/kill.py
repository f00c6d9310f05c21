"""Kills runs at random moments and starts them again until one finishes; then compares every table with an uninterrupted run's.

    python -m tests.faults.kill --kills 20            # a local output
    python -m tests.faults.kill --kills 20 --s3       # moto on the loopback interface
    python -m tests.faults.kill --kills 20 --on local --longest-s 3

The program prints a line per round, and exits with 1 if a row is lost, doubled or different.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.pipeline.made_input import make_drop, make_pdf
from tests.pipeline.tables import doubled_keys, read_all

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = ["--set", "plan.shard_sources=2", "--set", "plan.chunk_pages=2"]


def run_once(input: str, output: str, log: Path, kill_after_s: float | None, *more: str) -> int | None:
    """Runs once. Gives the exit code, or None if the run was killed, with its whole process group, as by a lost node."""
    command = [sys.executable, "-m", "pipeline", "run", input, output, "--engine", "scripted", "--quiet", *SETTINGS, *more]
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=ROOT, start_new_session=True)
        try:
            return process.wait(timeout=kill_after_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def run_until_finished(input: str, output: str, log: Path, num_kills: int, longest_s: float, seed: int, *more: str) -> int:
    """Runs and kills until a run finishes. Gives the number of kills."""
    moments = random.Random(seed)
    killed = 0
    while True:
        kill_after_s = moments.uniform(0.5, longest_s) if killed < num_kills else None
        code = run_once(input, output, log, kill_after_s, *more)
        if code is None:
            killed += 1
            continue
        if code == 0:
            return killed
        if code != 1:
            raise SystemExit(f"the run ended with exit code {code}; see {log}")
        time.sleep(1)  # the killed run's lease is still young


def compare(reference: str, output: str) -> list[str]:
    """The differences between the tables of two outputs, one line each."""
    wrong = [f"doubled in {table}: {key}" for table, key in doubled_keys(output)]
    expected, found = read_all(reference), read_all(output)
    for table, rows in expected.items():
        lost = [row for row in rows if row not in found[table]]
        added = [row for row in found[table] if row not in rows]
        if lost or added:
            wrong.append(f"{table}: {len(lost)} rows lost or different, {len(added)} added, e.g. {(lost or added)[0]}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--per-output", type=int, default=5, help="kills of one output before it is left to finish")
    parser.add_argument("--longest-s", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--on", choices=["ray", "local"], default="ray", help="the reference is always made on Ray")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.s3:
            return campaign(Path(folder), str(Path(folder, "out")), arguments)
        from tests.servers.s3 import s3_server

        with s3_server() as bucket:
            return campaign(Path(folder), f"s3://{bucket}/out", arguments)


def campaign(folder: Path, output: str, arguments: argparse.Namespace) -> int:
    drop, log = folder / "drop", folder / "log"
    make_drop(drop)
    for number in range(8):
        make_pdf(drop / f"more-{number}.pdf", 1 + number)
    reference = f"{output}-reference"
    if run_once(str(drop), reference, log, None, "--on", "ray") != 0:
        raise SystemExit(log.read_text())
    killed, rounds, wrong = 0, 0, []
    while killed < arguments.kills:
        target = f"{output}-{rounds}"
        number = min(arguments.per_output, arguments.kills - killed)
        done = run_until_finished(
            str(drop), target, log, number, arguments.longest_s, arguments.seed + rounds, "--on", arguments.on
        )
        wrong += compare(reference, target)
        killed, rounds = killed + done, rounds + 1
        print(f"output {rounds}: killed {done} times, {killed} in all, {len(wrong)} differences", flush=True)
    for line in wrong:
        print(line)
    rows = sum(len(table) for table in read_all(reference).values())
    print(f"{killed} kills, {rounds} outputs of {rows} rows each: {len(wrong)} lost, doubled or different")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
