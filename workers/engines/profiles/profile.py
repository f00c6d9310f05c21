"""A profile says how one model wants to be asked: its prompts, image sizes and sampling, and the form of its answers.

Profiles are TOML files. Those of this package hold what the models' authors state, with the source; anyone can write another.
"""

import hashlib
import json
import math
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from schemas.answers import JSON_ANSWER, AnswerForm, AnswerShape
from schemas.errors import EndsRun
from schemas.failure import Task
from schemas.frozen import Frozen

GENERIC = "generic"
AS_BEFORE = frozenset({GENERIC, "ovis2.5"})
"""Profiles of this package that ask what was asked before there were profiles. They are in no recipe, so that nothing which a model
has read is paid for again."""

OURS = "ours"
_PLACES_IN_NAMES = ("bbox_{", "bbox_x", "page_startx_")
"""Prompts with one of these ask for Markdown in which the name of a figure's file says its place."""
Kwargs = dict[str, Any]


class ProfileError(EndsRun):
    """There is no such profile, or its file is wrong. The message is one sentence for the operator."""


class TaskProfile(Frozen):
    """How one task is asked."""

    prompt: str = Field(OURS, description="The question's text; `ours` for Pagefold's own prompt. It may be empty.")
    form: AnswerForm = Field("json", description="The form of the answer.")
    boxes_to: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Boxes in the answer count from 0 to this number on both sides; by default they are pixels of the image sent.",
    )
    max_output_tokens: int | None = Field(None, ge=16, description="Upper length of an answer, where the settings name none.")

    @model_validator(mode="after")
    def _consistent(self) -> "TaskProfile":
        if self.prompt == OURS and self.form not in ("json", "markdown"):
            raise ValueError(f"Pagefold's own prompt asks for json or markdown, and form is {self.form}")
        return self


class Profile(Frozen):
    """Everything about a model that a request and the reading of its answer depend on."""

    name: str = Field(min_length=1)
    source: str = Field(description="Where the authors state it.")
    models: list[str] = Field(
        [], description="Globs on the model's name, case and owner ignored, by which `auto` chooses the profile."
    )
    ocr: TaskProfile | None = Field(None, description="How text is asked for; without it the model is not asked.")
    chart: TaskProfile | None = Field(None, description="How charts are asked for; without it the model is not asked.")
    system: str | None = Field(None, description="Text of a system message.")
    image_first: bool = Field(True, description="The image stands before the text of the question.")
    image_format: Literal["jpeg", "png", "webp"] | None = Field(None, description="Instead of `engine.server.image_format`.")
    max_side_px: int | None = Field(None, ge=32, description="Longer images are reduced to this length.")
    max_pixels: int | None = Field(None, ge=1024, description="Larger images are reduced to this area.")
    min_pixels: int | None = Field(None, ge=1024, description="Smaller images are enlarged to this area.")
    cell_px: int = Field(1, ge=1, description="Sides of the image are multiples of this.")
    temperature: float | None = Field(None, ge=0, le=2, description="Of the first ask, where the settings name none.")
    top_p: float | None = Field(None, gt=0, le=1)
    stop: list[str] = []
    extra_body: Kwargs = Field({}, description="Further fields of the request, such as `chat_template_kwargs`.")

    @model_validator(mode="after")
    def _asks(self) -> "Profile":
        if self.ocr is None and self.chart is None:
            raise ValueError("a profile asks for ocr, chart or both")
        if self.chart is not None and self.chart.form != "json":
            raise ValueError("charts are answered as json only")
        return self

    @property
    def tasks(self) -> tuple[Task, ...]:
        named: tuple[tuple[Task, TaskProfile | None], ...] = (("ocr", self.ocr), ("chart", self.chart))
        return tuple(task for task, how in named if how is not None)

    def of(self, task: Task) -> TaskProfile:
        how = self.ocr if task == "ocr" else self.chart
        if how is None:
            raise ValueError(f"the profile {self.name} does not ask for {task}")
        return how

    @property
    def says_places(self) -> bool:
        """True if an answer about the text says where figures and charts are."""
        if self.ocr is None or (self.ocr.form == "markdown" and self.ocr.prompt == OURS):
            return False
        return self.ocr.form != "markdown" or any(name in self.ocr.prompt for name in _PLACES_IN_NAMES)

    @property
    def digest(self) -> str:
        """Its identity in recipes: 12 hex digits of everything that changes answers."""
        body = self.model_dump(mode="json", exclude={"source", "models"})
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12]

    def fitted(self, width_px: int, height_px: int) -> tuple[int, int]:
        """The size at which an image of this size is sent."""
        scale = 1.0
        if self.max_side_px is not None:
            scale = min(scale, self.max_side_px / max(width_px, height_px))
        if self.max_pixels is not None:
            scale = min(scale, math.sqrt(self.max_pixels / (width_px * height_px)))
        if self.min_pixels is not None and scale == 1.0:
            scale = max(scale, math.sqrt(self.min_pixels / (width_px * height_px)))
        if scale == 1.0:
            return self._whole(width_px, round), self._whole(height_px, round)
        to_cells = math.ceil if scale > 1 else math.floor
        return self._whole(width_px * scale, to_cells), self._whole(height_px * scale, to_cells)

    def _whole(self, side_px: float, to_cells: Any) -> int:
        return max(self.cell_px, int(to_cells(side_px / self.cell_px)) * self.cell_px)

    def shape(self, task: Task, width_px: int, height_px: int) -> AnswerShape:
        """The shape of the answer about an image of this size."""
        how = self.of(task)
        if how.form == "json":
            return JSON_ANSWER
        width, height = (how.boxes_to, how.boxes_to) if how.boxes_to is not None else self.fitted(width_px, height_px)
        return AnswerShape(how.form, width, height)


def choose_profile(wanted: str, model: str | None) -> Profile:
    """The profile of a setting: `auto`, a name, or a TOML file. Raises ProfileError."""
    if wanted == "auto":
        return _by_model(model)
    known = shipped()
    if wanted in known:
        return known[wanted]
    if "\n" in wanted:  # the text of a file, for machines that do not have it
        return parse_profile(wanted, "of the settings")
    if wanted.endswith(".toml"):
        return parse_profile(profile_text(wanted), wanted)
    raise ProfileError(f"There is no profile `{wanted}`: {', '.join(sorted(known))}, `auto`, or the path of a .toml file.")


def _by_model(model: str | None) -> Profile:
    name = (model or "").rpartition("/")[2].lower()
    for profile in shipped().values():
        if any(fnmatchcase(name, glob.lower()) for glob in profile.models):
            return profile
    return shipped()[GENERIC]


@cache
def shipped() -> dict[str, Profile]:
    """The profiles of this package by name."""
    found = [parse_profile(text, name) for name, text in _texts()]
    return {profile.name: profile for profile in sorted(found, key=lambda profile: profile.name)}


def _texts() -> Iterator[tuple[str, str]]:
    for entry in files("workers.engines.profiles").iterdir():
        if entry.name.endswith(".toml"):
            yield entry.name, entry.read_text("utf-8")


def is_as_before(profile: Profile) -> bool:
    """True if the profile asks what was asked before there were profiles."""
    return profile.name in AS_BEFORE and profile == shipped()[profile.name]


def profile_text(path: str) -> str:
    """The text of a profile's file. Raises ProfileError."""
    try:
        return Path(path).expanduser().read_text("utf-8")
    except OSError as error:
        raise ProfileError(f"The profile {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ProfileError(f"The profile {path} is not UTF-8.") from error


def parse_profile(text: str, name: str) -> Profile:
    """The profile in a TOML text. `name` is for its errors. Raises ProfileError, in one sentence."""
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"The profile {name} is not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ProfileError(f"The profile {name} is wrong{f' at {place}' if place else ''}: {first['msg']}.") from error
