"""Turns features into visual words: each atom gets probabilities over the visual vocabulary, and so a mix of its embeddings."""

import torch
from torch import Tensor, nn

from workers.engines.ovis.model.configuration import NUM_INDICATORS, Ovis2_5Config
from workers.engines.ovis.model.vision import Grid, VisionTower

CHUNK_ATOMS = 256
"""Atoms whose probabilities are in memory at once: 67 MB in float32 at the released vocabulary, where all 3,136 atoms of an image
would take 0.82 GB."""


class VisualTokenizer(nn.Module):
    def __init__(self, config: Ovis2_5Config) -> None:
        super().__init__()
        vit = config.vit_config
        num_words = config.visual_vocab_size - NUM_INDICATORS
        self.vit = VisionTower(vit)
        self.head = nn.Sequential(
            nn.Linear(vit.hidden_size * vit.hidden_stride**2, num_words, bias=False),
            nn.LayerNorm(num_words, eps=1e-5),  # torch's default, not the tower's layer_norm_eps
        )

    def features(self, patches: Tensor, grids: list[Grid]) -> Tensor:
        """[num_patches, channels * p * p] -> [num_atoms, hidden * m * m]."""
        return self.vit(patches, grids)

    def probabilities(self, features: Tensor) -> Tensor:
        """[num_atoms, visual_vocab_size - 4]: softmax in float32, rounded to the weights' dtype as in the reference."""
        logits = self.head(features)
        return torch.softmax(logits, dim=-1, dtype=torch.float32).to(logits.dtype)

    def embed(self, features: Tensor, table: Tensor) -> Tensor:
        """[num_atoms, hidden of the language model]. `table` is the whole visual embedding table; the indicators are left out,
        because they have no probability. Atoms are independent, so computing them in chunks gives the same numbers."""
        words = table[:-NUM_INDICATORS]
        return torch.cat([self.probabilities(chunk) @ words for chunk in torch.split(features, CHUNK_ATOMS)])
