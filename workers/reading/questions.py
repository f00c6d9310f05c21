"""What is asked about a page or a region: Pagefold's own question, or that of the model's profile."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.answers import JSON_ANSWER, MARKDOWN_ANSWER, AnswerShape, answer_schema
from schemas.failure import Task
from schemas.page import PageImage
from schemas.settings import ReadSettings, Transport
from workers.engines.engine import EngineInfo, Prompt
from workers.engines.profiles.profile import OURS
from workers.reading.prompts import prompt_for


@dataclass(frozen=True)
class Question:
    prompt: Prompt
    shape: AnswerShape
    schema: Mapping[str, Any] | None
    """The JSON schema of the answer; None for any form but `json`."""


def question_of(task: Task, info: EngineInfo, transport: Transport, image: PageImage) -> Question:
    """The question about an image. `transport` applies to text that is asked for by Pagefold's own prompt."""
    profile = info.profile
    if profile is None or profile.of(task).prompt == OURS:
        is_markdown = task == "ocr" and transport_of(info, transport) == "markdown"
        shape, schema = (MARKDOWN_ANSWER, None) if is_markdown else (JSON_ANSWER, answer_schema(task))
        return Question(prompt_for(task, "markdown" if is_markdown else "json"), shape, schema)
    shape = profile.shape(task, image.width_px, image.height_px)
    return Question(prompt_of(task, info, transport), shape, answer_schema(task) if shape.form == "json" else None)


def prompt_of(task: Task, info: EngineInfo, transport: Transport) -> Prompt:
    """The prompt with its version, which is part of the recipe."""
    profile = info.profile
    if profile is None or profile.of(task).prompt == OURS:
        return prompt_for(task, transport_of(info, transport))
    text = profile.of(task).prompt
    kind = "" if task == "chart" or profile.says_places else "-markdown"  # as in our own: see `handing_on.gives_places`
    return Prompt(text, f"{profile.name}{kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def transport_of(info: EngineInfo, transport: Transport) -> Transport:
    """`transport`, or what the model's profile says instead. An engine that takes no prompts answers as JSON."""
    if not info.takes_prompts:
        return "json"
    asked = info.profile.ocr if info.profile is not None else None
    return "markdown" if asked is not None and asked.prompt == OURS and asked.form == "markdown" else transport


def can_answer_json(info: EngineInfo) -> bool:
    """True if the engine can be asked for a page's text as Pagefold's JSON."""
    asks_ours = info.profile is None or (info.profile.ocr is not None and info.profile.ocr.prompt == OURS)
    return "ocr" in info.tasks and asks_ours


def says_places(info: EngineInfo, transport: Transport) -> bool:
    """True if the engine's answer about the text says where figures and charts are."""
    if info.profile is not None and info.profile.ocr is not None and info.profile.ocr.prompt != OURS:
        return info.profile.says_places
    return transport_of(info, transport) == "json"


def settings_for(info: EngineInfo, task: Task, settings: ReadSettings) -> ReadSettings:
    """The settings; a temperature or length that nobody has set is the profile's."""
    profile = info.profile
    if profile is None or task not in profile.tasks:
        return settings
    wanted = {"temperature": profile.temperature, "max_output_tokens": profile.of(task).max_output_tokens}
    unset = {name: value for name, value in wanted.items() if value is not None and name not in settings.model_fields_set}
    return settings.model_copy(update=unset) if unset else settings
