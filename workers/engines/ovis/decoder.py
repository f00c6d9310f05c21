"""One forward of the language model over the paged cache: transformers' own Qwen3 layers, our attention under them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workers.engines.ovis.attention import NAME, Step


class Decoder:
    """Owns the key/value cache. The model's attention is switched to the paged one for good."""

    def __init__(self, llm: Any, num_blocks: int, block_tokens: int) -> None:
        config = llm.config
        self.llm, self.block_tokens, self.num_blocks = llm, block_tokens, num_blocks
        self.device, self.dtype = llm.device, llm.dtype
        self.vocab_size: int = config.vocab_size
        self.max_tokens = min(int(config.max_position_embeddings), num_blocks * block_tokens)
        """Longest request: what the model was trained for and what the cache holds."""
        shape = (config.num_hidden_layers, num_blocks, block_tokens, config.num_key_value_heads, config.head_dim)
        self.keys, self.values = (torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        llm.set_attn_implementation(NAME)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.llm.model.embed_tokens(tokens)

    def forward(self, embedded: Tensor, rows: Sequence["Row"]) -> Tensor:
        """[num_tokens, hidden], the rows' new tokens one after the other -> [len(rows), vocab_size] float32: the logits after
        each row's last token."""
        model = self.llm.model
        ends = torch.tensor([row.num_new for row in rows]).cumsum(0) - 1
        positions = torch.cat([torch.arange(row.length - row.num_new, row.length) for row in rows])
        longest = max(len(row.blocks) for row in rows)
        tables = torch.tensor([[*row.blocks, *[0] * (longest - len(row.blocks))] for row in rows])
        of_row = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([row.num_new for row in rows]))
        slots = tables[of_row, positions // self.block_tokens] * self.block_tokens + positions % self.block_tokens
        # From pageable memory, but small: CUDA stages them and returns, so the host runs on.
        ends, positions, tables, slots = (x.to(self.device, non_blocking=True) for x in (ends, positions, tables, slots))

        step = Step(self.keys, self.values, slots, tables, [row.num_new for row in rows], [row.length for row in rows])
        hidden = embedded[None]
        rotation = model.rotary_emb(hidden, positions[None])
        for layer in model.layers:
            hidden = layer(hidden, attention_mask=None, position_embeddings=rotation, step=step)
        return self.llm.lm_head(model.norm(hidden[0, ends])).float()


class Row:
    """One request's part of a forward: its blocks, how many tokens it has with the new ones, and how many are new."""

    __slots__ = ("blocks", "length", "num_new")

    def __init__(self, blocks: Sequence[int], length: int, num_new: int) -> None:
        self.blocks, self.length, self.num_new = blocks, length, num_new


def block_bytes(config: Any, block_tokens: int, dtype: torch.dtype) -> int:
    """Bytes of one block: keys and values of all layers."""
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * dtype.itemsize
    return int(per_token * block_tokens)
