"""Chooses the parser by the form of the answer."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from schemas.answers import AnswerForm, AnswerShape, OcrAnswer
from schemas.failure import FailureKind, PageError, Task
from workers.answers.boxes import Boxes
from workers.answers.forms.contents import with_dollars
from workers.answers.forms.doctags import doctags_blocks
from workers.answers.forms.front_matter import without_front_matter
from workers.answers.forms.grounded import grounded_blocks
from workers.answers.forms.layout_json import layout_blocks
from workers.answers.markdown_answer import parse_markdown
from workers.answers.parse import MAX_CHARS, Parsed, parse_answer, without_thinking
from workers.answers.reshape import clean_text
from workers.text.languages import languages_of

Block = dict[str, Any]

_PARSERS: dict[AnswerForm, Callable[[str, Boxes, bool], Iterable[Block]]] = {
    "layout_json": layout_blocks,
    "doctags": doctags_blocks,
    "grounded": grounded_blocks,
}


def parse_form(task: Task, text: str, shape: AnswerShape, *, is_complete: bool) -> Parsed:
    """The answer in a completion's text. An answer that stopped early is kept as far as it goes. Raises PageError."""
    if shape.form == "json":
        return parse_answer(task, text, is_complete=is_complete)
    boxes = Boxes(shape.box_width or 1, shape.box_height or 1)
    if shape.form == "markdown":
        languages, body = without_front_matter(text)
        parsed = parse_markdown(with_dollars(body), is_complete=is_complete, boxes=boxes if shape.box_width else None)
        known = [*languages, *parsed.answer.languages] if isinstance(parsed.answer, OcrAnswer) else []
        return Parsed(parsed.answer.model_copy(update={"languages": list(dict.fromkeys(known))}), parsed.is_partial, parsed.repairs)
    if len(text) > MAX_CHARS:
        raise PageError(FailureKind.bad_answer, f"the answer has {len(text)} characters")
    body = clean_text(without_thinking(text))
    blocks = list(_PARSERS[shape.form](body, boxes, is_complete))
    try:
        answer = OcrAnswer.model_validate({"languages": languages_of(_text_of(blocks)), "blocks": blocks})
    except ValidationError as error:  # a bug of the parser's: what is not understood, it leaves out
        raise PageError(FailureKind.bad_answer, f"the answer has another form than {shape.form}") from error
    if is_complete and text.strip() and not blocks:
        raise PageError(FailureKind.bad_answer, f"the answer holds no {shape.form}")
    return Parsed(answer, is_partial=not is_complete, repairs=() if is_complete else ("partial",))


def _text_of(blocks: Iterable[Block]) -> str:
    return "\n".join(value for block in blocks for key, value in block.items() if key != "box" and isinstance(value, str))
