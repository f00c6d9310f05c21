"""The text of one part of a page as a block of the wanted kind."""

import re
from collections.abc import Iterator
from typing import Any

from workers.text.tables import rows_of_table_text

_HEADING_MARK = re.compile(r"#{1,6}[ \t]+")
_WRAPPED = re.compile(r"\A<(center|div|p)\b[^<>]{0,200}>(.*)</\1>\Z", re.DOTALL | re.IGNORECASE)
_INLINE_FORMULA = re.compile(r"\\\((.{1,2000}?)\\\)")
_FORMULA = re.compile(r"\s*(?:\$\$(.*)\$\$|\\\[(.*)\\\]|\$([^$]*)\$)\s*", re.DOTALL)


def block_of(kind: str, text: str, box: list[float] | None) -> dict[str, Any] | None:
    """The block; None if there is nothing in it. A table that is none becomes a paragraph, so that its text is kept."""
    text = _WRAPPED.sub(r"\2", text.strip())
    text = text.strip() if kind == "formula" else with_dollars(text.strip())
    content: Any = text
    if kind in ("title", "heading"):
        content = _HEADING_MARK.sub("", text, count=1)
    elif kind == "formula":
        found = _FORMULA.fullmatch(text)
        content = next((part for part in found.groups() if part is not None), "").strip() if found else text
    elif kind == "table":
        content = rows_of_table_text(text)
        if content is None:
            kind, content = "paragraph", text
    if not content and kind not in ("figure", "chart"):
        return None
    return {kind: content} | ({"box": box} if box is not None else {})


def with_dollars(text: str) -> str:
    """Formulas inside text between `$`, as our Markdown has them, and not between `\\(` and `\\)`."""
    return _INLINE_FORMULA.sub(lambda found: f"${found[1].strip()}$", text)


def list_items(text: str) -> Iterator[str]:
    """The items of a list that came as one text, a line each; a line without a mark goes on the item before it."""
    item: list[str] = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        if item and _MARKED.match(line):
            yield "\n".join(item)
            item = []
        item.append(line)
    if item:
        yield "\n".join(item)


_MARKED = re.compile(r"(?:[-*+•‣◦]|\(?\w{1,3}[.)])[ \t]+")
