"""dots.ocr: a JSON list of `{"bbox": [l, t, r, b], "category": …, "text": …}`, boxes in pixels of the image that was sent.

Text is Markdown, formulas are LaTeX, tables HTML; a picture has no text. An answer that stopped early holds its whole objects.
"""

from collections.abc import Iterator
from typing import Any

from schemas.failure import FailureKind, PageError
from workers.answers.boxes import Boxes
from workers.answers.forms.contents import block_of, list_items
from workers.answers.lenient_json import NotJson, Pairs, load

_KINDS = {
    "title": "title", "section-header": "heading", "text": "paragraph", "list-item": "list_item", "formula": "formula",
    "table": "table", "caption": "caption", "footnote": "footnote", "page-header": "header", "page-footer": "footer",
    "picture": "figure",
}  # fmt: skip


def layout_blocks(text: str, boxes: Boxes, is_complete: bool) -> Iterator[dict[str, Any]]:
    """The blocks. Raises PageError(bad_json) if the text holds no JSON."""
    start = min((at for at in (text.find("["), text.find("{")) if at >= 0), default=-1)
    if start < 0:
        raise PageError(FailureKind.bad_json, "the answer holds no JSON")
    try:
        loaded = load(text[start:], keep_unfinished=True)
    except NotJson as error:
        raise PageError(FailureKind.bad_json, str(error)) from None
    if loaded.is_partial and is_complete and not loaded.is_unclosed:
        raise PageError(FailureKind.bad_json, "the answer ends in the middle of its JSON, though the model had stopped by itself")
    for part in _parts(loaded.value):
        fields = dict(part)
        kind = _KINDS.get(str(fields.get("category", "")).lower(), "paragraph")
        box = _box(fields.get("bbox"), boxes)
        said = str(fields.get("text") or "")
        for content in list_items(said) if kind == "list_item" else [said]:
            block = block_of(kind, content, box)
            if block is not None:
                yield block


def _parts(value: object) -> Iterator[Pairs]:
    """The objects of the list. The model may wrap the list into an object, or write one object alone."""
    if isinstance(value, Pairs):
        inner = [item for _, item in value if isinstance(item, list) and not isinstance(item, Pairs) and _has_objects(item)]
        if inner and "category" not in dict(value):
            for item in inner:
                yield from _parts(item)
        else:
            yield value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Pairs):
                yield item


def _has_objects(items: list[Any]) -> bool:
    return any(isinstance(item, Pairs) for item in items)


def _box(value: object, boxes: Boxes) -> list[float] | None:
    try:
        return boxes.share([float(edge) for edge in value]) if isinstance(value, list) else None
    except (TypeError, ValueError):
        return None
