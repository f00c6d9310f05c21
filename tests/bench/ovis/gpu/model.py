"""A model of Ovis2.5-2B's sizes, or of toy sizes, with random weights, and pages for it."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.workers.engines.ovis.tiny import LLM, VIT
from workers.engines.ovis.batching.sequence import Picture
from workers.engines.ovis.model.configuration import Ovis2_5Config
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration

LLM_2B = {
    "hidden_size": 2048, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 6144, "vocab_size": 151_936, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000,
    "max_position_embeddings": 40_960, "tie_word_embeddings": True, "hidden_act": "silu",
}  # fmt: skip


def make_model(device: torch.device, dtype: torch.dtype, *, tiny: bool) -> Any:
    config = Ovis2_5Config(
        llm_config=LLM | {"vocab_size": 600, "max_position_embeddings": 8192} if tiny else LLM_2B,
        vit_config={key: value for key, value in VIT.items() if key != "torch_dtype"} if tiny else {},
        visual_vocab_size=96 if tiny else 65_536,
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Ovis2_5ForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.02)
    # Made under a half-precision default, the rotary frequencies would be rounded: they are computed again.
    rotary = model.llm.model.rotary_emb
    rotary.inv_freq = rotary.compute_default_rope_parameters(config.llm_config)[0].to(device)
    model.tie_weights()
    return model.eval()


def pages(images: ImageProcessor, count: int, dpi: int) -> list[Picture]:
    """A4 pages of noise at `dpi`, reduced to the 2B's own limit if need be. Each is another, so nothing is shared."""
    made = []
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, (round(11.69 * dpi), round(8.27 * dpi), 3), dtype=np.uint8)
        patches = images.patches([Image.fromarray(pixels)])
        made.append(Picture(seed.to_bytes(8, "little") * 2, patches.levels, patches.grid, patches.num_atoms))
    return made
