"""SigLIP2-NaViT turns patches of many images, packed into one sequence, into features. Attention stays inside each image.

Rows are in merge order throughout: the m x m patches of one atom are consecutive, atoms run row by row over the image
(m = hidden_stride). A grid is (frames, rows, columns) in patches. Parameter names are the official checkpoint's.
"""

import functools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.activations import ACT2FN

from workers.engines.ovis.attention.packed import PackedAttention, Segments, sdpa
from workers.engines.ovis.model.configuration import Ovis2_5VisionConfig

Grid = tuple[int, int, int]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(query, key, value), each [num_patches, heads, head_dim] -> the same."""

ROPE_BASE = 10000.0


class Embeddings(nn.Module):
    """Embeds patches, and adds the absolute position table stretched to each image's grid."""

    def __init__(self, config: Ovis2_5VisionConfig) -> None:
        super().__init__()
        self.config = config
        size, channels = config.patch_size, config.num_channels
        self.patch_embedding: nn.Linear | nn.Conv2d
        if config.num_patches > 0:
            self.patch_embedding = nn.Linear(channels * size * size, config.hidden_size)
        else:
            self.patch_embedding = nn.Conv2d(channels, config.hidden_size, kernel_size=size, stride=size)
        if config.preserve_original_pe:
            self.side = config.image_size // size
            self.position_embedding = nn.Embedding(self.side**2, config.hidden_size)

    def forward(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """[num_patches, channels * p * p] -> [num_patches, hidden]."""
        weight, bias = self.patch_embedding.weight, self.patch_embedding.bias
        # A convolution whose stride is its kernel is a matrix product over flattened patches.
        embedded = F.linear(patches.to(weight.dtype), weight.flatten(1), bias)
        return embedded + self._positions(grids) if self.config.preserve_original_pe else embedded

    def _positions(self, grids: Sequence[Grid]) -> Tensor:
        table = self.position_embedding.weight.view(self.side, self.side, -1).permute(2, 0, 1).unsqueeze(0)
        stretched: dict[tuple[int, int], Tensor] = {}
        for _, rows, columns in grids:
            if (rows, columns) not in stretched:
                grid = F.interpolate(table, size=(rows, columns), mode="bicubic", align_corners=False)[0]
                stretched[rows, columns] = to_merge_order(grid.permute(1, 2, 0), self.config.hidden_stride)
        return torch.cat([stretched[rows, columns].repeat(frames, 1) for frames, rows, columns in grids])


class Attention(nn.Module):
    def __init__(self, config: Ovis2_5VisionConfig) -> None:
        super().__init__()
        self.num_heads, self.head_dim = config.num_attention_heads, config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor, rotation: tuple[Tensor, Tensor] | None, attend: Attend) -> Tensor:
        query, key, value = (
            projection(hidden).view(-1, self.num_heads, self.head_dim) for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        if rotation is not None:
            query, key = rotate_patches(query, *rotation), rotate_patches(key, *rotation)
        return self.out_proj(attend(query, key, value).flatten(1))


class MLP(nn.Module):
    def __init__(self, config: Ovis2_5VisionConfig) -> None:
        super().__init__()
        self.activation = ACT2FN[config.hidden_act]
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(hidden)))


class VisionBlock(nn.Module):
    def __init__(self, config: Ovis2_5VisionConfig) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.self_attn = Attention(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MLP(config)

    def forward(self, hidden: Tensor, rotation: tuple[Tensor, Tensor] | None, attend: Attend) -> Tensor:
        hidden = hidden + self.self_attn(self.layer_norm1(hidden), rotation, attend)
        return hidden + self.mlp(self.layer_norm2(hidden))


class VisionEncoder(nn.Module):
    def __init__(self, config: Ovis2_5VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(VisionBlock(config) for _ in range(config.num_hidden_layers))
        self.attention: PackedAttention = sdpa

    def forward(self, hidden: Tensor, grids: Sequence[Grid]) -> Tensor:
        """The last block's output. The checkpoint's post_layernorm is not applied, because the reference takes
        hidden_states[-1]."""
        config = self.config
        rotation = rotation_of(grids, config, hidden.device) if config.use_rope else None
        whole = self.within([rows * columns for frames, rows, columns in grids for _ in range(frames)], hidden.device)
        if not config.fullatt_block_indexes:
            for layer in self.layers:
                hidden = layer(hidden, rotation, whole)
            return hidden
        order, window_lengths = window_order(grids, config)
        order, windows = order.to(hidden.device), self.within(window_lengths, hidden.device)
        hidden = hidden[order]
        rotation = None if rotation is None else (rotation[0][order], rotation[1][order])
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden, rotation, whole if config.attends_fully(index) else windows)
        return hidden[torch.argsort(order)]

    def within(self, lengths: list[int], device: torch.device) -> Attend:
        """Attention of each segment to itself."""
        segments = Segments(lengths, device)
        return functools.partial(self.attention, queries=segments, keys=segments, is_causal=False, scale=None)


class VisionTransformer(nn.Module):
    def __init__(self, config: Ovis2_5VisionConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = VisionEncoder(config)

    def forward(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """[num_patches, channels * p * p] -> [num_patches, hidden]."""
        return self.encoder(self.embeddings(patches, grids), grids)


class VisionTower(nn.Module):
    """Turns patches into one feature per atom: the features of its m x m patches side by side."""

    def __init__(self, config: Ovis2_5VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_model = VisionTransformer(config)

    def forward(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """[num_patches, channels * p * p] -> [num_atoms, hidden * m * m]."""
        merged = self.config.hidden_size * self.config.hidden_stride**2
        return self.vision_model(patches, grids).view(-1, merged)


def to_merge_order(grid: Tensor, stride: int) -> Tensor:
    """[rows, columns, ...] -> [rows * columns, ...], stride x stride cells first."""
    rows, columns = grid.shape[:2]
    cells = grid.reshape(rows // stride, stride, columns // stride, stride, *grid.shape[2:])
    return cells.transpose(1, 2).reshape(rows * columns, *grid.shape[2:])


def rotation_of(grids: Sequence[Grid], config: Ovis2_5VisionConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines, float32, [num_patches, 1, head_dim / 2]. A quarter of the head turns with the row, a quarter with the
    column, both counted from 0 in each image. They are no buffer, because a buffer would lose float32 when the weights are cast."""
    half = config.head_dim // 2
    frequencies = ROPE_BASE ** -(torch.arange(0, half, 2, dtype=torch.float32, device=device) / half)
    angles = []
    for frames, rows, columns in grids:
        at = torch.cartesian_prod(torch.arange(rows, device=device), torch.arange(columns, device=device)).view(rows, columns, 2)
        turned = (to_merge_order(at, config.hidden_stride).float()[:, :, None] * frequencies).flatten(1)
        angles.append(turned.repeat(frames, 1))
    packed = torch.cat(angles).unsqueeze(1)
    return packed.cos(), packed.sin()


def rotate_patches(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Half-split rotation of [num_patches, heads, head_dim], computed in float32 and cast back."""
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)


def window_order(grids: Sequence[Grid], config: Ovis2_5VisionConfig) -> tuple[Tensor, list[int]]:
    """The order of rows window by window, and the windows' lengths. Windows are squares of `window_size` pixels, cut row by row
    over each frame; those at the edges are smaller."""
    stride = config.hidden_stride
    side = config.window_size // stride // config.patch_size
    orders, lengths = [], []
    start = 0
    for frames, rows, columns in grids:
        for _ in range(frames):
            cells = torch.arange(rows // stride * (columns // stride)).view(rows // stride, columns // stride)
            for band in torch.split(cells, side):
                for window in torch.split(band, side, dim=1):
                    orders.append(start + window.reshape(-1))
                    lengths.append(window.numel() * stride**2)
            start += cells.numel()
    atoms = torch.cat(orders)
    return (atoms[:, None] * stride**2 + torch.arange(stride**2)).view(-1), lengths
