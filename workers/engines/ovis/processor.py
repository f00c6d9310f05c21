"""The processor in the style of `transformers`: it makes tensors for the model of text with placeholders and images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature, ProcessorMixin

from workers.engines.ovis.checkpoint.files import read_preprocessor
from workers.engines.ovis.checkpoint.loading import read_config, read_tokenizer
from workers.engines.ovis.checkpoint.locate import locate
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.prompt import Turn, render, tokenise


class Ovis2_5Processor(ProcessorMixin):  # type: ignore[misc]
    """`processor(text, images)` -> input_ids (marks below zero), attention_mask, pixel_values, grid_thws.

    Rows of different lengths are padded on the left, as generation needs it.
    """

    def __init__(self, images: ImageProcessor, tokenizer: Any) -> None:
        self.images, self.tokenizer = images, tokenizer
        self.chat_template = tokenizer.chat_template

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> "Ovis2_5Processor":
        """The processor of a checkpoint. It takes `revision`, `min_pixels` and `max_pixels`. Files are read as data, never as
        code."""
        folder = locate(str(pretrained_model_name_or_path), kwargs.get("revision"), weights=False)
        limits = {key: kwargs[key] for key in ("min_pixels", "max_pixels") if kwargs.get(key) is not None}
        vit = read_config(folder).vit_config
        return cls(ImageProcessor(vit, read_preprocessor(folder), **limits), read_tokenizer(folder))

    def __call__(
        self,
        text: str | Sequence[str],
        images: Image.Image | Sequence[Image.Image] | None = None,
        videos: Sequence[Sequence[Image.Image]] | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Tensors for one or more prompts. `text` has `<image>` or `<video>` (see `render`, `apply_chat_template`). `images` are
        all images in their order over the prompts; a video is a list of its frames."""
        texts = [text] if isinstance(text, str) else list(text)
        visuals = [[image] for image in ([images] if isinstance(images, Image.Image) else images or [])]
        visuals += [list(frames) for frames in videos or []]
        if images and videos:
            raise ValueError("a request holds images or a video, not both")
        patches = [self.images.patches(frames) for frames in visuals]
        rest = iter(patch.num_atoms for patch in patches)
        rows = []
        for prompt in texts:
            num_placeholders = prompt.count("<image>") + prompt.count("<video>")
            rows.append(tokenise(prompt, self.tokenizer, [next(rest, 0) for _ in range(num_placeholders)]))
        if next(rest, None) is not None:
            raise ValueError("there are more images than placeholders in the text")
        longest = max(len(row) for row in rows)
        pad = self.tokenizer.pad_token_id
        data: dict[str, Any] = {
            "input_ids": torch.tensor([[pad] * (longest - len(row)) + row for row in rows]),
            "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
        }
        if patches:
            levels = np.concatenate([self.images.normalise(patch.levels) for patch in patches])
            data["pixel_values"] = torch.from_numpy(levels)
            data["grid_thws"] = torch.tensor([patch.grid for patch in patches])
        return BatchFeature(data)

    def render(self, turns: Sequence[Turn], *, thinking: bool = False) -> str:
        """The prompt of a conversation, equal to that of `apply_chat_template` with the official template."""
        return render(turns, thinking=thinking)

    def apply_chat_template(self, conversation: Sequence[Mapping[str, Any]], *, tokenize: bool = False, **kwargs: Any) -> Any:
        """Applies the checkpoint's own template: gives the prompt of one conversation, or with `tokenize` the model's tensors, with
        PIL images under `{"type": "image", "image": …}`. Without `enable_thinking` the template enables thinking, as the authors
        wrote it."""
        for name in ("return_dict", "return_tensors"):
            kwargs.pop(name, None)  # the result is always a dict of tensors
        text = self.tokenizer.apply_chat_template(conversation, tokenize=False, **kwargs)
        if not tokenize:
            return text
        parts = [part for turn in conversation if not isinstance(turn["content"], str) for part in turn["content"]]
        images = [part.get("image") for part in parts if part["type"] == "image"]
        if not all(isinstance(image, Image.Image) for image in images):
            raise ValueError('each image of the conversation is a PIL image under "image"')
        return self(text, images)

    def batch_decode(self, *args: Any, **kwargs: Any) -> list[str]:
        return list(self.tokenizer.batch_decode(*args, **kwargs))

    def decode(self, *args: Any, **kwargs: Any) -> str:
        return str(self.tokenizer.decode(*args, **kwargs))

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values", "grid_thws"]
