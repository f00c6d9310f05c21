"""The configuration of Ovis2.5, with the keys of the official `config.json`. Every size is read from there; none is hard-wired.

The defaults are those of the released vision tower, for configs that leave a key out.
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen3Config

# Keys of the checkpoint's sub-configs that say how it was saved and nothing about the model. Their dtype is wrong; the top level's
# is right.
_NOT_THE_MODELS = ("architectures", "torch_dtype", "dtype", "_attn_implementation_autoset", "_name_or_path", "transformers_version")

NUM_INDICATORS = 4
"""Rows at the end of the visual embedding table: image begin, image end, video begin, video end."""


class Ovis2_5VisionConfig(PreTrainedConfig):  # type: ignore[misc]  # transformers is not typed
    """SigLIP2-NaViT: a vision transformer over packed patches of images of any size."""

    model_type = "siglip2_navit"
    base_config_key = "vit_config"

    hidden_size: int = 1152
    intermediate_size: int = 4304
    num_hidden_layers: int = 27
    num_attention_heads: int = 16
    num_channels: int = 3
    num_patches: int = -1
    """If above 0, the patch embedding is stored as a Linear and not as a convolution."""
    image_size: int = 512
    """Side of the square whose position table was trained, pixels."""
    patch_size: int = 16
    hidden_act: str = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6
    attention_dropout: float = 0.0
    hidden_stride: int = 2
    """Patches per side of one atom, the cell that the language model sees."""
    window_size: int = 112
    fullatt_block_indexes: str | None = None
    """Blocks that attend over the whole image, such as `0|2`; the others attend within windows. None or empty for all blocks."""
    temporal_patch_size: int = 1
    preserve_original_pe: bool = True
    use_rope: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.temporal_patch_size != 1:
            raise ValueError(f"temporal_patch_size is {self.temporal_patch_size}; the patch embedding takes 1 only")
        if self.hidden_size % self.num_attention_heads or (self.use_rope and self.head_dim % 4):
            raise ValueError(f"hidden_size {self.hidden_size} does not make {self.num_attention_heads} heads of a multiple of 4")

    @property
    def head_dim(self) -> int:
        return int(self.hidden_size // self.num_attention_heads)

    @property
    def cell_px(self) -> int:
        """Side of one atom in pixels. Image sides are multiples of it."""
        return int(self.patch_size * self.hidden_stride)

    def attends_fully(self, layer: int) -> bool:
        if not self.fullatt_block_indexes:
            return True
        return layer in {int(index) for index in self.fullatt_block_indexes.split("|")}


class Ovis2_5Config(PreTrainedConfig):  # type: ignore[misc]
    """The whole model: a Qwen3 language model, the vision tower, and the table of visual words between them."""

    model_type = "ovis2_5"
    sub_configs: ClassVar[dict[str, type]] = {"llm_config": Qwen3Config, "vit_config": Ovis2_5VisionConfig}

    llm_config: Any = None
    vit_config: Any = None
    hidden_size: int | None = None
    visual_vocab_size: int = 65536
    tie_word_embeddings: bool | None = None
    use_cache: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        self.llm_config = _sub_config(Qwen3Config, self.llm_config, "llm_config")
        self.vit_config = _sub_config(Ovis2_5VisionConfig, self.vit_config, "vit_config")
        self.hidden_size = self.llm_config.hidden_size if self.hidden_size is None else self.hidden_size
        if self.hidden_size != self.llm_config.hidden_size:
            raise ValueError(f"hidden_size is {self.hidden_size}, but the language model's is {self.llm_config.hidden_size}")
        self.tie_word_embeddings = self.llm_config.tie_word_embeddings
        super().__post_init__(**kwargs)

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> Any:
        return self.llm_config


def _sub_config(kind: type, given: Any, name: str) -> Any:
    if isinstance(given, kind):
        return given
    fields = dict(given or {})
    model_type = fields.pop("model_type", kind.model_type)  # type: ignore[attr-defined]
    if model_type != kind.model_type:  # type: ignore[attr-defined]
        raise ValueError(f"{name} is a {model_type!r}; this implementation takes {kind.model_type!r}")  # type: ignore[attr-defined]
    for key in _NOT_THE_MODELS:
        fields.pop(key, None)
    return kind(**fields)
