"""Decode steps recorded as CUDA graphs, one for each of a few shapes (rows, new tokens of each row), and replayed.

A step has some hundreds of kernels. If the batch is small, the host launches them more slowly than the GPU runs them. A recorded
step reads its tokens, slots and tables from fixed places and is launched as a whole. Rows without a request, and tokens that a row
lacks, write to the cache's waste block. A shape is left out if its recording is not faster than the plain step.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workers.engines.ovis.attention.cache_attention import MAX_QUERIES, Step
from workers.engines.ovis.attention.splits import Splits, cut
from workers.engines.ovis.attention.transfer import pinned, to_device
from workers.engines.ovis.decoding.decoder import MAX_STEP_TOKENS, BatchRow, Decoder, Numbers
from workers.engines.ovis.decoding.device import still_works
from workers.engines.ovis.decoding.kernels import PAGE_TOKENS, TOLERANCE, clocked, relative_error

log = logging.getLogger(__name__)

Recorder = Callable[[Callable[[], None]], Callable[[], None]]
"""Runs a function once or more, and gives a function that repeats its work on the current content of the same places."""

SIZES = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Numbers of rows that are recorded. Rows without a request cost little, because the weights are read once for all rows."""


QUERIES = (MAX_QUERIES // 2, MAX_QUERIES)
"""New tokens of each row, besides 1, that are recorded: a request's last token and its draft."""


@dataclass(frozen=True, order=True)
class Shape:
    """A recorded step. Ordered by the work it does."""

    queries: int
    rows: int

    @property
    def num_tokens(self) -> int:
        return self.rows * self.queries

    def __str__(self) -> str:
        return f"{self.rows} rows" if self.queries == 1 else f"{self.rows} rows of {self.queries}"


def sizes_up_to(max_batch: int) -> list[int]:
    return [*(size for size in SIZES if size < max_batch), max_batch]


def shapes_up_to(max_batch: int, *, has_drafts: bool) -> list[Shape]:
    """Whole batches of one token a row; with drafts also half batches of several, because two halves take turns then."""
    shapes = [Shape(1, size) for size in sizes_up_to(max_batch)]
    if has_drafts:
        half = (max_batch + 1) // 2
        shapes += [Shape(queries, size) for queries in QUERIES for size in sizes_up_to(half) if size * queries <= MAX_STEP_TOKENS]
    return shapes


class DecodeGraphs:
    """Recorded decode steps, to be set as `Decoder.recorded`. `add` records a shape. `shapes`: all that may be added."""

    def __init__(self, decoder: Decoder, shapes: Sequence[Shape], record: Recorder) -> None:
        self._decoder, self._record = decoder, record
        self._width = -(-decoder.max_tokens // decoder.block_tokens)
        whole = {"dtype": torch.long, "device": decoder.device}
        most = max(shape.num_tokens for shape in shapes)
        self._numbers = torch.zeros(max(map(self._num_numbers, shapes)), **whole)
        self._tokens = torch.zeros(most, **whole)
        self._logits = torch.zeros(most, decoder.vocab_size, dtype=torch.float32, device=decoder.device)
        self._replays: dict[Shape, Callable[[], None]] = {}

    @property
    def shapes(self) -> list[Shape]:
        return sorted(self._replays)

    def add(self, shape: Shape) -> None:
        """Records a step of this shape."""
        self._fill([], shape)
        positions, slots, firsts, num_tokens, *splits, tables = self._places(shape)
        decoder, many = self._decoder, shape.num_tokens

        def run() -> None:
            step = Step(
                decoder.keys, decoder.values, slots=slots, tables=tables, firsts=firsts, num_tokens=num_tokens,
                num_new=[shape.queries] * shape.rows, lengths=[shape.queries] * shape.rows, workspace=decoder.workspace,
                kernels=decoder.kernels, splits=Splits(*splits),
            )  # fmt: skip
            self._logits[:many].copy_(decoder.run(decoder.embed(self._tokens[:many]), positions, step, ends=None))

        self._replays[shape] = self._record(run)

    def drop(self, shape: Shape) -> None:
        del self._replays[shape]

    def __call__(self, tokens: Tensor, rows: Sequence[BatchRow]) -> Tensor | None:
        """[num_tokens, vocab_size] float32, valid until the next call; None if no recorded shape is large enough. `tokens`
        [num_tokens] on the device: the rows' new tokens, one after the other."""
        counts = [row.num_new for row in rows]
        queries = max(counts)
        fitting = (shape for shape in self._replays if shape.rows >= len(rows) and shape.queries >= queries)
        shape = min(fitting, key=lambda shape: shape.num_tokens, default=None)
        if shape is None:
            return None
        places = self._fill(rows, shape)
        if len(places) == places[-1] + 1:  # every row has as many tokens as the shape
            self._tokens[: len(places)].copy_(tokens)
            self._replays[shape]()
            return self._logits[: len(places)]
        (there,) = to_device(self._decoder.device, places)
        self._tokens.index_copy_(0, there, tokens)
        self._replays[shape]()
        return self._logits.index_select(0, there)

    def _num_numbers(self, shape: Shape) -> int:
        return sum(self._sizes(shape))

    def _places(self, shape: Shape) -> list[Tensor]:
        """[positions, slots] of each token, [firsts, numbers of tokens] of each row, the four of `Splits`, the tables of all rows.
        They are contiguous, one after the other."""
        *flat, tables = torch.split(self._numbers[: self._num_numbers(shape)], self._sizes(shape))
        return [*flat, tables.view(shape.rows, self._width)]

    def _sizes(self, shape: Shape) -> list[int]:
        splits = self._decoder.most_splits(shape.rows)
        return [*[shape.num_tokens] * 2, *[shape.rows] * 2, *[splits] * 3, shape.rows + 1, shape.rows * self._width]

    def _fill(self, rows: Sequence[BatchRow], shape: Shape) -> Numbers:
        """Writes the step's numbers; the places of the rows' tokens in it."""
        block_tokens, waste = self._decoder.block_tokens, self._decoder.waste_block
        host = np.full(self._num_numbers(shape), waste, dtype=np.int64)
        positions, slots, firsts, num_tokens, *splits, tables = np.split(host, np.cumsum(self._sizes(shape))[:-1])
        positions[:], slots[:], firsts[:], num_tokens[:] = 0, waste * block_tokens, 0, 1
        for numbers in splits:
            numbers[:] = 0
        if rows:
            cuts = cut([-(-row.length // block_tokens) for row in rows], self._decoder.most_splits(shape.rows))
            for numbers, needed, rest in zip(splits, cuts, (0, 0, 0, cuts[-1][-1]), strict=True):  # the rest is empty
                numbers[: len(needed)], numbers[len(needed) :] = needed, rest
        tables = tables.reshape(shape.rows, self._width)
        places = []
        for index, row in enumerate(rows):
            tables[index, : len(row.blocks)] = row.blocks
            firsts[index], num_tokens[index] = row.length - row.num_new, row.length
            own = np.arange(row.num_new)
            at, place = firsts[index] + own, index * shape.queries + own
            positions[place] = at
            slots[place] = tables[index, at // block_tokens] * block_tokens + at % block_tokens
            places.append(place)
        there = torch.from_numpy(host)
        self._numbers[: len(host)].copy_(pinned(there) if self._numbers.is_cuda else there, non_blocking=True)
        return np.concatenate(places) if places else np.empty(0, dtype=np.int64)


def cuda_recorder() -> Recorder:
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
def record_decode(
    decoder: Decoder, max_batch: int, *, has_drafts: bool = False, record: Recorder | None = None
) -> DecodeGraphs | None:
    """Recorded steps for the shapes at which they are correct and faster; None if there are none. That is so without CUDA, without
    a decode kernel that takes lengths from the device, with sliding windows, and if recording fails, which the log says.

    `record`: for tests.
    """
    if record is None and decoder.device.type != "cuda":
        return None
    if decoder.kernels.decode is None or any(layer.window is not None for layer in decoder.layers):
        return None
    shapes = shapes_up_to(min(max_batch, decoder.num_blocks), has_drafts=has_drafts)
    with torch.inference_mode(mode=False):  # so that its tensors can be written in any mode
        graphs = DecodeGraphs(decoder, shapes, record or cuda_recorder())
    times = []
    for shape in sorted(shapes, key=lambda shape: -shape.num_tokens):  # largest first, so that the others reuse its memory
        try:
            graphs.add(shape)
            plain_s, recorded_s, error = _compare(decoder, graphs, shape)
        except Exception as problem:
            if not still_works(decoder.device):
                raise
            log.warning("decode steps of %s could not be recorded: %s: %s", shape, type(problem).__name__, problem)
            if shape in graphs.shapes:
                graphs.drop(shape)
            break
        if not error <= TOLERANCE[decoder.dtype]:
            log.warning("a recorded decode step of %s is off by %.2g and is not used", shape, error)
        times.append(f"{shape}: {1e3 * plain_s:.2f} -> {1e3 * recorded_s:.2f} ms")
        if recorded_s >= plain_s or not error <= TOLERANCE[decoder.dtype]:
            graphs.drop(shape)
    log.info("decode steps, plain -> recorded: %s", ", ".join(reversed(times)) or "none")
    return graphs if graphs.shapes else None


def _compare(decoder: Decoder, graphs: DecodeGraphs, shape: Shape) -> tuple[float, float, float]:
    """(seconds of a plain step, seconds of a recorded step, error of the recorded one). Rows have the length of a page, or less if
    the cache holds less."""
    length = min(PAGE_TOKENS, decoder.max_tokens, decoder.num_blocks // shape.rows * decoder.block_tokens)
    per_row = -(-length // decoder.block_tokens)
    # The lengths differ, so that rows which have changed places are noticed.
    rows = [
        BatchRow(range(row * per_row, (row + 1) * per_row), length - row % (decoder.block_tokens // 2), shape.queries)
        for row in range(shape.rows)
    ]
    tokens = torch.arange(shape.num_tokens, device=decoder.device) % decoder.vocab_size
    try:
        right = decoder.forward(decoder.embed(tokens), rows, all_logits=True)
        said = graphs(tokens, rows)
        assert said is not None
        error = relative_error(said, right)
        plain_s = clocked(lambda: decoder.forward(decoder.embed(tokens), rows, all_logits=True), decoder.device)
        recorded_s = clocked(lambda: graphs(tokens, rows), decoder.device)
    finally:
        decoder.wipe([block for row in rows for block in row.blocks])
    return plain_s, recorded_s, error
