"""Ovis2.5: the vision tower, the table of visual words and transformers' own Qwen3, under the official parameter names."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel, Qwen3ForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from workers.engines.ovis.attention.transfer import to_device
from workers.engines.ovis.model.configuration import NUM_INDICATORS, Ovis2_5Config
from workers.engines.ovis.model.prompt import ATOM, INDICATORS
from workers.engines.ovis.model.vision import Grid
from workers.engines.ovis.model.visual_tokenizer import VisualTokenizer


class Ovis2_5ForConditionalGeneration(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """The model, which makes text of images and text. Input ids below zero mark atoms and indicators (see `prompt`)."""

    config_class = Ovis2_5Config
    base_model_prefix = ""
    input_modalities = ("image", "video", "text")
    _supports_sdpa = True
    _no_split_modules = ("Block", "Qwen3DecoderLayer")
    _skip_keys_device_placement = ("past_key_values",)
    _tied_weights_keys = {"llm.lm_head.weight": "llm.model.embed_tokens.weight"}
    # In the checkpoint, and not used: the reference takes the features before it.
    _keys_to_ignore_on_load_unexpected = [r"visual_tokenizer\.vit\.vision_model\.post_layernorm\."]

    def __init__(self, config: Ovis2_5Config) -> None:
        super().__init__(config)
        self.llm = Qwen3ForCausalLM(config.llm_config)
        self.visual_tokenizer = VisualTokenizer(config)
        self.vte = nn.Embedding(config.visual_vocab_size, config.llm_config.hidden_size)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.llm.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        return self.llm.get_output_embeddings()

    def embed_images(self, patches: Tensor, grids: list[Grid]) -> Tensor:
        """[num_patches, channels * p * p] -> [num_atoms, hidden], the images one after the other."""
        return self.visual_tokenizer.embed(self.visual_tokenizer.features(patches, grids), self.vte.weight)

    def embed_prompt(self, ids: Tensor, atoms: Tensor | None) -> Tensor:
        """[..., num_tokens] with marks -> [..., num_tokens, hidden]. `atoms` fill the atom marks in order. Ids that are on the host
        are searched there and copied at once, so that the device need not wait."""
        device, marks = self.vte.weight.device, ids.flatten()
        places = [(marks == mark).nonzero()[:, 0] for mark in (*INDICATORS, ATOM)]
        if ids.device != device:
            marks, *places = to_device(device, *(tensor.cpu().numpy() for tensor in (marks, *places)))
        *of_indicators, of_atoms = places
        rows = self.llm.model.embed_tokens(marks.clamp(min=0))
        for index, place in enumerate(of_indicators):
            rows[place] = self.vte.weight[index - NUM_INDICATORS]
        if len(of_atoms) != (0 if atoms is None else len(atoms)):
            made = 0 if atoms is None else len(atoms)
            raise ValueError(f"the prompt has room for {len(of_atoms)} atoms, the images make {made}")
        if atoms is not None:
            rows[of_atoms] = atoms.to(rows.dtype)
        return rows.view(*ids.shape, -1)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        grid_thws: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        if inputs_embeds is None:
            inputs_embeds = self._inputs_embeds(input_ids, pixel_values, grid_thws)
        return self.llm(inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        grid_thws: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Generates as the reference does: the language model continues embeddings by its own generation config (greedy by
        default). Gives new tokens only; penalties apply to generated tokens alone."""
        if inputs_embeds is None:
            inputs_embeds = self._inputs_embeds(input_ids, pixel_values, grid_thws)
        if attention_mask is None:
            attention_mask = torch.ones(inputs_embeds.shape[:2], dtype=torch.long, device=inputs_embeds.device)
        return self.llm.generate(inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs)

    def _inputs_embeds(self, input_ids: Tensor | None, pixel_values: Tensor | None, grid_thws: Tensor | None) -> Tensor:
        if input_ids is None:
            raise ValueError("either input_ids or inputs_embeds is needed")
        atoms = None
        if pixel_values is not None:
            if grid_thws is None:
                raise ValueError("pixel_values come with grid_thws")
            atoms = self.embed_images(pixel_values, [(t, h, w) for t, h, w in grid_thws.tolist()])
        return self.embed_prompt(input_ids, atoms)
