"""Tiny Ovis2.5 checkpoints in the official layout, with random weights and a tokenizer trained here: made when a test needs one.

From the command line: `python -m tests.workers.engines.ovis.tiny FOLDER`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

ADDED = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
    "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>",
    "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>",
]  # fmt: skip
NOT_SPECIAL = set(ADDED[14:])

TEMPLATE = """\
{%- for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' }}
{%- if m.content is string %}{{ m.content.split('</think>')[-1].lstrip('\n') if m.role == 'assistant' else m.content }}
{%- else %}{% for part in m.content %}{{ part.text if part.type == 'text' else '<' ~ part.type ~ '>' }}
{%- if not loop.last %}{{ '\n' }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"""
"""Of our own, with the rules of the official one."""

CORPUS = [
    "Read all the text in the image. Convert this chart to a table. Describe the first and the second row of the table.",
    '{"languages": ["en"], "blocks": [{"paragraph": "total value 2024"}, {"title": "x"}, {"table": [["a", null], ["b", "^"]]}]}',
    '{"chart": "bar", "title": "revenue", "series": ["north", "south"], "rows": [["2023", "1,234.5", "12 %"]], "printed": "all"}',
    "Überschrift Größe 表格 图表 数据 جدول الرسم отчёт таблица हिन्दी तालिका \\frac{a}{b} \\alpha",
]

VIT = {
    "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4, "num_channels": 3,
    "num_patches": -1, "image_size": 64, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
    "attention_dropout": 0.0, "hidden_stride": 2, "window_size": 64, "fullatt_block_indexes": None, "temporal_patch_size": 1,
    "preserve_original_pe": True, "use_rope": True, "model_type": "siglip2_navit", "torch_dtype": "float32",
}  # fmt: skip
LLM = {
    "architectures": ["Qwen3ForCausalLM"], "_attn_implementation_autoset": True, "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24, "hidden_act": "silu",
    "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000, "attention_bias": False,
    "tie_word_embeddings": True, "rope_scaling": None, "use_sliding_window": False, "sliding_window": None, "model_type": "qwen3",
    "torch_dtype": "float32",
}  # fmt: skip


def make_checkpoint(
    folder: Path,
    *,
    vit: dict[str, Any] | None = None,
    llm: dict[str, Any] | None = None,
    preprocessor: dict[str, Any] | None = None,
    visual_vocab_size: int = 96,
    num_shards: int = 1,
    seed: int = 0,
) -> Path:
    """Writes a checkpoint into `folder` and gives it back. `vit` and `llm` override single fields of their config."""
    from workers.engines.ovis.model.configuration import Ovis2_5Config
    from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    ids = write_tokenizer(folder)
    vocabulary = len(ids) + 10  # as in the released models, there are more rows than tokens
    llm_config = (
        LLM | {"vocab_size": vocabulary, "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"]} | (llm or {})
    )
    config = {
        "architectures": ["Ovis2_5"],
        "auto_map": {"AutoConfig": "configuration_ovis2_5.Ovis2_5_Config", "AutoModelForCausalLM": "modeling_ovis2_5.Ovis2_5"},
        "conversation_formatter_class": "Qwen3ConversationFormatter",
        "hidden_size": llm_config["hidden_size"],
        "llm_config": llm_config,
        "model_type": "ovis2_5",
        "torch_dtype": "float32",
        "transformers_version": "4.51.3",
        "use_cache": True,
        "visual_vocab_size": visual_vocab_size,
        "vit_config": VIT | (vit or {}),
    }
    write_json(folder / "config.json", config)
    write_json(
        folder / "preprocessor_config.json",
        {
            "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
            "image_processor_type": "SiglipImageProcessor", "processor_class": "SiglipProcessor", "resample": 2,
            "rescale_factor": 0.00392156862745098, "size": {"height": 512, "width": 512},
        } | (preprocessor or {}),
    )  # fmt: skip
    write_json(folder / "generation_config.json", {"eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]], "do_sample": True})

    torch.manual_seed(seed)
    model = Ovis2_5ForConditionalGeneration(Ovis2_5Config(**{k: v for k, v in config.items() if k != "model_type"}))
    weights = {name: random_like(name, tensor) for name, tensor in model.state_dict().items()}
    if llm_config["tie_word_embeddings"]:
        del weights["llm.lm_head.weight"]
    width = config["vit_config"]["hidden_size"]
    for part in ("weight", "bias"):
        weights[f"visual_tokenizer.vit.vision_model.post_layernorm.{part}"] = torch.randn(width)
    save_weights(folder, weights, num_shards)
    return folder


def random_like(name: str, tensor: Tensor) -> Tensor:
    """Of a size that keeps activations near 1, so that greedy choices are clear."""
    noise = torch.randn(tensor.shape)
    if tensor.ndim == 1:
        return 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
    if "embed_tokens" in name or "position" in name or name.startswith("vte"):
        return 0.2 * noise  # small beside what the blocks add, else a tied model repeats its last token for ever
    return noise / tensor[0].numel() ** 0.5


def save_weights(folder: Path, weights: dict[str, Tensor], num_shards: int = 1) -> None:
    if num_shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(weights)
    files = {name: f"model-{i * num_shards // len(names) + 1:05d}-of-{num_shards:05d}.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: weights[name] for name in names if files[name] == file}, folder / file, metadata={"format": "pt"})
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": files})


def write_tokenizer(folder: Path) -> dict[str, int]:
    """vocab.json, merges.txt, added_tokens.json and tokenizer_config.json, as the release has them; the vocabulary."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    trained.train_from_iterator(CORPUS, trainer)
    model = json.loads(trained.to_str())["model"]
    ids: dict[str, int] = model["vocab"]
    write_json(folder / "vocab.json", ids)
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    added = {token: len(ids) + index for index, token in enumerate(ADDED)}
    write_json(folder / "added_tokens.json", added)
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "added_tokens_decoder": {str(i): {"content": t, "special": t not in NOT_SPECIAL, **flags} for t, i in added.items()},
            "additional_special_tokens": ADDED[1:14],
            "chat_template": TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "Qwen2Tokenizer",
            "model_max_length": 131072,
            "unk_token": None,
        },
    )
    return ids | added


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    make_checkpoint(Path(sys.argv[1]))
