"""Loads a checkpoint from a folder into a model, and checks that every tensor of both fits."""

from pathlib import Path
from typing import Any

from workers.engines.ovis.checkpoint.files import (
    CheckpointError,
    check_tokenizer,
    first_line,
    read_json,
    some,
    stored_shapes,
    weight_files,
)
from workers.engines.ovis.checkpoint.layouts import as_the_authors, name_of_the_authors, unread_model


def read_config(folder: Path) -> Any:
    """The Ovis2_5Config of a folder. Raises CheckpointError."""
    from workers.engines.ovis.model.configuration import Ovis2_5Config

    fields = read_json(folder / "config.json")
    if what := unread_model(fields.pop("model_type", None)):
        raise CheckpointError(f"{folder} holds {what}.")
    try:
        return Ovis2_5Config(**as_the_authors(fields))
    except (TypeError, ValueError) as error:  # huggingface_hub's validation errors are ValueErrors
        raise CheckpointError(f"{folder / 'config.json'} describes no model we can build: {first_line(error)}") from error


def read_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer, which pads on the left as generation needs it. AutoTokenizer is not used, because it would ask on
    the terminal whether to run the checkpoint's code."""
    from transformers import Qwen2Tokenizer

    check_tokenizer(folder)
    return Qwen2Tokenizer.from_pretrained(str(folder), padding_side="left")


def load_model(folder: Path, *, dtype: Any, device: Any) -> Any:
    """The model in eval mode on `device`. Its files are checked against the config first. Raises CheckpointError.

    transformers' own loading is not used: it keeps all weights in memory on their way to the device, and from the version that has
    a class for this `model_type` on it renames them for that class.
    """
    import torch
    from safetensors import safe_open
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

    from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration

    config = read_config(folder)
    check_tensors(folder, config)
    with torch.device("meta"):  # no memory until a weight is read
        model = Ovis2_5ForConditionalGeneration._from_config(config, attn_implementation="sdpa", dtype=dtype)
    missing = dict(model.named_parameters())
    for path in weight_files(folder):
        with safe_open(path, framework="pt", device=str(torch.device(device))) as weights:
            for stored in weights.keys():  # noqa: SIM118 - safe_open is no mapping
                if missing.pop(name := name_of_the_authors(stored), None) is not None:
                    _put(model, name, weights.get_tensor(stored).to(dtype))
    model.tie_weights()
    model.llm.model.rotary_emb = Qwen3RotaryEmbedding(config.llm_config).to(device)  # its numbers are not stored
    if empty := [name for name, tensor in model.state_dict().items() if tensor.is_meta]:
        raise CheckpointError(f"The weights in {folder} leave {some(empty)} empty.")
    return model.eval()


def _put(model: Any, name: str, tensor: Any) -> None:
    import torch

    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, torch.nn.Parameter(tensor, requires_grad=False))


def check_tensors(folder: Path, config: Any) -> None:
    """Compares the names and shapes in the weight files with those of the config, without loading tensors.

    Raises CheckpointError with the names of tensors that are missing, unexpected or of another shape.
    """
    import re

    import torch

    from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration as Model

    stored = {name_of_the_authors(name): shape for name, shape in stored_shapes(folder).items()}
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in Model(config).state_dict().items()}
    optional = set(Model._tied_weights_keys) if config.llm_config.tie_word_embeddings else set()
    ignored = re.compile("|".join(Model._keys_to_ignore_on_load_unexpected))
    missing = sorted(wanted.keys() - stored.keys() - optional)
    unexpected = sorted(name for name in stored.keys() - wanted.keys() if not ignored.search(name))
    reshaped = sorted(
        f"{name} {list(stored[name])} instead of {list(wanted[name])}"
        for name in wanted.keys() & stored.keys()
        if wanted[name] != stored[name]
    )
    problems = [
        f"{len(names)} {what}: {some(names)}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        if names
    ]
    if problems:
        raise CheckpointError(f"The weights in {folder} do not fit their config.json: {'; '.join(problems)}.")
