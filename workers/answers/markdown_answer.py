"""Parses a page that was answered in Markdown into the blocks of the JSON answer.

markdown-it-py finds the blocks (CommonMark and pipe tables). The text inside a block stays Markdown, as in the JSON answer. Display
formulas and HTML tables are cut out first, because CommonMark reads their lines as lists, headings and paragraphs. Markdown has no
headers, footers, captions and charts: they become paragraphs, and a chart becomes a figure. No block has a box, but for figures
whose file names say where they are.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from schemas.answers import OcrAnswer
from schemas.failure import FailureKind, PageError
from workers.answers.boxes import Boxes
from workers.answers.parse import MAX_CHARS, Parsed, without_thinking
from workers.answers.reshape import clean_text
from workers.text.languages import languages_of
from workers.text.tables import captions_of_table_text, rows_of_table_text

MAX_FORMULA_LINES = 80
"""A longer display formula counts as never closed, and its `$$` as text."""
MAX_NESTING = 60
"""The parser leaves out what is nested deeper. `_TOO_DEEP` removes such nesting before."""

# On a page indented text is no code, `---` under a line is a separator and no heading, and `[1]: …` and HTML tags are text.
_PARSER = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table")
_PARSER.disable(["code", "lheading", "reference", "html_block", "inline"])

_TOO_DEEP = re.compile(r"^(?:>[ \t]?|[-+*][ \t]+){20,}", re.MULTILINE)
_WRAPPING = re.compile(r"\s*(`{3,}|~{3,})[ \t]*(markdown|md|text)?[ \t]*\n", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_INNER_FENCE = re.compile(r"(?:`{3,}|~{3,})[ \t]*(\w*)")
_FORMULA_ENDS = {"$$": "$$", "\\[": "\\]"}
_IMAGES = re.compile(r"(?:!\[[^\]\n]{0,2000}\]\([^)\n]{0,2000}\)\s*)+")
_ALT = re.compile(r"!\[([^\]\n]{0,2000})\]\(([^)\n]{0,2000})\)")
_ONE_FORMULA = re.compile(r"\$(?=[^$]*[\\^_{=])[^$]+\$")
_FOOTNOTE = re.compile(r"\[\^([^\]\s]{1,40})\]:\s*(.*)", re.DOTALL)
_TAG_LINE = re.compile(r"\s*(?:</?(?:div|p|center|section|article|figure|br|hr)\b[^<>]{0,500}>|<!--.{0,500}-->)\s*", re.IGNORECASE)
_WRAPPED_LINE = re.compile(r"\s*<(div|p|center|figcaption|caption)\b[^<>]{0,500}>(.*)</\1>\s*", re.IGNORECASE)
_IMG_LINE = re.compile(r"\s*<img\b([^<>]{0,2000})>\s*", re.IGNORECASE)
_SRC_ATTRIBUTE = re.compile(r"""\bsrc\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_EDGES_IN_NAME = re.compile(r"\bbbox_(\d{1,6})_(\d{1,6})_(\d{1,6})_(\d{1,6})\b")
"""left, top, right, bottom in the name that OvisOCR2 gives to a figure's file."""
_PLACE_IN_NAME = re.compile(r"\bpage_(\d{1,6})_(\d{1,6})_(\d{1,6})_(\d{1,6})\b")
"""left, top, width, height in the name that olmOCR gives to a figure's file."""
_ALT_ATTRIBUTE = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)

JsonBlock = dict[str, Any]


def parse_markdown(text: str, *, is_complete: bool, boxes: Boxes | None = None) -> Parsed:
    """The answer in a completion's text. An answer that stopped early is kept, with its last block as far as it goes.

    `boxes`: what the boxes in the names of figures count in; None if names say nothing.
    The languages are those that follow from the script alone (`workers.text.languages`). Raises PageError(bad_answer) if there are
    only thoughts, or far too much text.
    """
    if len(text) > MAX_CHARS:
        raise PageError(FailureKind.bad_answer, f"the answer has {len(text)} characters")
    if text.lstrip().startswith("<think>") and "</think>" not in text:
        raise PageError(FailureKind.bad_answer, "the answer ends before its thoughts do")
    source, was_wrapped = _unwrapped(_TOO_DEEP.sub("> ", clean_text(without_thinking(text))))
    blocks = list(markdown_blocks(source, boxes))
    flags = {"markdown_wrapped"} if was_wrapped else set()
    if not is_complete:
        flags.add("partial")
    answer = OcrAnswer.model_validate({"languages": languages_of(source), "blocks": blocks})
    return Parsed(answer, is_partial=not is_complete, repairs=tuple(sorted(flags)))


def markdown_blocks(source: str, boxes: Boxes | None) -> Iterator[JsonBlock]:
    """The blocks of clean Markdown."""
    for part in _parts(source.split("\n")):
        yield from _blocks_of(part, boxes)


def _unwrapped(source: str) -> tuple[str, bool]:
    """The text without a code fence around all of it, and whether there was one."""
    opening = _WRAPPING.match(source)
    if opening is None:
        return source, False
    rest = source[opening.end() :]
    inner, closing, after = rest.rstrip().rpartition("\n")
    is_closed = (after or inner).strip() == opening[1]
    if not is_closed and opening[2] is None:
        return source, False  # code at the head of a page
    inner = inner if is_closed and closing else "" if is_closed else rest
    first = _INNER_FENCE.search(inner)
    is_around = first is None or (opening[2] is not None and first[1] != "")  # one with a language opens code, and closes nothing
    return (inner, True) if is_around else (source, False)


class _Part(NamedTuple):
    kind: str
    """markdown, formula or table."""
    text: str


def _parts(lines: list[str]) -> Iterator[_Part]:
    """The parts of the answer in order, cut at display formulas and HTML tables. Code fences are not cut."""
    text: list[str] = []
    fence = ""
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if fence or (opened := _FENCE.match(line)):
            fence = opened[1] if not fence else "" if line.strip().startswith(fence) else fence  # type: ignore[index]
            text.append(line)
            continue
        found = _formula(lines, index - 1) or _table(lines, index - 1)
        if found is None:
            text.append(line)
            continue
        before, part, rest, index = found
        yield _Part("markdown", "\n".join([*text, before]))
        yield part
        text = [rest] if rest.strip() else []
    yield _Part("markdown", "\n".join(text))


_Found = tuple[str, _Part, str, int]
"""(text before the part on its first line, the part, text after it on its last line, index of the next line)."""


def _formula(lines: list[str], start: int) -> _Found | None:
    line = lines[start].strip()
    opening = line[:2]
    if opening not in _FORMULA_ENDS:
        return None
    closing = _FORMULA_ENDS[opening]
    if closing in line[2:]:
        inside, _, rest = line[2:].partition(closing)
        return None if rest.strip() or not inside.strip() else ("", _Part("formula", inside), "", start + 1)
    body = [line[2:]]
    for index in range(start + 1, min(len(lines), start + MAX_FORMULA_LINES)):
        inside, closed, rest = lines[index].partition(closing)
        body.append(inside)
        if closed:
            return "", _Part("formula", "\n".join(body)), rest, index + 1
    if start + MAX_FORMULA_LINES > len(lines) and "".join(body).strip():
        return "", _Part("formula", "\n".join(body)), "", len(lines)  # the answer was cut inside
    return None


def _table(lines: list[str], start: int) -> _Found | None:
    begin = lines[start].lower().find("<table")
    if begin < 0 or "`" in lines[start][:begin]:
        return None
    body = []
    for index in range(start, len(lines)):
        line = lines[index]
        end = line.lower().find("</table>", begin if index == start else 0)
        if end >= 0:
            body.append(line[:end])
            whole = "\n".join(body)[begin:]
            return lines[start][:begin], _Part("table", f"{whole}</table>"), line[end + len("</table>") :], index + 1
        body.append(line)
    return lines[start][:begin], _Part("table", "\n".join(body)[begin:]), "", len(lines)  # cut inside


def _blocks_of(part: _Part, boxes: Boxes | None) -> Iterator[JsonBlock]:
    if part.kind == "formula":
        yield {"formula": part.text.strip()}
    elif part.kind == "table":
        rows = rows_of_table_text(part.text)
        if rows:
            yield from ({"caption": caption} for caption in captions_of_table_text(part.text))
        yield {"table": rows} if rows else {"paragraph": part.text.strip()}
    elif part.text.strip():
        yield from _blocks(part.text, boxes)


def _blocks(source: str, boxes: Boxes | None) -> Iterator[JsonBlock]:
    lines = source.split("\n")
    tokens = iter(_PARSER.parse(source))
    marker: str | None = None
    """Marker of the list item whose text comes next."""
    for token in tokens:
        if token.type == "list_item_open":
            marker = f"{token.info}{token.markup} " if token.info else ""
        elif token.type == "heading_open":
            text = next(tokens).content.strip()
            if text:
                yield {"title" if token.tag == "h1" else "heading": (marker or "") + text}
            marker = None
        elif token.type == "paragraph_open":
            content = next(tokens).content
            if marker is None:
                yield from _paragraph(content, boxes)
            elif text := content.strip():
                yield {"list_item": marker + text}
            marker = None
        elif token.type == "table_open":
            yield {"table": _rows(token, tokens, lines)}
            marker = None
        elif token.type == "fence":
            yield from _fenced(token)
            marker = None


def _rows(opening: Token, tokens: Iterator[Token], lines: list[str]) -> list[list[str | None]]:
    """The rows of a table. They come from the source lines if the table is not nested, because the parser drops cells of a row that
    has more than the first."""
    rows: list[list[str | None]] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token.content)
    if opening.level == 0 and opening.map:
        rows = rows_of_table_text("\n".join(lines[slice(*opening.map)])) or rows
    return rows


def _fenced(token: Token) -> Iterator[JsonBlock]:
    content = token.content.strip("\n")
    if token.info.strip().lower() in ("latex", "math", "tex") and content.strip():
        yield {"formula": content.strip()}
    elif content.strip():
        rows = rows_of_table_text(content)
        yield {"table": rows} if rows else {"paragraph": content}


def _paragraph(content: str, boxes: Boxes | None) -> Iterator[JsonBlock]:
    lines: list[str] = []
    for line in content.split("\n"):
        if image := _IMG_LINE.fullmatch(line):
            if lines:
                yield from _plain_paragraph("\n".join(lines), boxes)
                lines = []
            yield _figure(_attribute(_ALT_ATTRIBUTE, image[1]), _attribute(_SRC_ATTRIBUTE, image[1]), boxes)
        elif not _TAG_LINE.fullmatch(line):
            wrapped = _WRAPPED_LINE.fullmatch(line)
            lines.append(wrapped[2].strip() if wrapped else line)
    yield from _plain_paragraph("\n".join(lines), boxes)


def _plain_paragraph(content: str, boxes: Boxes | None) -> Iterator[JsonBlock]:
    text = content.strip()
    if not text:
        return
    if _IMAGES.fullmatch(text):
        for alt, source in _ALT.findall(text):
            yield _figure(alt, source, boxes)
    elif footnote := _FOOTNOTE.fullmatch(text):
        yield {"footnote": f"{footnote[1]} {footnote[2]}".strip()}
    elif _ONE_FORMULA.fullmatch(text):
        yield {"formula": text[1:-1].strip()}
    elif text.startswith("|") and (rows := rows_of_table_text(text)):
        yield {"table": rows}  # its separator has another number of cells than its head
    else:
        yield {"paragraph": text}


def _attribute(pattern: re.Pattern[str], attributes: str) -> str:
    found = pattern.search(attributes)
    return (found[1] or found[2] or "") if found else ""


def _figure(alt: str, source: str, boxes: Boxes | None) -> JsonBlock:
    box = None
    if boxes is not None and (edges := _EDGES_IN_NAME.search(source)):
        box = boxes.share([int(edge) for edge in edges.groups()])
    elif boxes is not None and (place := _PLACE_IN_NAME.search(source)):
        left, top, width, height = map(int, place.groups())
        box = boxes.share([left, top, left + width, top + height])
    return {"figure": alt.strip()} | ({"box": box} if box else {})
