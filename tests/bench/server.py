"""Pages through a simulated endpoint of fixed capacity: Pagefold beside a plain client, the same pages, one after the other.

    python -m tests.bench.server --pages 400

The endpoint answers so many requests a second and no more. What is reported while active is from the first request to the last
answer: the share of the endpoint's capacity that was used. Pages are drawn at 150 dpi (larger ones at the area of A4 at 150 dpi),
one OCR request each, both clients encode JPEG q95. The endpoint itself runs in this process and is not counted.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.pages import ROOT, make_corpus
from tests.bench.plain_client import DPI, MAX_PIXELS
from tests.bench.process_tree import ProcessTree
from tests.servers.fake_openai import FakeOpenAI, running

LATENCY_S = 0.5
"""Of the endpoint, beside its queue."""


@dataclass
class Result:
    num_requests: int
    first_request_s: float
    active_s: float
    wall_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Requests a second while active."""
        return self.num_requests / self.active_s


def measured(command: Sequence[str], endpoint: FakeOpenAI) -> Result:
    """Ends the benchmark where the command fails."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with ProcessTree(process.pid, interval_s=0.25) as tree:
        process.wait()
    if process.returncode:
        sys.exit(f"{command[2]} ended with exit code {process.returncode}")
    active_s = max(endpoint.ends) - min(endpoint.times) - LATENCY_S
    first_s = min(endpoint.times) - started
    return Result(len(endpoint.times), first_s, active_s, time.monotonic() - started, sum(tree.cpu_by_role().values()))


def pagefold(corpus: Path, output: Path, endpoint: FakeOpenAI) -> list[str]:
    settings = {
        "engine.model": "ovis",
        "engine.server.base_url": endpoint.url,
        "read.tasks": '["ocr"]',
        "render.dpi_min": DPI,
        "render.dpi_max": DPI,
        "render.max_pixels": MAX_PIXELS,
    }
    more = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "pipeline", "run", str(corpus), str(output), "--engine", "server", "--quiet", *more]


def plain(corpus: Path, endpoint: FakeOpenAI) -> list[str]:
    return [sys.executable, "-m", "tests.bench.plain_client", str(corpus), endpoint.url]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--capacities", type=float, nargs="+", default=[8, 20], help="requests a second")
    arguments = parser.parse_args()
    print(f"{'capacity':>9}  {'client':10}{'requests':>9}{'per s':>8}{'of it':>7}{'first after':>13}{'CPU ms a page':>15}")
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name, "in")
        make_corpus(corpus, arguments.pages)
        for capacity in arguments.capacities:
            rates = {}
            for client in ("plain", "pagefold"):
                with running(FakeOpenAI(capacity_per_s=capacity, latency_s=LATENCY_S, keeps_requests=False)) as endpoint:
                    output = Path(name, f"out-{capacity}")
                    command = plain(corpus, endpoint) if client == "plain" else pagefold(corpus, output, endpoint)
                    result = measured(command, endpoint)
                rates[client] = result.rate
                print(
                    f"{capacity:7.0f}/s  {client:10}{result.num_requests:9}{result.rate:8.1f}{result.rate / capacity:7.0%}"
                    f"{result.first_request_s:11.1f} s{1000 * result.cpu_s / result.num_requests:15.0f}",
                    flush=True,
                )
            print(f"{'':9}  pagefold reaches {rates['pagefold'] / rates['plain']:.0%} of the plain client")


if __name__ == "__main__":
    main()
