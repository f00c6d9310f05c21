"""Which kernel decoding uses: a paged one where it works and agrees with the reference, tried before the first request."""

import logging

import torch
from torch import Tensor

from workers.engines.ovis.attention import DecodeKernel, Step, Workspace, attend_uniform
from workers.engines.ovis.device import is_sticky

log = logging.getLogger(__name__)

TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 3e-2}
"""Between two right answers on numbers of size 1."""


def choose_kernel(cache: Tensor, num_heads: int, *, wanted: str = "auto") -> DecodeKernel | None:
    """None: the reference. `cache` is the keys' ([layers, blocks, block_tokens, key/value heads, head_dim]); `wanted` is
    `engine.ovis.attention`."""
    if wanted == "reference" or cache.device.type != "cuda":
        return None
    try:
        from workers.engines.ovis.paged_attention import BLOCK_TOKENS, attend_decode

        if cache.shape[2] not in BLOCK_TOKENS:
            log.warning("blocks of %d tokens fit no kernel (16, 32 or 64 do): decoding uses the reference", cache.shape[2])
            return None
        error = largest_error(attend_decode, cache, num_heads)
    except Exception as problem:
        if is_sticky(problem):
            raise
        log.warning("the paged kernel does not run here, decoding uses the reference: %s: %s", type(problem).__name__, problem)
        return None
    if not error <= TOLERANCE[cache.dtype]:
        log.warning("the paged kernel is off by %.2g, decoding uses the reference", error)
        return None
    return attend_decode


@torch.inference_mode()
def largest_error(kernel: DecodeKernel, cache: Tensor, num_heads: int) -> float:
    """Against the reference, on rows of random numbers: one token, whole blocks, and a block begun; one row and many."""
    block, kv_heads, head_dim = cache.shape[2:]
    generator = torch.Generator(cache.device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=cache.device).to(cache.dtype)

    keys, values = (normal(1, 40, block, kv_heads, head_dim) for _ in range(2))
    errors = []
    for lengths in ([7 * block + 5], [1, 3 * block, block - 1, 2 * block + 1] * 16):
        rows = len(lengths)
        tables = torch.randint(0, 40, (rows, -(-max(lengths) // block)), generator=generator, device=cache.device)
        query = normal(rows, num_heads + kv_heads, head_dim)[:, :num_heads]  # strided, as the projection leaves it
        step = Step(keys, values, tables[:, 0], tables, [1] * rows, lengths, Workspace())
        scale = head_dim**-0.5
        said = kernel(query, keys[0], values[0], tables, step.lengths_here, scale)
        errors.append(float((said.float() - attend_uniform(query, keys[0], values[0], step, scale, None).float()).abs().max()))
    return max(errors, key=lambda error: error if error == error else float("inf"))
