"""A page's Markdown from its blocks, plain text from Markdown, and Markdown from literal text."""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from schemas.records import BlockKind

_MARKED = re.compile(r"^\s*(?:[-*+•·‣◦▪–]|\(?\w{1,3}[.)])\s")
_HEADING_MARKS = re.compile(r"^#{1,6} ", re.MULTILINE)
_MATH = re.compile(
    r"\$\$?((?=[^$\n]{0,500}[\\^_{])[^$\n]{1,1000})(?<!\\)\$\$?"
    r"|\\\(([^\n]{1,1000}?)(?<!\\)\\\)|\\\[([^\n]{1,1000}?)(?<!\\)\\\]"
)
"""Dollars are taken for math only around LaTeX signs, so that "$5 and $6" stays; so are \\( \\) and \\[ \\]. Lengths are bounded:
else a page of unpaired marks costs the square of its length."""
_LATEX_SIGN = re.compile(r"[\\^_{]")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_STYLE = re.compile(r"</?(?:b|i|u|s|em|strong|sup|sub|del|ins|mark|small|span)>", re.IGNORECASE)

_SPECIAL = re.compile(
    r"[\\`*~|]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # snake_case is no emphasis
    r"|\](?=[(\[:])"  # a link, or the definition of one
    r"|<(?=[^\s\d]|\d[^\s<>]*@)"  # a tag or an address, not "p<0.05"
    r"|&(?=#?\w+;)"
    r"|^\#|(?<=\s)\#(?=\#*\s*$)",  # a heading's marks, in front and at its end
    re.MULTILINE,
)
_LINE_START = re.compile(
    r"^(?:(?P<mark>>|[-+](?=\s|$)|[-=](?=[-=\s]*?$)|:(?=[-:\s]*?$))|(?P<number>\d{1,9})(?=[.)](?:\s|$))|(?P<task>\[[ xX])(?=\]))",
    re.MULTILINE,
)
"""What opens a quotation, an item, a rule, a table or a box to tick. It looks to the end of its line and no farther (`*?`)."""
_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])\s+")


def escape(text: str) -> str:
    """Literal text as inline Markdown: a reader of Markdown gets the same characters, up to white space at the ends of lines.

    Only what would be read as markup gets a backslash, so that a search in Markdown finds `snake_case`, "[12]" and "p<0.05".
    """
    lines = "\n".join(line.strip() for line in text.splitlines())
    escaped = _SPECIAL.sub(r"\\\g<0>", lines)
    return escaped.replace("$", "\\$") if _MATH.search(escaped) else escaped


def escape_block(kind: BlockKind, text: str) -> str:
    """Literal text as the text of a block, which may stand at the beginning of a line; the mark of a list's item stays one, and so
    do the line breaks of a paragraph."""
    if kind in ("title", "heading", "figure", "chart"):
        return escape(text)
    mark = _ITEM.match(text) if kind == "list_item" else None
    start = mark.end() if mark else 0
    escaped = text[:start] + _LINE_START.sub(r"\g<number>\g<task>\\\g<mark>", escape(text[start:]))
    return escaped.replace("\n", "\\\n") if kind == "paragraph" else escaped


def block_markdown(kind: BlockKind, text: str) -> str:
    """A block as it stands in the page's Markdown; code is literal there, between fences."""
    if not text.strip():
        return ""
    if kind in ("title", "heading"):
        return ("# " if kind == "title" else "## ") + " ".join(text.lstrip("# ").split())
    if kind == "list_item":
        return text if _MARKED.match(text) else f"- {text}"
    if kind == "code":
        fence = max(["``", *re.findall(r"^\s*(`{3,})", text, re.MULTILINE)], key=len) + "`"
        return f"{fence}\n{text}\n{fence}"
    if kind == "formula":
        return f"$$\n{text.strip().strip('$').strip()}\n$$"
    if kind in ("figure", "chart"):
        return "![" + " ".join(text.split()).replace("[", "(").replace("]", ")") + "]()"
    return text


def join_markdown(parts: list[tuple[BlockKind, str]]) -> str:
    """Blocks apart by an empty line, items of a list by a line break."""
    page, last = "", ""
    for kind, text in parts:
        markdown = block_markdown(kind, text)
        if markdown:
            page += ("" if not page else "\n" if kind == last == "list_item" else "\n\n") + markdown
            last = kind
    return page


def plain_text(text: str) -> str:
    """Without inline Markdown, inline HTML and marks of headings; LaTeX stays as it is, its delimiters go."""
    return _inline_text(_HEADING_MARKS.sub("", text))


def block_plain(kind: BlockKind, text: str) -> str:
    """A block's text (`blocks.text`) without Markdown. Formulas stay LaTeX, and code is none."""
    return text if kind in ("formula", "code") else plain_text(text)


def _inline_text(text: str) -> str:
    if not any(mark in text for mark in "*_`[$<\\~&"):
        return text
    return "".join(_texts(_PARSER.parseInline(text)))


def _texts(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        is_tag = token.type == "html_inline"
        if token.type in ("inline", "image"):
            yield from _texts(token.children or [])
        elif token.type in ("softbreak", "hardbreak") or (is_tag and _BREAK.fullmatch(token.content)):
            yield "\n"
        elif not (is_tag and _STYLE.fullmatch(token.content)):
            yield token.content


def _math(state: StateInline, silent: bool) -> bool:
    """The parser's rule for LaTeX between its delimiters, where no other rule may look for marks."""
    match = _MATH.match(state.src, state.pos)
    latex = next(filter(None, match.groups()), "") if match else ""
    if match is None or not _LATEX_SIGN.search(latex):
        return False
    if not silent:
        state.push("math", "math", 0).content = latex
    state.pos = match.end()
    return True


_PARSER = MarkdownIt("commonmark").enable("strikethrough")
_PARSER.inline.ruler.before("escape", "math", _math)


def plain_rows(rows: list[list[str]]) -> str:
    """A table of Markdown cells as lines of tab-separated plain ones."""
    return literal_rows([[_inline_text(cell) for cell in row] for row in rows])


def literal_rows(rows: list[list[str]]) -> str:
    """A table of plain cells as lines of tab-separated ones."""
    return "\n".join("\t".join(" ".join(cell.split()) for cell in row).rstrip() for row in rows)
