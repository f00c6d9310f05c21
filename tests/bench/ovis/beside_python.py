"""Decode steps beside a busy Python thread, which shares the interpreter's lock with the engine's thread.

It is measured at several switch intervals, and with the busy thread in another process, which is what an engine in a process of its
own would gain.

    python -m tests.bench beside_python [--rounds N] [--turns N]

Two kinds of step. `tiny`: a tiny model's on the CPU, in which every torch call gives the lock away. `device`: one that takes 10 ms
for 64 rows (the 2B on an H200, by arithmetic) while the host, one step behind, fills its numbers, chooses tokens and reads them.
The device is a clock: a recorded step ends so long after the one before it, and waiting for it is sleeping. The other thread is
busy all the time, or a fifth of it in pieces of 5 ms, as where answers are parsed and pages are staged.

Printed are medians over rounds, in each of which all ways take turns: the time of a step as a multiple of its time alone, and the
share of its own pace that the busy thread keeps.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing import sharedctypes
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tests.workers.engines.ovis.tiny import make_checkpoint
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.scheduler import Scheduler
from workers.engines.ovis.batching.sequence import Sequence
from workers.engines.ovis.batching.steps import Pending
from workers.engines.ovis.checkpoint.loading import load_model
from workers.engines.ovis.decoding.decode_graphs import DecodeGraphs, Shape
from workers.engines.ovis.decoding.decoder import Decoder

BLOCK_TOKENS = 32
ROWS = {"tiny": 16, "device": 64}
DEVICE_STEP_S = 0.010
PIECE_S = 0.005
SHARES = (1.0, 0.2)
INTERVALS_S = (0.005, 0.0005, 0.0001)
DEFAULT_INTERVAL_S = 0.005


class Way(NamedTuple):
    name: str
    interval_s: float
    is_apart: bool


WAYS = [
    *(Way(f"one process, {1e3 * interval:g} ms", interval, False) for interval in INTERVALS_S),
    Way("a process of its own", DEFAULT_INTERVAL_S, True),
]


def burn(state: Any) -> None:
    """Python that never waits, for `state[0]` of the time; `state[1]` counts what it has done. A negative share ends it."""
    while (share := state[0]) >= 0:
        if not share:
            time.sleep(0.01)
            continue
        until = time.perf_counter() + PIECE_S
        while time.perf_counter() < until:
            for _ in range(200):
                pass
            state[1] += 1
        if share < 1:
            time.sleep(PIECE_S * (1 / share - 1))


class Device:
    """A clock in place of a GPU: a step ends `step_s` after the one before it, or after its launch."""

    def __init__(self, step_s: float) -> None:
        self._step_s, self.ends = step_s, 0.0

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        return self._replay

    def _replay(self) -> None:
        self.ends = max(time.perf_counter(), self.ends) + self._step_s

    def choose(self, choose: Callable[..., Pending]) -> Callable[..., Pending]:
        """`Steps.choose`, whose tokens arrive when the step ends."""

        def chosen(*given: Any) -> Pending:
            pending = choose(*given)
            pending.arrived = Arrival(self.ends)  # type: ignore[assignment]  # stands for an event
            return pending

        return chosen


class Arrival:
    def __init__(self, at: float) -> None:
        self._at = at

    def synchronize(self) -> None:
        time.sleep(max(0.0, self._at - time.perf_counter()))


class Bench:
    def __init__(self, num_turns: int) -> None:
        self._num_turns = num_turns
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = make_checkpoint(Path(folder), llm={"tie_word_embeddings": False, "num_hidden_layers": 4})
            self._model = load_model(checkpoint, dtype=torch.float32, device="cpu")

    def step_s(self, kind: str) -> float:
        """Seconds of one step, averaged over all turns: what counts is how many there are a second."""
        scheduler = self._scheduler(kind)
        while not scheduler.statistics.num_decode_steps >= 3:
            scheduler.turn()
        started = time.perf_counter()
        for _ in range(self._num_turns):
            scheduler.turn()
        return (time.perf_counter() - started) / self._num_turns

    @torch.inference_mode()
    def _scheduler(self, kind: str) -> Scheduler:
        rows = ROWS[kind]
        decoder = Decoder(self._model.llm, rows * -(-(100 + self._num_turns + 10) // BLOCK_TOKENS), BLOCK_TOKENS)
        encoder = ImageEncoder(self._model.embed_images, torch.zeros(3, 256), 8)
        scheduler = Scheduler(decoder, encoder, None, self._model.embed_prompt, max_batch=rows, is_ahead=kind == "device")
        if kind == "device":
            device = Device(DEVICE_STEP_S)
            decoder.recorded = graphs = DecodeGraphs(decoder, [Shape(1, rows)], device.record)
            graphs.add(Shape(1, rows))
            scheduler.steps.choose = device.choose(scheduler.steps.choose)  # type: ignore[method-assign]
        for row in range(rows):
            tokens = [(7 * row + at) % 400 for at in range(100)]
            scheduler.add(Sequence(tokens=tokens, pictures=(), max_new_tokens=10 * self._num_turns, stops=frozenset()))
        return scheduler


def pace(state: Any, seconds: float) -> float:
    """What the busy one does in a second, alone."""
    before = state[1]
    time.sleep(seconds)
    return float(state[1] - before) / seconds


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=100)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    bench = Bench(given.turns)
    here, there = (sharedctypes.RawArray("d", [0.0, 0.0]) for _ in range(2))
    thread = threading.Thread(target=burn, args=[here], daemon=True)
    process = multiprocessing.get_context("spawn").Process(target=burn, args=[there], daemon=True)
    thread.start(), process.start()
    ratios: dict[tuple[str, float, str], list[float]] = {}
    kept: dict[tuple[str, float, str], list[float]] = {}
    alone: dict[str, list[float]] = {kind: [] for kind in ROWS}
    try:
        for kind in ROWS:
            bench.step_s(kind)  # warm
        there[0] = SHARES[0]
        while not there[1]:  # it has started
            time.sleep(0.05)
        there[0] = 0.0
        for _ in range(given.rounds):
            for kind in ROWS:
                for share in SHARES:
                    here[0] = share
                    own_pace = pace(here, 0.3)
                    here[0] = 0.0
                    alone[kind].append(undisturbed := bench.step_s(kind))
                    for way in WAYS:
                        sys.setswitchinterval(way.interval_s)
                        state = there if way.is_apart else here
                        state[0] = share
                        time.sleep(0.02)
                        before, started = state[1], time.perf_counter()
                        ratios.setdefault((kind, share, way.name), []).append(bench.step_s(kind) / undisturbed)
                        done = (state[1] - before) / (time.perf_counter() - started)
                        kept.setdefault((kind, share, way.name), []).append(done / own_pace)
                        state[0] = 0.0
                        sys.setswitchinterval(DEFAULT_INTERVAL_S)
    finally:
        here[0] = there[0] = -1.0
        thread.join(), process.join()
    print(", ".join(f"{kind}: {1e3 * statistics.median(seconds):.2f} ms a step alone" for kind, seconds in alone.items()))
    print(
        f"{'a step as a multiple, [the pace that is kept]':46}"
        + "".join(f"{kind + f', busy {share:.0%}':>22}" for kind in ROWS for share in SHARES)
    )
    for way in WAYS:
        cells = [
            f"{statistics.median(ratios[kind, share, way.name]):5.2f} [{statistics.median(kept[kind, share, way.name]):.2f}]"
            for kind in ROWS
            for share in SHARES
        ]
        print(f"{way.name:46}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
