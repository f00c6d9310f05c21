"""Continuous batching against one request after the other and against static batches, on the CPU with a tiny model, in one run.

`python -m tests.bench engine [--requests N] [--rounds N] [--slots N] [--lengths tailed|uniform] [--no-drafts]`: throughput, ratios,
and decode steps against the ideal, each round with requests of its own, and the medians. All three say the same tokens; a
difference ends the benchmark with 1. One thread, and seconds are CPU seconds, so that the ratios hold on a machine that does other
things too.

Then drafts are used of which a share of the tokens is right. As deep as if tokens cost nothing, they say how many steps are saved.
As deep as the engine makes them by what it measures here, they say what is saved on a CPU.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.workers.engines.ovis.tiny import make_checkpoint
from workers.engines.ovis.batching.drafting import Drafting, step_cost
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.scheduler import Scheduler
from workers.engines.ovis.batching.sequence import Picture, Sequence
from workers.engines.ovis.checkpoint.files import read_json
from workers.engines.ovis.checkpoint.loading import load_model
from workers.engines.ovis.decoding.decoder import Decoder
from workers.engines.ovis.drafts.depth import StepCost
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.prompt import ATOM, INDICATORS

BLOCK_TOKENS = 32
SHARES = (0.0, 0.5, 0.9)
SEQUENTIAL_SHARE = 16
"""Every sixteenth request is also run alone; the others would take as long a token."""


class Bench:
    def __init__(self, num_requests: int, num_slots: int, lengths: str, seed: int) -> None:
        self.num_slots, self.lengths = num_slots, lengths
        with tempfile.TemporaryDirectory() as folder:
            # untied, because a tied tiny model says one token for ever; the sizes of a toy, where overhead is what is measured
            checkpoint = make_checkpoint(Path(folder), llm={"tie_word_embeddings": False, "num_hidden_layers": 4})
            self.engine, self.model = (load_model(checkpoint, dtype=torch.float32, device="cpu") for _ in range(2))
            self.images = ImageProcessor(
                self.model.config.vit_config, read_json(checkpoint / "preprocessor_config.json"), min_pixels=1024
            )
        self._num_requests, self._seed = num_requests, seed
        self.requests = self._requests(num_requests, random.Random(seed))

    def _requests(self, count: int, rng: random.Random) -> list[Sequence]:
        """Prompts of 100 to 600 tokens, a third of them image; outputs of 20 to 300 tokens, of fixed length. `tailed`: as pages
        are, most of them short and a few long (exponential, mean 80 above the least); `uniform`: any length as likely."""
        requests = []
        for index in range(count):
            pixels = np.random.default_rng(index).integers(0, 256, (rng.choice([160, 256]), 320, 3), dtype=np.uint8)
            patches = self.images.patches([Image.fromarray(pixels)])
            picture = Picture(index.to_bytes(8, "little") * 2, patches.levels, patches.grid, patches.num_atoms)
            text = [rng.randrange(400) for _ in range(rng.randrange(100, 600) - picture.num_atoms - 2)]
            tokens = [*text[:3], INDICATORS[0], *[ATOM] * picture.num_atoms, INDICATORS[1], *text[3:]]
            length = rng.randrange(20, 301) if self.lengths == "uniform" else min(300, 20 + int(rng.expovariate(1 / 80)))
            requests.append(Sequence(tokens=tokens, pictures=(picture,), max_new_tokens=length, stops=frozenset()))
        return requests

    def embedded(self, sequence: Sequence) -> torch.Tensor:
        (picture,) = sequence.pictures
        atoms = self.model.embed_images(torch.from_numpy(self.images.normalise(picture.levels)), [picture.grid])
        return self.model.embed_prompt(torch.tensor(sequence.tokens[: sequence.num_prompt]), atoms)

    def generate(self, embedded: torch.Tensor, mask: torch.Tensor | None, num_tokens: int) -> Any:
        return self.model.generate(
            inputs_embeds=embedded,
            attention_mask=mask,
            max_new_tokens=num_tokens,
            min_new_tokens=num_tokens,
            do_sample=False,
            pad_token_id=0,
        )

    def sequential(self) -> dict[int, list[int]]:
        chosen = range(0, len(self.requests), SEQUENTIAL_SHARE)
        return {
            index: self.generate(self.embedded(self.requests[index])[None], None, self.requests[index].max_new_tokens)[0].tolist()
            for index in chosen
        }

    def static(self) -> dict[int, list[int]]:
        """Left-padded batches in order of arrival, each as long as its longest request."""
        said = {}
        for start in range(0, len(self.requests), self.num_slots):
            batch = self.requests[start : start + self.num_slots]
            rows = [self.embedded(sequence) for sequence in batch]
            longest = max(map(len, rows))
            padded = torch.stack([torch.nn.functional.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
            mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
            out = self.generate(padded, mask, max(sequence.max_new_tokens for sequence in batch)).tolist()
            said |= {start + row: tokens[: batch[row].max_new_tokens] for row, tokens in enumerate(out)}
        return said

    def continuous(self) -> dict[int, list[int]]:
        return self._run(self.requests, None)

    def drafted(self, said: dict[int, list[int]], share: float, cost: StepCost | None) -> dict[int, list[int]]:
        """The same requests again, with drafts of which a `share` of the tokens is right. `cost`: None for the measured one."""
        requests = self._requests(self._num_requests, random.Random(self._seed))
        for index, sequence in enumerate(requests):
            sequence.drafter = Guess(said[index], share, random.Random(index))
        return self._run(requests, cost or step_cost(self._decoder(), self.num_slots))

    def _decoder(self) -> Decoder:
        return Decoder(self.engine.llm, self.num_slots * -(-1000 // BLOCK_TOKENS) + 64, BLOCK_TOKENS)

    def _run(self, requests: list[Sequence], cost: StepCost | None) -> dict[int, list[int]]:
        encoder = ImageEncoder(self.engine.embed_images, torch.from_numpy(self.images.levels), 8)
        self.scheduler = Scheduler(
            self._decoder(), encoder, None, self.engine.embed_prompt, max_batch=self.num_slots,
            drafting=Drafting(cost) if cost else None,
        )  # fmt: skip
        for sequence in requests:
            self.scheduler.add(sequence)
        while not self.scheduler.is_idle:
            self.scheduler.turn()
        return {index: sequence.new_tokens for index, sequence in enumerate(requests)}


class Guess:
    """Proposes the answer, in which each token is right with the chance `share`."""

    def __init__(self, answer: list[int], share: float, rng: random.Random) -> None:
        self._answer, self._share, self._rng = answer, share, rng

    def propose(self, answer: Many[int], most: int) -> list[int]:
        told = self._answer[len(answer) : len(answer) + most]
        return [token if self._rng.random() < self._share else (token + 1) % 400 for token in told]


def timed(run: Callable[[], dict[int, list[int]]]) -> tuple[dict[int, list[int]], float]:
    """What was said, and tokens per CPU second."""
    started = time.process_time()
    with torch.inference_mode():
        said = run()
    return said, sum(map(len, said.values())) / (time.process_time() - started)


@dataclass(frozen=True)
class Round:
    """Tokens per CPU second of the three ways, and how many decode steps the third took over the least possible."""

    alone: float
    static: float
    ours: float
    steps: float

    def __str__(self) -> str:
        rates = f"{self.alone:10.0f} {self.static:10.0f} {self.ours:10.0f}"
        return f"{rates} {self.ours / self.alone:9.1f}x {self.ours / self.static:9.1f}x {self.steps:9.3f}x"


def compared(bench: Bench) -> tuple[Round, dict[int, list[int]], list[int]]:
    """The round, what was said, and the requests that said something else alone or in a static batch."""
    bench.generate(bench.embedded(bench.requests[0])[None], None, 5)  # warm
    alone, alone_rate = timed(bench.sequential)
    static, static_rate = timed(bench.static)
    ours, rate = timed(bench.continuous)
    ideal = sum(map(len, ours.values())) / bench.num_slots
    steps = bench.scheduler.statistics.num_decode_steps / ideal
    different = [index for index, tokens in ours.items() if tokens != static[index] or tokens != alone.get(index, tokens)]
    return Round(alone_rate, static_rate, rate, steps), ours, different


def drafts(bench: Bench, ours: dict[int, list[int]], rate: float) -> list[int]:
    """Prints what drafts save. Gives the requests that said something else with them."""
    different: list[int] = []
    num_tokens, steps = sum(map(len, ours.values())), bench.scheduler.statistics.num_decode_steps
    print("drafts right    steps, tokens free    tokens/CPU s, as measured")
    for share in SHARES:
        free, _ = timed(lambda: bench.drafted(ours, share, StepCost(1.0, 0.0)))  # noqa: B023  # called at once
        saved = bench.scheduler.statistics.num_decode_steps / steps
        measured, drafted_rate = timed(lambda: bench.drafted(ours, share, None))  # noqa: B023
        accepted = bench.scheduler.statistics.num_accepted / num_tokens
        print(
            f"{share:12.0%} {saved:14.2f}x {drafted_rate:21.0f}   {drafted_rate / rate:.2f}x, {accepted:.0%} of the tokens drafted"
        )
        different += [index for index, tokens in ours.items() if not tokens == free[index] == measured[index]]
    return different


def main(arguments: list[str] | None = None) -> int:
    """0; 1 when a request said something else than alone or in a static batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--lengths", choices=["tailed", "uniform"], default="tailed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-drafts", action="store_true")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{given.requests} requests ({given.lengths}), {given.slots} slots, one thread, torch {torch.__version__}")
    print(f"tokens/CPU s: {'alone':>13} {'static':>10} {'ours':>10} {'/ alone':>10} {'/ static':>10} {'steps':>10}", flush=True)
    rounds, different = [], []
    for number in range(given.rounds):
        bench = Bench(given.requests, given.slots, given.lengths, given.seed + number)
        one, ours, others = compared(bench)
        rounds.append(one)
        different += others
        print(f"{f'round {number + 1}':16}{one}", flush=True)
    ratios = [[one.ours / one.alone for one in rounds], [one.ours / one.static for one in rounds], [one.steps for one in rounds]]
    against_alone, against_static, steps = map(median, ratios)
    print(f"medians: {against_alone:.1f}x of one after the other, {against_static:.1f}x of static batches, steps {steps:.2f}x")
    if not given.no_drafts:
        different += drafts(bench, ours, rounds[-1].ours)
    if different:
        print(f"requests that said something else: {different}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
