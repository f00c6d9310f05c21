"""One forward of the language model over the paged cache, on the weights and modules of transformers' own Qwen3.

The layers are computed here and not by transformers. With norms, rotation and projections in as few operations as torch allows, a
decode step of a tiny model takes half the time, and on a GPU half the kernel launches.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers.engines.ovis.attention.cache_attention import Kernels, Padding, Step, Workspace, attend, is_short
from workers.engines.ovis.attention.splits import Splits, cut, most_splits
from workers.engines.ovis.attention.transfer import to_device

Numbers = npt.NDArray[np.int64]
MAX_STEP_TOKENS = 256
"""Most new tokens of a decode step with drafts: their logits of 152k float32 each take 156 MB."""


class Decoder:
    """Owns the key/value cache. The model itself stays as it is."""

    def __init__(self, llm: Any, num_blocks: int, block_tokens: int) -> None:
        config = llm.config
        self.llm, self.block_tokens, self.num_blocks = llm, block_tokens, num_blocks
        self.device, self.dtype = llm.device, llm.dtype
        self.vocab_size: int = config.vocab_size
        self.max_tokens = min(int(config.max_position_embeddings), num_blocks * block_tokens)
        """Longest request that the model was trained for and that the cache can hold."""
        # Two extra blocks. The first holds zeros and pads the tables, because masked values must be numbers (0 * NaN is NaN). The
        # second takes the writes of rows without a request, when a recorded step has more rows than there are requests.
        shape = (config.num_hidden_layers, num_blocks + 2, block_tokens, config.num_key_value_heads, config.head_dim)
        self.keys, self.values = (torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        self.workspace = Workspace()
        self.kernels = Kernels()
        self.recorded: Callable[[Tensor, Sequence[BatchRow]], Tensor | None] | None = None
        """Recorded decode steps (see `decode_graphs`). It gives None for a batch that has no recording."""
        self.norm, self.eps = llm.model.norm.weight, llm.model.norm.variance_epsilon
        self.layers = [Layer(layer, index) for index, layer in enumerate(llm.model.layers)]

    @property
    def zeros_block(self) -> int:
        return self.num_blocks

    @property
    def waste_block(self) -> int:
        return self.num_blocks + 1

    def embed(self, tokens: Tensor) -> Tensor:
        return self.llm.model.embed_tokens(tokens)

    def forward(self, embedded: Tensor, rows: Sequence["BatchRow"], *, all_logits: bool = False) -> Tensor:
        """[num_tokens, hidden], the rows' new tokens one after the other -> [len(rows), vocab_size] float32: the logits after
        each row's last token. `all_logits`: those after each new token, [num_tokens, vocab_size]."""
        num_new, lengths = [row.num_new for row in rows], [row.length for row in rows]
        tables = np.full((len(rows), -(-max(lengths) // self.block_tokens)), self.zeros_block, dtype=np.int64)
        for table, row in zip(tables, rows, strict=True):
            own = row.blocks[: len(table)]
            table[: len(own)] = own
        positions = np.concatenate([np.arange(row.length - row.num_new, row.length) for row in rows])
        firsts, ends = np.subtract(lengths, num_new), np.cumsum(num_new) - 1
        numbers = [tables, positions, self._slots(tables, positions, num_new), firsts, np.array(lengths), ends]
        is_padded = is_short(num_new) and len(set(num_new)) > 1
        if is_padded:
            numbers += padding(num_new)
        elif not is_short(num_new) and num_new != lengths:
            numbers.append(self._slots(tables, np.concatenate([np.arange(length) for length in lengths]), lengths))
        num_before = len(numbers)
        if self.kernels.decode is not None and is_short(num_new):
            numbers += cut([-(-length // self.block_tokens) for length in lengths], self.most_splits(len(rows)))
        blocks, at, slots, firsts_there, num_tokens, ends_there, *more = to_device(self.device, *numbers)
        more, splits = more[: num_before - 6], more[num_before - 6 :]
        step = Step(
            self.keys, self.values, slots=slots, tables=blocks, firsts=firsts_there, num_tokens=num_tokens, num_new=num_new,
            lengths=lengths, workspace=self.workspace, kernels=self.kernels, past=more[0] if more and not is_padded else None,
            padding=Padding(*more) if is_padded else None, splits=Splits(*splits) if splits else None,
        )  # fmt: skip
        return self.run(embedded, at, step, ends=None if all_logits or len(rows) == len(embedded) else ends_there)

    def decode(self, tokens: Tensor, rows: Sequence["BatchRow"]) -> Tensor:
        """[num_tokens, vocab_size] float32: the logits after each new token of each row. `tokens` [num_tokens] are on the device:
        the rows' new tokens one after the other, few of each. The result is valid until the next step."""
        logits = self.recorded(tokens, rows) if self.recorded is not None else None
        return self.forward(self.embed(tokens), rows, all_logits=True) if logits is None else logits

    def run(self, embedded: Tensor, positions: Tensor, step: Step, *, ends: Tensor | None) -> Tensor:
        """The part of a forward that happens on the device alone. `ends`: the tokens whose logits are wanted; None for all."""
        cos, sin = self.rotary(embedded, positions)
        hidden = embedded
        for layer in self.layers:
            hidden = layer.forward(hidden, cos, sin, step)
        if ends is not None:
            hidden = hidden[ends]
        return F.linear(normed(hidden, self.norm, self.eps), self.llm.lm_head.weight).float()

    def _slots(self, tables: Numbers, positions: Numbers, counts: Sequence[int]) -> Numbers:
        """Slots of the tokens at `positions`; the first `counts[0]` belong to the first row, and so on."""
        of_row = np.repeat(np.arange(len(counts)), counts)
        return tables[of_row, positions // self.block_tokens] * self.block_tokens + positions % self.block_tokens

    def most_splits(self, num_rows: int) -> int:
        """Number of splits into which the keys of so many rows may be cut."""
        return most_splits(num_rows, self.layers[0].heads[1])

    def wipe(self, blocks: Sequence[int]) -> None:
        """Zeroes the blocks of a request that gave NaN. The next user reads them behind its own tokens, masked, and a masked value
        must be a number."""
        (those,) = to_device(self.device, np.asarray(blocks, dtype=np.int64))
        for cache in (self.keys, self.values):
            cache[:, those] = 0

    def rotary(self, like: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines [num_tokens, 1, head_dim] for `rotate_tokens`, with the first half of the sines negated."""
        cos, sin = (x[0, :, None] for x in self.llm.model.rotary_emb(like, positions[None]))
        half = sin.shape[-1] // 2
        return cos, torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)


class Layer:
    """One decoder layer. Projections of one input are joined into one weight, of which the modules keep views, so no byte is stored
    twice."""

    def __init__(self, layer: Any, index: int) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.index, self.eps = index, layer.input_layernorm.variance_epsilon
        self.head_dim, self.scale, self.window = attention.head_dim, attention.scaling, attention.sliding_window
        self.attention_in = side_by_side([attention.q_proj, attention.k_proj, attention.v_proj])
        self.attention_out = attention.o_proj.weight, attention.o_proj.bias
        self.mlp_in = side_by_side([mlp.gate_proj, mlp.up_proj])
        self.mlp_out = mlp.down_proj.weight, mlp.down_proj.bias
        self.act = mlp.act_fn
        self.input_norm, self.mlp_norm = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
        heads, kv_heads = (projection.out_features // self.head_dim for projection in (attention.q_proj, attention.k_proj))
        self.heads = [heads, kv_heads]
        # [heads + key/value heads, head_dim], so that queries and keys are normed and rotated together.
        self.head_norm = torch.cat(
            [attention.q_norm.weight.expand(heads, -1), attention.k_norm.weight.expand(kv_heads, -1)]
        ).contiguous()

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, step: Step) -> Tensor:
        """[num_tokens, hidden]; `cos` and `sin` as `Decoder.rotary` gives them."""
        together = F.linear(normed(hidden, self.input_norm, self.eps), *self.attention_in).view(len(hidden), -1, self.head_dim)
        mixed, value = torch.split(together, [sum(self.heads), self.heads[1]], dim=1)
        mixed = rotate_tokens(F.rms_norm(mixed, (self.head_dim,), None, self.eps) * self.head_norm, cos, sin)
        query, key = torch.split(mixed, self.heads, dim=1)
        out = attend(self.index, query, key, value, step, scale=self.scale, window=self.window)
        hidden = hidden + F.linear(out.flatten(1), *self.attention_out)
        gate, up = F.linear(normed(hidden, self.mlp_norm, self.eps), *self.mlp_in).chunk(2, dim=-1)
        return hidden + F.linear(self.act(gate) * up, *self.mlp_out)


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


def normed(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), weight, eps)


def rotate_tokens(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Half-split rotation of [num_tokens, heads, head_dim]."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


def padding(num_new: Sequence[int]) -> list[Numbers]:
    """The arrays of `Padding` for rows with these numbers of packed tokens.

    >>> [array.tolist() for array in padding([1, 3])]
    [[0, 0, 0, 1, 2, 3], [0, 3, 4, 5]]
    """
    counts = np.array(num_new)[:, None]
    offsets = np.arange(counts.max())
    of_packed = np.cumsum(counts)[:, None] - counts + np.minimum(offsets, counts - 1)
    return [of_packed.ravel(), np.flatnonzero(offsets < counts)]


class BatchRow:
    """One request's part of a forward: its blocks, the number of its tokens with the new ones, and the number of new tokens."""

    __slots__ = ("blocks", "length", "num_new")

    def __init__(self, blocks: Sequence[int], length: int, num_new: int) -> None:
        self.blocks, self.length, self.num_new = blocks, length, num_new


def block_bytes(config: Any, block_tokens: int, dtype: torch.dtype) -> int:
    """Bytes of one block: keys and values of all layers."""
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * dtype.itemsize
    return int(per_token * block_tokens)
