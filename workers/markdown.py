"""A page's Markdown from its blocks, and plain text from Markdown."""

import re

from schemas.records import BlockKind

_MARKED = re.compile(r"^\s*(?:[-*+•·‣◦▪–]|\(?\w{1,3}[.)])\s")
_INLINE = [
    (re.compile(r"!\[([^\]\n]{0,500})\]\([^)\s]{0,500}\)"), r"\1"),
    (re.compile(r"\[([^\]\n]{1,500})\]\((?:[^()\s]|\([^()\s]{0,100}\)){0,500}\)"), r"\1"),
    (re.compile(r"(?<!\\)(\*{1,3}|~~)(?=[^\s*])([^*\n]{0,500}?[^\s*\\])\1"), r"\2"),
    (re.compile(r"(?<![\w\\])(_{1,3})(?=[^\s_])([^\n]{0,500}?[^\s_\\])\1(?!\w)"), r"\2"),
    (re.compile(r"(?<!\\)(`+)([^`\n]{1,500})\1"), r"\2"),
    (re.compile(r"\$\$?((?=[^$\n]{0,500}[\\^_{])[^$\n]{1,1000})\$\$?"), r"\1"),
    (re.compile(r"<br\s*/?>", re.IGNORECASE), "\n"),
    (re.compile(r"</?(?:b|i|u|s|em|strong|sup|sub|del|ins|mark|small|span)>", re.IGNORECASE), ""),
    (re.compile(r"^#{1,6} ", re.MULTILINE), ""),
    (re.compile(r"\\([*_`~#|\[\]$\\])"), r"\1"),
]
"""Dollars are taken for math only around LaTeX signs, so that "$5 and $6" stays. Lengths are bounded: else a page of
unpaired marks costs the square of its length (20,000 of them 52 s instead of 1.4)."""


def block_markdown(kind: BlockKind, text: str) -> str:
    """A block as it stands in the page's Markdown."""
    if not text.strip():
        return ""
    if kind in ("title", "heading"):
        return ("# " if kind == "title" else "## ") + " ".join(text.lstrip("# ").split())
    if kind == "list_item":
        return text if _MARKED.match(text) else f"- {text}"
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
    """Without inline Markdown and inline HTML; LaTeX stays as it is, its dollars go."""
    if not any(mark in text for mark in "*_`[$<#\\~"):
        return text
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text


def plain_rows(rows: list[list[str]]) -> str:
    """A table as lines of tab-separated cells."""
    return "\n".join("\t".join(" ".join(plain_text(cell).split()) for cell in row).rstrip() for row in rows)
