"""Checkpoints come in the layout of the authors and in that of transformers' own class for Ovis2.5, under the same `model_type`.

Weights and sizes are the same, names differ: https://github.com/huggingface/transformers/pull/47659. Here the second becomes the
first, which the model is written after. While that class was in review it changed two names; both are known.
"""

import re
from typing import Any

MODEL_TYPE = "ovis2_5"

_RENAMED = {
    r"^model\.language_model\.": "llm.model.",
    r"^lm_head\.": "llm.lm_head.",
    r"^model\.vision_tower\.(?:transformer\.)?(embeddings|encoder|post_layernorm)\.": r"visual_tokenizer.vit.vision_model.\1.",
    r"^model\.(?:vision_tower|visual_tokenizer)\.head_linear\.": "visual_tokenizer.head.0.",
    r"^model\.(?:vision_tower|visual_tokenizer)\.head_norm\.": "visual_tokenizer.head.1.",
    r"^model\.visual_embeddings_table\.": "vte.",
}
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
NO_PREPROCESSOR = "neither preprocessor_config.json nor processor_config.json with an image processor"
_NUM_INDICATORS = 4
_ROPE_THETA = 10_000


def unread_model(model_type: object) -> str | None:
    """Says which model it is instead, as the end of a sentence; None for an Ovis2.5."""
    if model_type == MODEL_TYPE:
        return None
    if isinstance(model_type, str) and model_type.startswith("ovis2_6"):
        return f"Ovis2.6 ({model_type!r}), which this engine does not read; an endpoint that serves it can be asked"
    return f"a {model_type!r} model; this engine reads {MODEL_TYPE!r}"


def is_of_transformers(fields: dict[str, Any]) -> bool:
    """True if a `config.json` is in the layout of transformers' class."""
    return "text_config" in fields and "llm_config" not in fields


def as_the_authors(fields: dict[str, Any]) -> dict[str, Any]:
    """A `config.json` with the authors' keys. Raises ValueError for a model that has no such form."""
    if not is_of_transformers(fields):
        return fields
    vision = dict(fields.get("vision_config") or {})
    if (num_indicators := vision.pop("num_visual_indicator_tokens", _NUM_INDICATORS)) != _NUM_INDICATORS:
        raise ValueError(f"num_visual_indicator_tokens is {num_indicators}, and {_NUM_INDICATORS} are known")
    rope = vision.pop("rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default" or rope.get("rope_theta", _ROPE_THETA) != _ROPE_THETA:
        raise ValueError(f"rope_parameters of the vision tower are {rope}, and {_ROPE_THETA} is known")
    vocabulary = vision.pop("vocab_size", 65536)
    if (stride := vision.pop("spatial_merge_size", None)) is not None:
        vision["hidden_stride"] = stride
    kinds = vision.pop("layer_types", None)
    if kinds and set(kinds) != {"full_attention"}:
        if not (full := [str(index) for index, kind in enumerate(kinds) if kind == "full_attention"]):
            raise ValueError("no block of the vision tower attends over the whole image, and the authors' layout cannot say that")
        vision["fullatt_block_indexes"] = "|".join(full)
    elif isinstance(blocks := vision.get("fullatt_block_indexes"), list):
        vision["fullatt_block_indexes"] = "|".join(map(str, blocks))
    vision["model_type"] = "siglip2_navit"
    text = dict(fields.get("text_config") or {})
    if fields.get("tie_word_embeddings"):
        text["tie_word_embeddings"] = True
    rest = {key: value for key, value in fields.items() if not key.endswith(("_config", "_token_id"))}
    return rest | {"visual_vocab_size": fields.get("visual_vocab_size", vocabulary), "vit_config": vision, "llm_config": text}


def name_of_the_authors(name: str) -> str:
    """A tensor's name in the authors' layout."""
    for pattern, replacement in _RENAMED.items():
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def preprocessor_of(files: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """How pixels become numbers, from those of the files PREPROCESSORS that there are; None if neither says it."""
    own, shared = (files.get(name) for name in PREPROCESSORS)
    if own is not None:
        return own
    part = (shared or {}).get("image_processor")
    return part if isinstance(part, dict) else None
