"""One forward of the language model over the paged cache, on the weights and modules of transformers' own Qwen3.

The layers are walked here rather than by transformers: with norms, rotation and projections in as few operations as torch has
for them, a decode step of a tiny model takes half the time, and on a GPU half the kernel launches.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers.engines.ovis.attention import Step, attend


class Decoder:
    """Owns the key/value cache. The model itself stays as it is."""

    def __init__(self, llm: Any, num_blocks: int, block_tokens: int) -> None:
        config = llm.config
        self.llm, self.block_tokens, self.num_blocks = llm, block_tokens, num_blocks
        self.device, self.dtype = llm.device, llm.dtype
        self.vocab_size: int = config.vocab_size
        self.max_tokens = min(int(config.max_position_embeddings), num_blocks * block_tokens)
        """Longest request: what the model was trained for and what the cache holds."""
        shape = (config.num_hidden_layers, num_blocks, block_tokens, config.num_key_value_heads, config.head_dim)
        self.keys, self.values = (torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        self.layers = [Layer(layer, index) for index, layer in enumerate(llm.model.layers)]

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
        cos, sin = (x[0, :, None] for x in model.rotary_emb(embedded, positions[None]))
        hidden = embedded
        for layer in self.layers:
            hidden = layer.forward(hidden, cos, sin, step)
        return F.linear(normed(hidden[ends], model.norm), self.llm.lm_head.weight).float()


class Layer:
    """One decoder layer. Its projections of one input are laid side by side, and the modules keep views of them: no byte twice."""

    def __init__(self, layer: Any, index: int) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.layer, self.index = layer, index
        self.head_dim, self.scale, self.window = attention.head_dim, attention.scaling, attention.sliding_window
        self.attention_in = [attention.q_proj, attention.k_proj, attention.v_proj]
        self.attention_weight, self.attention_bias = side_by_side(self.attention_in)
        self.mlp_in = [mlp.gate_proj, mlp.up_proj]
        self.mlp_weight, self.mlp_bias = side_by_side(self.mlp_in)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, step: Step) -> Tensor:
        """[num_tokens, hidden]; `cos` and `sin` [num_tokens, 1, head_dim]."""
        layer, attention, mlp = self.layer, self.layer.self_attn, self.layer.mlp
        together = F.linear(normed(hidden, layer.input_layernorm), self.attention_weight, self.attention_bias)
        parts = torch.split(together, [projection.out_features for projection in self.attention_in], dim=-1)
        query, key, value = (part.view(len(hidden), -1, self.head_dim) for part in parts)
        query, key = (rotate(normed(x, norm), cos, sin) for x, norm in ((query, attention.q_norm), (key, attention.k_norm)))
        out = attend(self.index, query, key, value, step, scale=self.scale, window=self.window)
        hidden = hidden + F.linear(out.flatten(1), attention.o_proj.weight, attention.o_proj.bias)
        gate, up = F.linear(normed(hidden, layer.post_attention_layernorm), self.mlp_weight, self.mlp_bias).chunk(2, dim=-1)
        return hidden + F.linear(mlp.act_fn(gate) * up, mlp.down_proj.weight, mlp.down_proj.bias)


def side_by_side(projections: list[nn.Linear]) -> tuple[Tensor, Tensor | None]:
    """One weight (and bias) for several projections of the same input."""
    weight = torch.cat([projection.weight.data for projection in projections])
    bias = None if projections[0].bias is None else torch.cat([projection.bias.data for projection in projections])
    start = 0
    for projection in projections:
        span = slice(start, start + projection.out_features)
        projection.weight.data = weight[span]
        if bias is not None:
            projection.bias.data = bias[span]
        start = span.stop
    return weight, bias


def normed(x: Tensor, norm: Any) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Half-split rotation: [num_tokens, heads, head_dim]; `cos` and `sin` hold each angle twice, as transformers makes them."""
    half = x.shape[-1] // 2
    return torch.addcmul(x * cos, torch.cat((-x[..., half:], x[..., :half]), dim=-1), sin)


class Row:
    """One request's part of a forward: its blocks, how many tokens it has with the new ones, and how many are new."""

    __slots__ = ("blocks", "length", "num_new")

    def __init__(self, blocks: Sequence[int], length: int, num_new: int) -> None:
        self.blocks, self.length, self.num_new = blocks, length, num_new


def block_bytes(config: Any, block_tokens: int, dtype: torch.dtype) -> int:
    """Bytes of one block: keys and values of all layers."""
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * dtype.itemsize
    return int(per_token * block_tokens)
