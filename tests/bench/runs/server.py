"""Pages through a simulated endpoint of fixed capacity: Pagefold on Ray and in one process beside a plain client, the same pages.

    python -m tests.bench server --pages 400
    python -m tests.bench server --pages 116 --capacities 20 --clients plain local
    python -m tests.bench server --one           # a document of five pages: what a start costs

The endpoint answers so many requests a second and no more. What is reported while active is from the first request to the last
answer: the share of the endpoint's capacity that was used. Pages are drawn at 150 dpi (larger ones at the area of A4 at 150 dpi),
one OCR request each, both clients encode JPEG q95. The endpoint itself runs in this process and is not counted. Memory is the peak
of the sum of PSS of all processes.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.inputs.pages import make_corpus
from tests.bench.inputs.places import EXAMPLES, ROOT
from tests.bench.runs.plain_client import DPI, MAX_PIXELS
from tests.bench.runs.process_tree import ProcessTree
from tests.servers.fake_openai import FakeOpenAI, running

EXAMPLE = EXAMPLES / "report.pdf"


@dataclass
class Result:
    num_requests: int
    first_request_s: float
    active_s: float
    wall_s: float
    cpu_s: float
    peak_bytes: int
    num_processes: int
    cpu_by_role: dict[str, float]
    peak_by_role: dict[str, int]

    @property
    def rate(self) -> float:
        """Requests a second while active."""
        return self.num_requests / self.active_s


def measured(command: Sequence[str], endpoint: FakeOpenAI) -> Result:
    """Ends the benchmark where the command fails."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with ProcessTree(process.pid, interval_s=0.1) as tree:
        process.wait()
    wall_s = time.monotonic() - started
    if process.returncode:
        sys.exit(f"{command[2]} ended with exit code {process.returncode}")
    active_s = max(endpoint.ends) - min(endpoint.times) - endpoint.latency_s
    return Result(
        num_requests=len(endpoint.times),
        first_request_s=min(endpoint.times) - started,
        active_s=active_s,
        wall_s=wall_s,
        cpu_s=sum(tree.cpu_by_role().values()),
        peak_bytes=tree.peak_bytes,
        num_processes=len(tree.processes),
        cpu_by_role=tree.cpu_by_role(),
        peak_by_role=tree.peak_by_role,
    )


def pagefold(on: str, corpus: Path, output: Path, endpoint: FakeOpenAI) -> list[str]:
    settings = {
        "engine.model": "ovis",
        "engine.server.base_url": endpoint.url,
        "read.tasks": '["ocr"]',
        "render.dpi_min": DPI,
        "render.dpi_max": DPI,
        "render.max_pixels": MAX_PIXELS,
    }
    more = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "pipeline", "run", str(corpus), str(output), "--engine", "server", "--on", on, "--quiet", *more]


def plain(corpus: Path, endpoint: FakeOpenAI) -> list[str]:
    return [sys.executable, "-m", "tests.bench.runs.plain_client", str(corpus), endpoint.url]


def ask(client: str, corpus: Path, output: Path, capacity: float, latency_s: float) -> Result:
    with running(FakeOpenAI(capacity_per_s=capacity, latency_s=latency_s, keeps_requests=False)) as endpoint:
        command = plain(corpus, endpoint) if client == "plain" else pagefold(client, corpus, output, endpoint)
        return measured(command, endpoint)


def show(client: str, capacity: float, result: Result, base: Result | None) -> None:
    def times(own: float, plain: float) -> str:
        return f" {own / plain:5.2f}x" if base is not None and base is not result else " " * 7

    base = base or result
    page_ms = 1000 * result.cpu_s / result.num_requests
    print(
        f"{capacity:7.0f}/s  {client:6}{result.num_requests:9}{result.rate:7.1f}{result.rate / capacity:6.0%}"
        f"{times(result.rate, base.rate)}{result.first_request_s:8.1f} s{times(result.first_request_s, base.first_request_s)}"
        f"{page_ms:9.0f} ms{times(page_ms, 1000 * base.cpu_s / base.num_requests)}"
        f"{result.peak_bytes / 1e6:8.0f} MB{times(result.peak_bytes, base.peak_bytes)}{result.num_processes:6}"
        f"{result.wall_s:8.1f} s{times(result.wall_s, base.wall_s)}{result.cpu_s:8.1f} s",
        flush=True,
    )
    roles = sorted(result.cpu_by_role.items(), key=lambda item: -item[1])
    peaks = (f"{role} {result.peak_by_role.get(role, 0) / 1e6:.0f}" for role, _ in roles)
    print(f"{'':19}CPU s: {', '.join(f'{role} {cpu_s:.1f}' for role, cpu_s in roles)}; MB: {', '.join(peaks)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--capacities", type=float, nargs="+", default=[8, 20], help="requests a second")
    parser.add_argument("--latency-s", type=float, default=0.5, help="of the endpoint, beside its queue")
    parser.add_argument(
        "--clients",
        nargs="+",
        choices=["plain", "local", "ray"],
        help="in this order; one may come again",
        default=["plain", "local", "ray"],
    )
    parser.add_argument("--one", action="store_true", help="one document of five pages, instead of --pages")
    arguments = parser.parse_args()
    print(
        f"{'capacity':>9}  {'client':6}{'requests':>9}{'per s':>7}{'of it':>6}{'first after':>17}{'CPU a page':>19}{'peak':>18}"
        f"{'procs':>13}{'whole':>10}{'CPU':>17}"
    )
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name, "in")
        if arguments.one:
            corpus.mkdir()
            shutil.copy(EXAMPLE, corpus)
        else:
            make_corpus(corpus, arguments.pages)
        for capacity in arguments.capacities[-1:] if arguments.one else arguments.capacities:
            base = None
            for turn, client in enumerate(arguments.clients):
                output = Path(name, f"out-{client}-{capacity}-{turn}")
                result = ask(client, corpus, output, capacity, arguments.latency_s)
                base = result if client == "plain" else base
                show(client, capacity, result, base)


if __name__ == "__main__":
    main()
