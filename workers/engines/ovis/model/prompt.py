"""Turns conversations into token ids. Images become marks below zero, which embeddings replace (see `model`)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER = "<image>", "<video>"
_PLACEHOLDERS = re.compile(f"({re.escape(IMAGE_PLACEHOLDER)}|{re.escape(VIDEO_PLACEHOLDER)})")

ATOM = -300
INDICATORS = (-301, -302, -303, -304)
"""Image begin, image end, video begin, video end: the last four rows of the visual embedding table, in this order."""

NO_THINKING = "<think>\n\n</think>\n\n"
"""Beginning of the answer that keeps the model from thinking."""
END_OF_THINKING = "</think>"
OUT_OF_THINKING_BUDGET = (
    "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n</think>\n\n"
)
"""The authors' own words, appended when the thinking budget is used up."""


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation. `content` is text with `<image>` and `<video>` at the places of the pictures, in order."""

    role: Literal["system", "user", "assistant"]
    content: str


def question(text: str, num_images: int = 1) -> Turn:
    """A question in the authors' convention: images first, each on its own line."""
    return Turn("user", f"{IMAGE_PLACEHOLDER}\n" * num_images + text)


def render(turns: Sequence[Turn], *, thinking: bool) -> str:
    """The official chat template's text, up to where the answer begins. There is no default system prompt."""
    said = "".join(f"<|im_start|>{turn.role}\n{_content(turn)}<|im_end|>\n" for turn in turns)
    return f"{said}<|im_start|>assistant\n{'' if thinking else NO_THINKING}"


def _content(turn: Turn) -> str:
    """The content of a turn. Thoughts of earlier answers are left out."""
    return turn.content.split(END_OF_THINKING)[-1].lstrip("\n") if turn.role == "assistant" else turn.content


def sanitise(text: str, tokenizer: Any) -> str:
    """The text without literals that have a meaning for the template or the tokenizer, so that nobody can inject them."""
    marks = {IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER, *(str(token) for token in tokenizer.get_added_vocab())}
    pattern = re.compile("|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True)))
    while (cleaned := pattern.sub("", text)) != text:
        text = cleaned
    return text


def tokenise(text: str, tokenizer: Any, num_atoms: Iterable[int]) -> list[int]:
    """Token ids with marks. The text between placeholders is encoded piece by piece, as in the reference. `num_atoms` has the atoms
    of each placeholder. Raises ValueError if there are more placeholders than numbers, or fewer."""
    rest: Iterator[int] = iter(num_atoms)
    ids: list[int] = []
    for piece in _PLACEHOLDERS.split(text):
        if piece in (IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER):
            atoms = next(rest, None)
            if atoms is None:
                raise ValueError("the text has more placeholders than there are images")
            begin, end = INDICATORS[:2] if piece == IMAGE_PLACEHOLDER else INDICATORS[2:]
            ids += [begin, *[ATOM] * atoms, end]
        elif piece:
            ids += tokenizer.encode(piece, add_special_tokens=False)
    if next(rest, None) is not None:
        raise ValueError("there are more images than placeholders in the text")
    return ids
