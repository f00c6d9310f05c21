"""Chooses the attention kernels on CUDA: those that agree with the reference and are fastest on a page, tried before the first
request."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workers.engines.ovis.attention.cache_attention import MAX_QUERIES, DecodeAttention, Kernels, Step, Workspace, attend_rows
from workers.engines.ovis.attention.packed import PackedAttention, Segments, sdpa, varlen
from workers.engines.ovis.attention.splits import Splits, cut, most_splits
from workers.engines.ovis.attention.transfer import to_device
from workers.engines.ovis.decoding.decoder import Decoder
from workers.engines.ovis.decoding.device import is_sticky, synchronise

log = logging.getLogger(__name__)

TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 3e-2}
"""Largest allowed difference, relative to the largest number of the reference."""
PAGE_PATCHES, PAGE_TOKENS = 8192, 2500
"""Sizes for timing: the patches and prompt tokens of a page, about those of A4 at the 2B's own limit."""
DECODE_ROWS = 16
ROUNDS = 5


@torch.inference_mode()
def choose_kernels(decoder: Decoder, vit: Any, *, wanted: str = "auto") -> Kernels:
    """The kernels for the decoder and the vision tower, whose config is `vit`. `wanted` is `engine.ovis.attention`: `reference`, or
    `auto`, which measures on CUDA."""
    if wanted == "reference" or decoder.device.type != "cuda":
        return Kernels()
    num_heads, kv_heads = decoder.layers[0].heads
    device, dtype, head_dim = decoder.device, decoder.dtype, decoder.layers[0].head_dim
    packed: dict[str, PackedAttention] = {"sdpa": sdpa, "varlen": varlen}
    vision = Problem([PAGE_PATCHES, 1024, 1024], vit.num_attention_heads, vit.num_attention_heads, vit.head_dim, dtype, device)
    # The last prompt's beginning is in the cache already, as that of a page which is asked about again.
    pages = [PAGE_TOKENS, PAGE_TOKENS, 600]
    prompts = Problem(pages, num_heads, kv_heads, head_dim, dtype, device, num_new=[*pages[:2], 100])
    return Kernels(
        vision=packed[fastest("the vision tower", {name: vision.run(one, is_causal=False) for name, one in packed.items()}, dtype)],
        prompts=packed[fastest("prompts", {name: prompts.run(one, is_causal=True) for name, one in packed.items()}, dtype)],
        decode=choose_decode(decoder.keys, decoder.values, num_heads),
    )


class Problem:
    """Random numbers of a known shape, and attention on them. `num_new`: the queries of each segment, where they are fewer than its
    keys."""

    def __init__(
        self, lengths: Sequence[int], heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype, device: torch.device,
        *, num_new: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        generator = torch.Generator(device).manual_seed(0)
        self.queries, self.keys = Segments(num_new or lengths, device), Segments(lengths, device)
        # Strided like the output of joined projections.
        together = torch.randn(sum(lengths), heads + 2 * kv_heads, head_dim, generator=generator, device=device).to(dtype)
        query, self.key, self.value = torch.split(together, [heads, kv_heads, kv_heads], dim=1)
        self.query = query[: sum(self.queries.lengths)]

    def run(self, attention: PackedAttention, *, is_causal: bool) -> Callable[[], Tensor]:
        return lambda: attention(
            self.query, self.key, self.value, self.queries, self.keys, is_causal=is_causal, scale=self.query.shape[-1] ** -0.5
        )


def fastest(what: str, candidates: Mapping[str, Callable[[], Tensor]], dtype: torch.dtype) -> str:
    """The name of the fastest candidate that runs and agrees with the first, the reference. An error that breaks the device is
    raised."""
    reference, *others = candidates
    right = candidates[reference]()
    seconds = {reference: clocked(candidates[reference], right.device)}
    for name in others:
        try:
            error = relative_error(candidates[name](), right)
            if not error <= TOLERANCE[dtype]:
                log.warning("%s of %s is off by %.2g and is not used", name, what, error)
                continue
            seconds[name] = clocked(candidates[name], right.device)
        except Exception as problem:
            if is_sticky(problem):
                raise
            log.warning("%s of %s does not run here: %s: %s", name, what, type(problem).__name__, problem)
    chosen = min(seconds, key=lambda name: seconds[name])
    times = ", ".join(f"{name} {1e3 * each:.2f} ms" for name, each in seconds.items())
    log.info("attention of %s: %s (%s)", what, chosen, times)
    return chosen


def relative_error(said: Tensor, right: Tensor) -> float:
    """The largest difference relative to the largest number of `right`; infinite for NaN."""
    error = float((said.float() - right.float()).abs().max() / right.float().abs().max())
    return error if error == error else float("inf")


def clocked(run: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """Seconds of one call, averaged over several."""
    run()
    synchronise(device)
    started = time.perf_counter()
    for _ in range(rounds):
        run()
    synchronise(device)
    return (time.perf_counter() - started) / rounds


def choose_decode(keys: Tensor, values: Tensor, num_heads: int) -> DecodeAttention | None:
    """The kernel for decoding; None for the reference. `keys` and `values` are the cache: [layers, blocks, block_tokens, key/value
    heads, head_dim]."""
    block, kv_heads, head_dim = keys.shape[2:]
    try:
        from workers.engines.ovis.attention.paged import BLOCK_TOKENS, attend_decode

        if block not in BLOCK_TOKENS:
            log.warning("blocks of %d tokens fit no kernel (16, 32 or 64 do): decoding uses the reference", block)
            return None
        error = largest_error(attend_decode, block, num_heads, kv_heads, head_dim, keys.dtype, keys.device)
    except Exception as problem:
        if is_sticky(problem):
            raise
        log.warning("the paged kernel does not run here, decoding uses the reference: %s: %s", type(problem).__name__, problem)
        return None
    if not error <= TOLERANCE[keys.dtype]:
        log.warning("the paged kernel is off by %.2g, decoding uses the reference", error)
        return None
    per_row = -(-PAGE_TOKENS // block)
    rows = max(1, min(DECODE_ROWS, keys.shape[1] // per_row))
    length = min(PAGE_TOKENS, keys.shape[1] * block)
    tables = torch.arange(rows * per_row, device=keys.device).view(rows, per_row) % keys.shape[1]
    step, splits = _decode_step(keys, values, tables, [length] * rows, [1] * rows)
    query = torch.randn(rows, 1, num_heads, head_dim, device=keys.device).to(keys.dtype)
    given = query, keys[0], values[0]
    # Timed in the cache itself, because the blocks of `largest_error` fit the GPU's own cache and are read faster than a page's.
    for numbers in given[1:]:
        numbers.normal_()
    try:
        chosen = fastest(
            "decoding",
            {
                "reference": lambda: attend_rows(*given, step, head_dim**-0.5, None),
                "paged": lambda: attend_decode(*given, step.tables, step.firsts, step.num_tokens, splits, head_dim**-0.5),
            },
            keys.dtype,
        )
    finally:
        for numbers in given[1:]:
            numbers.zero_()
    return attend_decode if chosen == "paged" else None


@torch.inference_mode()
def largest_error(
    kernel: DecodeAttention, block: int, num_heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype, device: torch.device,
    *, num_rows: int = 64,
) -> float:  # fmt: skip
    """The kernel's largest error against the reference, on rows of random numbers: one token, whole blocks, and an
    incomplete block; one row and `num_rows`; one query and several, of which some rows have fewer."""
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device).to(dtype)

    keys, values = (normal(1, 40, block, kv_heads, head_dim) for _ in range(2))
    errors = []
    for lengths in ([7 * block + 5], [1, 3 * block, block - 1, 6 * block + 1] * (num_rows // 4)):
        tables = torch.randint(0, 40, (len(lengths), -(-max(lengths) // block)), generator=generator, device=device)
        for queries in (1, 3, MAX_QUERIES):
            num_new = [min(length, max(1, queries - (row - len(lengths) + 1) % 3)) for row, length in enumerate(lengths)]
            query = normal(len(lengths), queries, num_heads + kv_heads, head_dim)
            query = query[:, :, :num_heads]  # strided like the output of the joined projection
            step, splits = _decode_step(keys, values, tables, lengths, num_new)
            scale = head_dim**-0.5
            said = kernel(query, keys[0], values[0], tables, step.firsts, step.num_tokens, splits, scale)
            errors.append(relative_error(said, attend_rows(query, keys[0], values[0], step, scale, None)))
    return max(errors)


def _decode_step(keys: Tensor, values: Tensor, tables: Tensor, lengths: list[int], num_new: list[int]) -> tuple[Step, Splits]:
    device, (block, kv_heads) = keys.device, keys.shape[2:4]
    num_tokens = torch.tensor(lengths, device=device)
    firsts = num_tokens - torch.tensor(num_new, device=device)
    arrays = cut([-(-length // block) for length in lengths], most_splits(len(lengths), kv_heads))
    step = Step(keys, values, tables[:, 0], tables, firsts, num_tokens, num_new, lengths, Workspace())
    return step, Splits(*to_device(device, *arrays))
