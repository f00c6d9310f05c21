"""DeepSeek-OCR: Markdown in which each part follows its label and box,
`<|ref|>sub_title<|/ref|><|det|>[[114, 81, 860, 101]]<|/det|>`."""

import re
from collections.abc import Iterator
from typing import Any

from workers.answers.boxes import Boxes
from workers.answers.forms.contents import block_of, list_items
from workers.answers.markdown_answer import markdown_blocks

_MARK = re.compile(r"<\|ref\|>(.{0,200}?)<\|/ref\|>\s*<\|det\|>(.{0,4000}?)<\|/det\|>", re.DOTALL)
_BOX = re.compile(r"\[\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*\]")
_CONTROL = re.compile(r"<\|/?(?:ref|det|grounding)\|>|<｜[^｜<>]{1,40}｜>")
_KINDS = {
    "title": "title", "sub_title": "heading", "text": "paragraph", "table": "table", "equation": "formula", "formula": "formula",
    "list": "list_item", "image": "figure", "figure": "figure", "chart": "chart", "header": "header", "footer": "footer",
    "page_number": "footer", "footnote": "footnote", "caption": "caption", "image_caption": "caption", "table_caption": "caption",
    "figure_caption": "caption", "table_footnote": "footnote", "page_footnote": "footnote",
}  # fmt: skip


def grounded_blocks(text: str, boxes: Boxes, is_complete: bool) -> Iterator[dict[str, Any]]:
    """The blocks. Text before the first mark, or with no mark at all, is read as Markdown."""
    marks = list(_MARK.finditer(text))
    before = _CONTROL.sub("", text[: marks[0].start()] if marks else text)
    yield from markdown_blocks(before, boxes)
    for index, mark in enumerate(marks):
        end = marks[index + 1].start() if index + 1 < len(marks) else len(text)
        said = _CONTROL.sub("", text[mark.end() : end]).strip()
        kind = _KINDS.get(mark[1].strip().lower())
        box = _box(mark[2], boxes)
        if kind is None and not said:  # the label may be the text itself: `OCR this image` answers so
            kind, said = "paragraph", mark[1]
        for part in list_items(said) if kind == "list_item" else [said]:
            block = block_of(kind or "paragraph", part, box)
            if block is not None:
                yield block


def _box(text: str, boxes: Boxes) -> list[float] | None:
    """The box around all boxes of the mark."""
    found = [[float(edge) for edge in box.groups()] for box in _BOX.finditer(text)]
    if not found:
        return None
    lefts, tops, rights, bottoms = zip(*found, strict=True)
    return boxes.share([min(lefts), min(tops), max(rights), max(bottoms)])
