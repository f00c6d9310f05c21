"""Brings a model's answer into the shape that was asked: the same content under other keys, never new content.

With constrained decoding there is nothing to do. Servers without it answer `{"type": "text", "content": …}` and the like.
"""

import re
from dataclasses import dataclass, field
from typing import Any, get_args

from schemas.answers import BLOCK_TYPES, ChartAnswer, ChartKind
from schemas.failure import FailureKind, PageError
from workers.answers.latex import mend_latex
from workers.answers.lenient_json import NumberText, Pairs
from workers.text.tables import rows_of_table_text

_BLOCK_NAMES = {
    "text": "paragraph", "p": "paragraph", "plain_text": "paragraph", "abstract": "paragraph", "quote": "paragraph",
    "h1": "title", "doc_title": "title", "document_title": "title",
    "section_header": "heading", "section_title": "heading", "subtitle": "heading", "subheading": "heading",
    "h2": "heading", "h3": "heading", "h4": "heading", "paragraph_title": "heading",
    "list": "list_item", "item": "list_item", "bullet": "list_item", "li": "list_item",
    "equation": "formula", "math": "formula", "latex": "formula", "display_formula": "formula", "isolate_formula": "formula",
    "page_header": "header", "page_footer": "footer", "page_number": "footer",
    "footnotes": "footnote", "note": "footnote",
    "image": "figure", "picture": "figure", "photo": "figure", "logo": "figure", "diagram": "figure",
    "figure_caption": "caption", "table_caption": "caption", "chart_caption": "caption",
    "graph": "chart", "plot": "chart",
}  # fmt: skip
_CONTENT = (
    "text",
    "content",
    "value",
    "markdown",
    "latex",
    "html",
    "rows",
    "cells",
    "data",
    "items",
    "title",
    "caption",
    "description",
)
_HEADS = ("title", "caption")
_BOXES = ("box", "bbox", "bounding_box", "bbox_2d")
_HEADER_ROWS = "num_header_rows"
_IGNORED = {"confidence", "level", "order", "index", "id", "language", "lang", "page", _HEADER_ROWS, *_BOXES}

_CHART_NAMES = {
    "type": "chart", "kind": "chart", "chart_type": "chart",
    "x_label": "x", "x_axis": "x", "y_label": "y", "y_axis": "y", "y_unit": "unit", "y_scale": "scale", "y2_label": "y2",
    "data": "rows",
}  # fmt: skip
_CHART_KINDS = {
    "column": "bar", "histogramme": "histogram", "donut": "pie", "doughnut": "pie", "boxplot": "box", "box_plot": "box",
    "heat_map": "heatmap", "spider": "radar", "choropleth": "map", "ohlc": "candlestick", "mixed": "combo", "combination": "combo",
    "dot": "scatter", "scatterplot": "scatter", "scatter_plot": "scatter", "timeline": "other", "null": "none", "no_chart": "none",
}  # fmt: skip
_CHOICES = {
    "categorical": "category", "nominal": "category", "ordinal": "category", "date": "time", "datetime": "time", "temporal": "time",
    "year": "time", "numeric": "number", "numerical": "number", "quantitative": "number", "logarithmic": "log", "true": "all",
    "false": "none", "yes": "all", "no": "none", "partial": "some",
}  # fmt: skip
_NULLS = {"", "null", "none", "n/a", "unknown"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass
class Shaped:
    value: dict[str, Any]
    flags: set[str] = field(default_factory=set)


def shape_ocr(value: object) -> Shaped:
    """The ocr answer in its asked shape. Raises PageError(bad_answer) if no block can be recognised."""
    shaped = Shaped({"languages": [], "blocks": []})
    blocks: list[object]
    if isinstance(value, list) and not isinstance(value, Pairs):
        shaped.flags.add("shape_repaired")
        blocks = value
    elif isinstance(value, Pairs):
        root = dict(value)
        shaped.value["languages"] = _strings(root.get("languages") or root.get("language"))
        if len(root) != len(value):
            shaped.flags.add("content_dropped")
        found = root.get("blocks", [value])
        if "blocks" not in root and not ({_name(key) for key in root} & {*BLOCK_TYPES, *_BLOCK_NAMES}):
            if shaped.value["languages"] and set(root) <= {"languages", "language"}:
                return shaped  # stopped before the blocks
            lists = [key for key, content in root.items() if _is_list_of_objects(content)]
            if len(lists) != 1:
                raise PageError(FailureKind.bad_answer, "the answer has no blocks")
            found = root[lists[0]]
            if set(root) - {"languages", "language", *lists}:
                shaped.flags.add("content_dropped")
        blocks = found if isinstance(found, list) and not isinstance(found, Pairs) else [found]
        if "blocks" not in root or blocks is not found:
            shaped.flags.add("shape_repaired")
        elif set(root) - {"languages", "blocks"}:
            shaped.flags.add("content_dropped")
    else:
        raise PageError(FailureKind.bad_answer, "the answer is no object")
    for block in blocks:
        shaped.value["blocks"] += _blocks(block, shaped.flags)
    if blocks and not shaped.value["blocks"] and "content_dropped" in shaped.flags:
        raise PageError(FailureKind.bad_answer, "none of the answer's blocks can be understood")
    return shaped


def _is_list_of_objects(content: object) -> bool:
    return isinstance(content, list) and not isinstance(content, Pairs) and any(isinstance(item, Pairs) for item in content)


def _blocks(value: object, flags: set[str]) -> list[dict[str, Any]]:
    """The blocks in a value. An object with one key is one block; each further or duplicated key is another, because its text was
    read as well."""
    if value is None or value == []:
        return []
    if isinstance(value, str) and not isinstance(value, NumberText):
        flags.add("shape_repaired")
        return [_block("paragraph", value, None, None, flags)]
    if not isinstance(value, Pairs):
        flags.add("content_dropped")
        return []
    box, confidence = _box(value, flags), _confidence(value)
    named = [(_known(key), content) for key, content in value if _known(key)]
    kinds = [content for key, content in value if _name(key) in ("type", "kind", "category", "label") and isinstance(content, str)]
    if kinds and (_name(kinds[0]) in BLOCK_TYPES or _known(kinds[0]) or not named):
        kind = _known(kinds[0]) or "paragraph"
        flags.add("shape_repaired")
        named = _typed(kind, [(_name(key), content) for key, content in value if _name(key) in (*_CONTENT, _name(kinds[0]))], flags)
    elif len(named) != 1 or {key for key, _ in value} - {*BLOCK_TYPES, *_IGNORED}:
        flags.add("shape_repaired")
    if not named:
        flags.add("content_dropped")
    blocks: list[dict[str, Any]] = []
    for kind, content in named:
        if kind == "list_item" and isinstance(content, list) and not isinstance(content, Pairs):
            flags.add("shape_repaired")
            blocks += [_block(kind, item, None, confidence, flags) for item in content]
        elif content is not None:
            block = _block(kind, content, box, confidence, flags)
            if "table" in block:
                block[_HEADER_ROWS] = _header_rows(value)
            blocks.append(block)
    return blocks


def _typed(kind: str, given: list[tuple[str, object]], flags: set[str]) -> list[tuple[str, object]]:
    """The blocks of an object that names its kind, `given` being its contents: one of that kind, and its title and caption beside
    it. Other contents are most often the same in other words, and are left out."""
    filled = [(key, content) for key, content in given if content not in (None, "", [])]
    if not filled:
        return [(kind, "")] if kind in ("figure", "chart") or any(content is not None for _, content in given) else []
    main = next((place for place, (key, _) in enumerate(filled) if key not in _HEADS), 0)
    main = next((place for place, (_, content) in enumerate(filled) if kind == "table" and isinstance(content, list)), main)
    blocks = []
    for place, (key, content) in enumerate(filled):
        if place == main:
            blocks.append((kind, content))
        elif key in _HEADS and content != filled[main][1]:
            blocks.append(("caption" if key == "caption" or kind in ("table", "figure", "chart") else "heading", content))
        elif content != filled[main][1]:
            flags.add("content_dropped")
    return blocks


def _block(kind: str, content: object, box: object, confidence: object, flags: set[str]) -> dict[str, Any]:
    extra = {"box": box, "confidence": confidence}
    if kind == "table":
        rows = _rows(content, flags)
        if rows is not None:
            return {"table": [[cell if cell is None else _text(cell, flags) for cell in row] for row in rows], **extra}
        kind = "paragraph"
        flags.add("shape_repaired")
    return {kind: _text(content, flags, is_formula=kind == "formula"), **extra}


def _rows(content: object, flags: set[str]) -> list[list[object]] | None:
    """The rows of a table's content; None if it is a text without a table."""
    if isinstance(content, Pairs):
        content = next((inner for key, inner in content if key in ("rows", "cells", "data", "table")), str(_text(content, flags)))
        flags.add("shape_repaired")
    if isinstance(content, list):
        if any(not isinstance(row, list) or isinstance(row, Pairs) for row in content):
            flags.add("shape_repaired")
        return [
            [inner for _, inner in row] if isinstance(row, Pairs) else row if isinstance(row, list) else [row] for row in content
        ]
    flags.add("shape_repaired")
    return rows_of_table_text(str(content)) if isinstance(content, str) else None  # type: ignore[return-value]


def _text(content: object, flags: set[str], *, is_formula: bool = False) -> str:
    """The content as a text. A list gives its items as lines, an object its values."""
    if isinstance(content, str):
        if isinstance(content, NumberText):
            flags.add("shape_repaired")
        mended = mend_latex(str(content), is_formula=is_formula)
        if mended.is_repaired:
            flags.add("latex_repaired")
        if mended.is_suspect:
            flags.add("latex_suspect")
        return clean_text(mended.text)
    flags.add("shape_repaired")
    if content is None:
        return ""
    if isinstance(content, Pairs):
        return "\n".join(_text(inner, flags) for key, inner in content if inner is not None and _name(key) not in _IGNORED)
    if isinstance(content, list):
        return "\n".join(_text(inner, flags) for inner in content if inner is not None)
    return str(content)


def clean_text(text: str) -> str:
    """The text without control characters (terminal escapes, NUL), and with line feeds as line ends."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char in "\n\t" or not (char < " " or "\x7f" <= char <= "\x9f"))


def shape_chart(value: object) -> Shaped:
    """The chart answer in its asked shape. Raises PageError(bad_answer) if the value is no chart answer."""
    if isinstance(value, list) and not isinstance(value, Pairs) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Pairs):
        raise PageError(FailureKind.bad_answer, "the answer is no object")
    shaped = Shaped({})
    given: dict[str, object] = {}
    for key, content in value:
        name = _name(key)
        name = name if name in ChartAnswer.model_fields else _CHART_NAMES.get(name, name)
        if name not in ChartAnswer.model_fields:
            shaped.flags.add("content_dropped")
        else:
            if name != key or name in given:
                shaped.flags.add("shape_repaired" if name not in given else "content_dropped")
            given.setdefault(name, content)
    if not isinstance(given.get("chart"), str):
        raise PageError(FailureKind.bad_answer, "the answer does not say what kind of chart it is")
    kind, subtype = _chart_kind(str(given.pop("chart")), shaped.flags)
    shaped.value["chart"] = kind
    for name, content in given.items():
        shaped.value[name] = _chart_field(name, content, shaped.flags)
    if subtype and not shaped.value.get("subtype"):
        shaped.value["subtype"] = subtype
    return shaped


def _chart_field(name: str, content: object, flags: set[str]) -> object:
    choices = [choice for part in get_args(ChartAnswer.model_fields[name].annotation) for choice in get_args(part)]
    if name in ("rows", "points"):
        return _chart_rows(content, flags, depth=2 if name == "rows" else 3)
    if name in ("series", "y2_series"):
        if isinstance(content, list) and any(isinstance(item, Pairs) and len(item) > 1 for item in content):
            flags.add("content_dropped")  # a series with values of its own
        return [clean_text(text) for text in _strings(content)]
    text = _optional(content, flags)
    if not choices or text is None or text in choices:
        return text
    flags.add("shape_repaired")
    choice = _CHOICES.get(text.lower(), text.lower())
    return choice if choice in choices else None


def _chart_rows(content: object, flags: set[str], depth: int) -> list[Any]:
    """Nested lists of text or None. An object counts as the list of its values, in order."""
    if isinstance(content, Pairs):
        flags.add("shape_repaired")
        content = [inner for _, inner in content]
    if not isinstance(content, list):
        if content is None:
            return []
        raise PageError(FailureKind.bad_answer, "the chart's data is no list of rows")
    if depth > 1:
        return [_chart_rows(inner, flags, depth - 1) for inner in content]
    return [_cell(inner, flags) for inner in content]


def _cell(content: object, flags: set[str]) -> str | None:
    """A value as text; None for null and for the empty string, which means that nothing was seen."""
    if isinstance(content, (list, Pairs)):
        raise PageError(FailureKind.bad_answer, "a value of the chart is no text")
    return None if content is None or content == "" else _text(content, flags)


def _chart_kind(text: str, flags: set[str]) -> tuple[str, str | None]:
    """(kind, subtype): `stacked column chart` is ("bar", "stacked")."""
    kinds = get_args(ChartKind)
    if text in kinds:
        return text, None
    flags.add("shape_repaired")
    words = _name(text).removesuffix("_chart").removesuffix("_graph").removesuffix("_plot")
    for candidate in (words, _name(text)):
        if candidate in kinds or candidate in _CHART_KINDS:
            return _CHART_KINDS.get(candidate, candidate), "donut" if candidate in ("donut", "doughnut") else None
    subtype, _, last = words.rpartition("_")
    kind = _CHART_KINDS.get(last, last)
    return (kind, subtype.replace("_", " ") or None) if kind in kinds else ("other", text[:100])


def _optional(content: object, flags: set[str]) -> str | None:
    """A label; None for `""`, "null" and the like."""
    if isinstance(content, Pairs):
        content = next((inner for key, inner in content if _name(key) in ("label", "title", "name", "text")), None)
        flags.add("shape_repaired")
    text = None if content is None else _text(content, flags).strip()
    return None if text is None or text.lower() in _NULLS - {"none"} else text


def _strings(content: object) -> list[str]:
    """A list of names. `null` stands for an unnamed series and becomes ""."""
    if content is None:
        return []
    if isinstance(content, str):
        return [str(content)]
    if not isinstance(content, list):
        return []
    items = [inner[0][1] if isinstance(inner, Pairs) and inner else inner for inner in content]
    return [str(item) if isinstance(item, str) else "" for item in items]


def _box(value: Pairs, flags: set[str]) -> list[str] | None:
    found = next((content for key, content in value if _name(key) in _BOXES and content is not None), None)
    if found is None:
        return None
    if isinstance(found, list) and len(found) == 4 and all(isinstance(item, str) and _NUMBER.fullmatch(item) for item in found):
        if not all(isinstance(item, NumberText) for item in found):
            flags.add("shape_repaired")
        return [str(item) for item in found] if all(len(item) < 40 and abs(float(item)) < 1e6 for item in found) else None
    flags.add("shape_repaired")
    return None


def _confidence(value: Pairs) -> str | None:
    found = dict(value).get("confidence")
    return str(found) if isinstance(found, NumberText) and len(found) < 40 and 0 <= float(found) <= 1 else None


def _header_rows(value: Pairs) -> int | None:
    found = dict(value).get(_HEADER_ROWS)
    return int(found) if isinstance(found, NumberText) and re.fullmatch(r"\d{1,4}", found) else None


def _known(key: str) -> str:
    """The asked name for a block's key; "" if the key names no block."""
    name = _name(key)
    return name if name in BLOCK_TYPES else _BLOCK_NAMES.get(name, "")


def _name(key: str) -> str:
    return key.strip().lower().replace("-", "_").replace(" ", "_")
