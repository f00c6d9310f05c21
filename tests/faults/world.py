"""Whole runs through the command line while S3, disk, memory or engine fail. Each run must end by itself, and in order.

    python -m tests.faults.world                 # all
    python -m tests.faults.world chaos full_disk # these
    python -m tests.faults.world --on local      # without Ray

The program prints the result and the duration of each case, and exits with 1 if one is not as promised. It takes about six minutes
on 2 cores.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pymupdf

from tests.faults.kill import ROOT, compare
from tests.pipeline.made_input import make_drop, make_pdf, write_script
from tests.pipeline.tables import doubled_keys, read_rows
from tests.servers.s3 import make_bucket, s3_endpoint
from tests.servers.s3_proxy import Chaos, Fault, Proxy, s3_proxy
from workers.sources.s3 import make_client


@dataclass
class Ended:
    code: int
    said: str
    """The text on stderr and stdout."""
    seconds: float


def pagefold(*arguments: str, limit_s: float = 240) -> Ended:
    started = time.monotonic()
    command = [sys.executable, "-m", "pipeline", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s, check=False)
    said = done.stderr + done.stdout
    assert "Traceback" not in said, said
    return Ended(done.returncode, said, time.monotonic() - started)


def run(input: str, output: str, *settings: str, engine: str = "scripted", limit_s: float = 240) -> Ended:
    more = [part for setting in ("plan.chunk_pages=2", "plan.shard_sources=3", *settings) for part in ("--set", setting)]
    return pagefold("run", input, output, "--engine", engine, *more, limit_s=limit_s)


class World:
    """A drop folder, local and on S3, and the result of an undisturbed run over it."""

    def __init__(self, folder: Path, proxy: Proxy) -> None:
        self.folder, self.proxy = folder, proxy
        self.drop = folder / "drop"
        make_drop(self.drop)
        for number in range(4):
            make_pdf(self.drop / f"more-{number}.pdf", 2 + number)
        self.bucket = make_bucket()
        client = make_client()
        for path in self.drop.iterdir():
            client.put_object(Bucket=self.bucket, Key=f"drop/{path.name}", Body=path.read_bytes())
        self.s3_drop = f"s3://{self.bucket}/drop"
        self.reference = str(folder / "reference")
        assert run(str(self.drop), self.reference).code == 0
        self.s3_reference = f"s3://{self.bucket}/reference"
        assert run(self.s3_drop, self.s3_reference).code == 0

    def script(self, name: str, *rules: dict[str, object]) -> str:
        return f"engine.scripted.script={write_script(self.folder / f'{name}.json', *rules)}"

    @contextmanager
    def broken(self, *faults: Fault, chaos: Chaos | None = None) -> Iterator[Proxy]:
        """Sends all requests to S3 through a proxy with these faults while the context is open."""
        before = os.environ["AWS_ENDPOINT_URL"]
        os.environ["AWS_ENDPOINT_URL"] = self.proxy.endpoint
        self.proxy.faults, self.proxy.chaos = list(faults), chaos
        try:
            yield self.proxy
        finally:
            self.proxy.faults, self.proxy.chaos, self.proxy.before = [], None, None
            os.environ["AWS_ENDPOINT_URL"] = before


def same(reference: str, output: str) -> None:
    assert compare(reference, output) == [], compare(reference, output)[:3]


def kinds(output: str) -> Counter[str]:
    return Counter(row["kind"] for row in read_rows(output, "failures"))


def chaos(world: World) -> str:
    """One request in twenty is throttled, refused, reset, cut, or its reply is lost."""
    output = f"s3://{world.bucket}/chaos"
    with world.broken(chaos=Chaos(0.05)) as proxy:
        ended = run(world.s3_drop, output)
        broken = proxy.chaos.num_broken.total() if proxy.chaos else 0
    assert ended.code == 0, ended.said
    same(world.s3_reference, output)
    return f"{broken} requests broken, the same tables"


def slow_listing(world: World) -> str:
    output = f"s3://{world.bucket}/slow"
    with world.broken() as proxy:
        proxy.before = lambda method, path: time.sleep(2) if method == "GET" and "list-type" in path else None
        ended = run(world.s3_drop, output)
    assert ended.code == 0, ended.said
    same(world.s3_reference, output)
    return "each listing takes 2 s more, the same tables"


def input_forbidden(world: World) -> str:
    """Two documents may not be read; with the permission back, they are read."""
    output = f"s3://{world.bucket}/forbidden"
    no = [Fault("GET", f"/drop/more-{number}.pdf", "status", times=1000, status=403, code="AccessDenied") for number in (1, 2)]
    with world.broken(*no):
        ended = run(world.s3_drop, output, f"fetch.cache_dir={world.folder / 'cold'}")  # else the node's cache has them
    assert ended.code == 0, ended.said
    assert kinds(output)["access_denied"] == 2, kinds(output)
    again = pagefold("retry", output, "--engine", "scripted")
    assert again.code == 0, again.said
    assert doubled_keys(output) == []
    assert len(read_rows(output, "pages")) == len(read_rows(world.s3_reference, "pages"))
    return "two failures `access_denied`, read by `pagefold retry`"


def output_forbidden(world: World) -> str:
    """Writing is forbidden in the middle of a run; with the permission back, the same command goes on."""
    output = f"s3://{world.bucket}/readonly"
    with world.broken() as proxy:
        staged: list[str] = []

        def revoke(method: str, path: str) -> None:
            if method == "PUT" and "/staging/" in path:
                staged.append(path)
                if len(staged) == 6:
                    proxy.faults = [Fault("PUT", "", "status", times=100_000, status=403, code="AccessDenied")]

        proxy.before = revoke
        ended = run(world.s3_drop, output)
    assert ended.code == 1, (ended.code, ended.said)
    assert re.search(r"(?i)denied|permission|403", ended.said), ended.said
    assert run(world.s3_drop, output).code == 0
    same(world.s3_reference, output)
    return "ends as incomplete and says why; goes on to the same tables"


def full_disk(world: World) -> str:
    """The output is on a file system of two megabytes, which other files fill."""
    with small_disk(world.folder / "small", "2m") as place:
        if place is None:
            return "skipped: no file system can be mounted here"
        ballast = place / "ballast"
        ballast.write_bytes(bytes((2 << 20) - 60_000))
        ended = run(str(world.drop), str(place / "out"))
        assert ended.code in (1, 2), (ended.code, ended.said)
        assert "space" in ended.said, ended.said
        ballast.unlink()
        again = run(str(world.drop), str(place / "out"))
        assert again.code == 0, again.said
        same(world.reference, str(place / "out"))
    return "one sentence; with room again, the same tables"


def full_temporary_disk(world: World) -> str:
    """The disk of Ray's folder fills up while pages are read. Ray's processes alone would die and restart for ever, without a
    message."""
    if os.environ.get("PAGEFOLD_RUN__ON") == "local":
        return "skipped: without Ray no pages lie there"
    output, before = str(world.folder / "no-room"), os.environ.get("TMPDIR")
    reference, slow = str(world.folder / "with-room"), world.script("slow", {"label": "*", "delay_s": 5})
    assert run(str(world.drop), reference, slow).code == 0  # the script is a part of the recipe, and so of the rows
    with small_disk(world.folder / "tmp", "300m") as place:
        if place is None:
            return "skipped: no file system can be mounted here"

        def fill() -> None:
            while not list(place.glob("pf-*/r/session_*/logs/worker-*")):
                time.sleep(0.2)
            with (place / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
                while True:
                    ballast.write(bytes(1 << 20))

        os.environ["TMPDIR"] = str(place)
        try:
            threading.Thread(target=fill, daemon=True).start()
            ended = run(str(world.drop), output, slow, "engine.max_requests=1")
            assert ended.code != 0, ended.said  # 1, or Ray has ended the whole process (a signal)
            assert "a disk of this machine is full" in ended.said, ended.said
            (place / "ballast").unlink()
            again = run(str(world.drop), output, slow)
            assert not list(place.glob("pf-*"))  # Ray may have ended the first run's whole process: then the second sweeps
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before
    assert again.code == 0, again.said
    same(reference, output)
    return f"one sentence after {ended.seconds:.0f} s; with room again, the same tables"


def spilling(world: World) -> str:
    """An object store of 80 MB, a slow reader, and pages that do not compress."""
    drop = world.folder / "large"
    drop.mkdir()
    for number in range(6):
        with pymupdf.open() as document:
            for _ in range(8):
                page = document.new_page()
                noise = pymupdf.Pixmap(pymupdf.csRGB, 900, 1200, os.urandom(900 * 1200 * 3), False)
                page.insert_image(page.rect, pixmap=noise)
            document.save(drop / f"noise-{number}.pdf", deflate=False)
    output = str(world.folder / "spilled")
    script = world.script("slow", {"label": "*", "delay_s": 1.0})
    ended = run(str(drop), output, "ray.object_store_bytes=83886080", "plan.chunk_pages=8", script)
    assert ended.code == 0, ended.said
    assert len(read_rows(output, "pages")) == 48
    return "48 pages of 3 MB each through a store of 80 MB"


def dying_engine(world: World) -> str:
    """The reader process dies at every page."""
    output = str(world.folder / "dying")
    # Each death costs a start of the process, some 4 s with Ray's pauses. A page that dies at once costs few other pages.
    script = world.script("dying", {"label": "*", "fault": "exit"})
    ended = run(str(world.drop), output, script, "plan.chunk_pages=1", limit_s=480)
    assert ended.code == 1, (ended.code, ended.said)
    assert "died, twice, at each of the last" in ended.said, ended.said
    (row,) = read_rows(output, "runs")
    assert row["status"] == "incomplete"
    return "ends as incomplete and says that the engine is broken"


def no_engine(world: World) -> str:
    """An engine that cannot start."""
    ended = run(
        str(world.drop),
        str(world.folder / "unborn"),
        "engine.model=m",
        "engine.server.base_url=http://127.0.0.1:9/v1",
        engine="server",
    )
    assert ended.code == 2, (ended.code, ended.said)
    assert "127.0.0.1:9" in ended.said
    return "one sentence, exit code 2"


def silence(world: World) -> str:
    """The engine hangs. After half a minute a line says which stage waits."""
    script = world.script("hanging", {"label": "*more-0*", "delay_s": 45})
    ended = run(str(world.drop), str(world.folder / "hung"), script)
    assert ended.code == 0, ended.said
    (line,) = re.findall(r"no news for .*", ended.said)[:1]
    assert "reading" in line, line
    return f"“{line}”"


def two_at_once(world: World) -> str:
    """Two runs start on one output. One works; the other names it and ends, or finds nothing left to do."""
    output = str(world.folder / "shared-out")
    command = [sys.executable, "-m", "pipeline", "run", str(world.drop), output, "--engine", "scripted", "--json"]
    command += ["--set", "plan.chunk_pages=2", "--set", "plan.shard_sources=3"]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=240) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 1], [0, 0]), (codes, said)
    assert not any("Traceback" in err for _, err in said)
    same(world.reference, output)
    finished = [json.loads(out)["status"] for out, _ in said if out.startswith("{")]
    return f"exit codes {codes}, {', '.join(finished)}; the same tables"


def paused_holder(world: World) -> str:
    """All processes of a run are paused while it reads. Another run takes its lease and finishes; then the first one wakes."""
    output = world.folder / "paused-out"
    script = world.script("slower", {"label": "*", "delay_s": 0.7})
    more = ("output.lease_ttl_s=12", script)
    command = [sys.executable, "-m", "pipeline", "run", str(world.drop), str(output), "--engine", "scripted"]
    command += ["--set", "plan.chunk_pages=1", "--set", "plan.shard_sources=3", "--set", "output.compression_level=1"]
    command += [part for setting in more for part in ("--set", setting)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while holder.poll() is None and len(list(output.rglob("*.arrow"))) < 4:
        time.sleep(0.02)
    tree = [psutil.Process(holder.pid), *psutil.Process(holder.pid).children(recursive=True)]
    for process in tree:
        process.suspend()
    try:
        while (ended := run(str(world.drop), str(output), *more)).code == 1:
            assert "lease" in ended.said, ended.said
            time.sleep(1)
        assert ended.code == 0, ended.said
        before = files_of(output)
    finally:
        for process in tree:
            process.resume()
    _, said = holder.communicate(timeout=240)
    assert holder.returncode == 1, said
    assert "Traceback" not in said, said
    assert files_of(output) == before
    undisturbed = str(world.folder / "slower-out")  # of the same script: it is part of the recipe
    assert run(str(world.drop), undisturbed, script).code == 0
    same(undisturbed, str(output))
    return "leaves as incomplete and has changed no file"


def files_of(output: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in output.rglob("*.parquet") if path.parent.name != "runs"}


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path | None]:
    """Mounts a small file system; None if none can be mounted."""
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)


def full_cache(world: World) -> str:
    """The disk of the node's cache holds the smallest documents only."""
    output = f"s3://{world.bucket}/uncached"
    with small_disk(world.folder / "cache", "8k") as place:
        if place is None:
            return "skipped: no file system can be mounted here"
        ended = run(world.s3_drop, output, f"fetch.cache_dir={place}")
        are_read = any(row["status"] == "ok" for row in read_rows(output, "pages"))  # several at once may leave room for none
        assert ended.code == (0 if are_read else 1), ended.said
    found = kinds(output)
    assert found["fetch_failed"] > 0, found
    assert run(world.s3_drop, output).code == 0
    assert doubled_keys(output) == []
    assert len([row for row in read_rows(output, "pages") if row["status"] == "ok"]) == len(read_rows(world.s3_reference, "pages"))
    return f"{found['fetch_failed']} failures `fetch_failed`; with room, the next run reads them by itself"


CASES: dict[str, Callable[[World], str]] = {
    case.__name__: case
    for case in (
        chaos,
        slow_listing,
        input_forbidden,
        output_forbidden,
        full_disk,
        full_temporary_disk,
        spilling,
        dying_engine,
        no_engine,
        silence,
        two_at_once,
        paused_holder,
        full_cache,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="case", help=", ".join(CASES))
    parser.add_argument("--on", choices=["ray", "local"], default="ray", help="the way that all runs take")
    arguments: Any = parser.parse_args()
    os.environ["PAGEFOLD_RUN__ON"] = arguments.on
    failed = 0
    with tempfile.TemporaryDirectory() as folder, s3_endpoint() as endpoint, s3_proxy(endpoint) as proxy:
        world = World(Path(folder), proxy)
        for name in arguments.cases or CASES:
            started = time.monotonic()
            try:
                outcome = CASES[name](world)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                outcome, failed = f"NOT AS PROMISED: {error}", failed + 1
            print(f"{name:18}{time.monotonic() - started:5.0f} s  {outcome}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
