"""DocTags of Granite-Docling: `<text><loc_50><loc_50><loc_450><loc_100>…</text>`, tables as OTSL, boxes from 0 to 500.

Specified at https://github.com/docling-project/docling/discussions/354 and in the SmolDocling paper (arXiv 2503.11576). Tags that
are not known count as text, so that nothing which was read is lost.
"""

import html
import re
from collections.abc import Iterator
from typing import Any

from workers.answers.boxes import Boxes
from workers.answers.forms.contents import block_of

_KINDS = {
    "title": "title", "text": "paragraph", "paragraph": "paragraph", "list_item": "list_item", "caption": "caption",
    "footnote": "footnote", "page_header": "header", "page_footer": "footer", "formula": "formula", "code": "paragraph",
    "picture": "figure", "chart": "chart", "otsl": "table", "checkbox_selected": "paragraph", "checkbox_unselected": "paragraph",
    "handwritten_text": "paragraph", "reference": "paragraph", "key_value_region": "paragraph", "document_index": "table",
}  # fmt: skip
_OPENING = re.compile(rf"<({'|'.join(_KINDS)}|section_header_level_(?:\d))>")
_LOCATION = re.compile(r"\s*<loc_(\d{1,4})>")
_LANGUAGE = re.compile(r"<_[\w#+. -]{1,40}_>")
_CONTROL = re.compile(
    r"</?(?:doctag|ordered_list|unordered_list|list|inline|group|page_break|smiles|[a-z_]{3,40}_chart)>|<\|[^|<>]{1,40}\|>"
)
_CELL = re.compile(r"<(fcel|ecel|lcel|ucel|xcel|nl|ched|rhed|srow)>")


def doctags_blocks(text: str, boxes: Boxes, is_complete: bool) -> Iterator[dict[str, Any]]:
    """The blocks in the order of the tags. A caption inside a picture or table comes after it."""
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        yield from _loose(text[position : opening.start()])
        closing = f"</{opening[1]}>"
        end = text.find(closing, opening.end())
        inside = text[opening.end() : end if end >= 0 else len(text)]
        position = end + len(closing) if end >= 0 else len(text)
        yield from _element(opening[1], inside, boxes)
    yield from _loose(text[position:])


def _element(tag: str, inside: str, boxes: Boxes) -> Iterator[dict[str, Any]]:
    edges: list[float] = []
    while len(edges) < 4 and (location := _LOCATION.match(inside)) is not None:
        edges.append(float(location[1]))
        inside = inside[location.end() :]
    box = boxes.share(edges)
    captions: list[dict[str, Any]] = []
    if tag != "caption" and (caption := re.search(r"<caption>(.*?)</caption>", inside, re.DOTALL)) is not None:
        captions = list(_element("caption", caption[1], boxes))
        inside = inside[: caption.start()] + inside[caption.end() :]
    kind = "heading" if tag.startswith("section_header") else _KINDS[tag]
    if tag == "section_header_level_0":
        kind = "title"
    if kind in ("table", "chart", "figure") and (rows := _otsl_rows(inside)):
        kind_of = {"table": rows} if kind == "table" else {"chart": _plain(_CELL.split(inside)[0])}
        yield kind_of | ({"box": box} if box else {})
    elif (block := block_of("paragraph" if kind == "table" else kind, _plain(inside), box)) is not None:
        yield block
    yield from captions


def _otsl_rows(inside: str) -> list[list[str | None]]:
    """Rows of a table: `lcel` goes on the cell on the left, `ucel` and `xcel` the one above."""
    rows: list[list[str | None]] = [[]]
    parts = _CELL.split(inside)
    for tag, content in zip(parts[1::2], parts[2::2], strict=True):
        if tag == "nl":
            rows.append([])
        else:
            rows[-1].append({"lcel": None, "ucel": "^", "xcel": "^"}.get(tag, _plain(content)))
    return [row for row in rows if row]


def _loose(text: str) -> Iterator[dict[str, Any]]:
    block = block_of("paragraph", _plain(text), None)
    if block is not None:
        yield block


def _plain(text: str) -> str:
    return html.unescape(_LANGUAGE.sub("", _CONTROL.sub("", _LOCATION.sub("", text)))).strip()
