"""Decode steps recorded as CUDA graphs, one for each of a few batch sizes, and replayed.

A step has some hundreds of kernels. If the batch is small, the host launches them more slowly than the GPU runs them. A recorded
step
reads its tokens, slots and tables from fixed places and is launched as a whole. Rows without a request write to the cache's waste
block. A size is left out if its recording is not faster than the plain step.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from workers.engines.ovis.attention.cache_attention import Step
from workers.engines.ovis.attention.transfer import pinned
from workers.engines.ovis.batching.decoder import BatchRow, Decoder
from workers.engines.ovis.batching.device import still_works
from workers.engines.ovis.batching.kernels import PAGE_TOKENS, TOLERANCE, clocked, relative_error

log = logging.getLogger(__name__)

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Runs a function once or more, and gives a function that repeats its work on the current content of the same places."""

SIZES = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Batch sizes that are recorded. Rows without a request cost little, because the weights are read once for all rows."""


def sizes_up_to(max_batch: int) -> list[int]:
    return [*(size for size in SIZES if size < max_batch), max_batch]


class DecodeGraphs:
    """Recorded decode steps, to be set as `Decoder.recorded`. `add` records a size."""

    def __init__(self, decoder: Decoder, max_batch: int, record: Record) -> None:
        self._decoder, self._record = decoder, record
        self._width = -(-decoder.max_tokens // decoder.block_tokens)
        whole = {"dtype": torch.long, "device": decoder.device}
        self._numbers = torch.zeros(max_batch * (3 + self._width), **whole)
        self._tokens = torch.zeros(max_batch, **whole)
        self._logits = torch.zeros(max_batch, decoder.vocab_size, dtype=torch.float32, device=decoder.device)
        self._replays: dict[int, Callable[[], None]] = {}

    @property
    def sizes(self) -> list[int]:
        return sorted(self._replays)

    def add(self, size: int) -> None:
        """Records a step of `size` rows."""
        self._fill([], size)
        positions, slots, num_tokens, tables = self._places(size)
        decoder = self._decoder

        def run() -> None:
            step = Step(
                decoder.keys, decoder.values, slots=slots, tables=tables, num_tokens=num_tokens, num_new=[1] * size,
                lengths=[1] * size, workspace=decoder.workspace, kernels=decoder.kernels,
            )  # fmt: skip
            embedded = decoder.embed(self._tokens[:size])
            self._logits[:size].copy_(decoder.run(embedded, positions, step, ends=None))

        self._replays[size] = self._record(run)

    def drop(self, size: int) -> None:
        del self._replays[size]

    def __call__(self, tokens: Tensor, rows: Sequence[BatchRow]) -> Tensor | None:
        """[len(rows), vocab_size] float32, valid until the next call; None if no recorded size has so many rows. `tokens`
        [len(rows)]
        on the device: each row's new token."""
        size = min((size for size in self._replays if size >= len(rows)), default=None)
        if size is None:
            return None
        self._fill(rows, size)
        self._tokens[: len(rows)].copy_(tokens)
        self._replays[size]()
        return self._logits[: len(rows)]

    def _places(self, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(positions, slots, numbers of tokens), [size] each, and tables [size, blocks]. They are contiguous, one after the
        other."""
        numbers = self._numbers[: size * (3 + self._width)]
        positions, slots, num_tokens, tables = torch.split(numbers, [size, size, size, size * self._width])
        return positions, slots, num_tokens, tables.view(size, self._width)

    def _fill(self, rows: Sequence[BatchRow], size: int) -> None:
        block_tokens, waste = self._decoder.block_tokens, self._decoder.waste_block
        host = np.full(size * (3 + self._width), waste, dtype=np.int64)
        host[:size], host[size : 2 * size], host[2 * size : 3 * size] = 0, waste * block_tokens, 1
        tables = host[3 * size :].reshape(size, self._width)
        for index, row in enumerate(rows):
            at = row.length - 1
            tables[index, : len(row.blocks)] = row.blocks
            host[index], host[2 * size + index] = at, row.length
            host[size + index] = row.blocks[at // block_tokens] * block_tokens + at % block_tokens
        there = torch.from_numpy(host)
        self._numbers[: len(host)].copy_(pinned(there) if self._numbers.is_cuda else there, non_blocking=True)


def cuda_recorder() -> Record:
    """A recorder of CUDA graphs. The graphs share one pool of memory, because they run one after the other."""
    pool = torch.cuda.graph_pool_handle()

    def record(run: Callable[[], None]) -> Callable[[], None]:
        current, beside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(current)
        with torch.cuda.stream(beside):  # compiles kernels, and lets libraries allocate the memory that they keep
            run()
            run()
        current.wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            run()
        replay: Callable[[], None] = graph.replay
        return replay

    return record


@torch.inference_mode()
def record_decode(decoder: Decoder, max_batch: int, *, record: Record | None = None) -> DecodeGraphs | None:
    """Recorded steps for the sizes at which they are correct and faster; None if there are none. That is so without CUDA, without a
    decode kernel that takes lengths from the device, with sliding windows, and if recording fails, which the log says.

    `record`: for tests.
    """
    if record is None and decoder.device.type != "cuda":
        return None
    if decoder.kernels.decode is None or any(layer.window is not None for layer in decoder.layers):
        return None
    with torch.inference_mode(mode=False):  # so that its tensors can be written in any mode
        graphs = DecodeGraphs(decoder, max_batch, record or cuda_recorder())
    times = []
    for size in reversed(sizes_up_to(min(max_batch, decoder.num_blocks))):  # largest first, so that the others reuse its memory
        try:
            graphs.add(size)
            plain_s, recorded_s, error = _compare(decoder, graphs, size)
        except Exception as problem:
            if not still_works(decoder.device):
                raise
            log.warning("decode steps of %d rows could not be recorded: %s: %s", size, type(problem).__name__, problem)
            if size in graphs.sizes:
                graphs.drop(size)
            break
        if not error <= TOLERANCE[decoder.dtype]:
            log.warning("a recorded decode step of %d rows is off by %.2g and is not used", size, error)
        times.append(f"{size}: {1e3 * plain_s:.2f} -> {1e3 * recorded_s:.2f} ms")
        if recorded_s >= plain_s or not error <= TOLERANCE[decoder.dtype]:
            graphs.drop(size)
    log.info("decode steps, plain -> recorded: %s", ", ".join(reversed(times)) or "none")
    return graphs if graphs.sizes else None


def _compare(decoder: Decoder, graphs: DecodeGraphs, size: int) -> tuple[float, float, float]:
    """(seconds of a plain step, seconds of a recorded step, error of the recorded one). Rows have the length of a page, or less if
    the
    cache holds less."""
    length = min(PAGE_TOKENS, decoder.max_tokens, decoder.num_blocks // size * decoder.block_tokens)
    per_row = -(-length // decoder.block_tokens)
    # The lengths differ, so that rows which have changed places are noticed.
    rows = [BatchRow(range(row * per_row, (row + 1) * per_row), length - row % decoder.block_tokens, 1) for row in range(size)]
    tokens = torch.arange(size, device=decoder.device) % decoder.vocab_size
    try:
        right = decoder.forward(decoder.embed(tokens), rows)
        said = graphs(tokens, rows)
        assert said is not None
        error = relative_error(said, right)
        plain_s = clocked(lambda: decoder.forward(decoder.embed(tokens), rows), decoder.device)
        recorded_s = clocked(lambda: graphs(tokens, rows), decoder.device)
    finally:
        decoder.wipe([block for row in rows for block in row.blocks])
    return plain_s, recorded_s, error
