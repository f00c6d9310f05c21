"""The text that an answer about an image may resemble, in the form of that answer: what the PDF says itself, line by line."""

import json
from collections.abc import Sequence
from itertools import groupby

from schemas.page import Word

_HYPHENS = "-\u00ad"


def paragraphs(words: Sequence[Word]) -> list[str]:
    """The text of each of the PDF's blocks, in the PDF's order. Words that were cut at a line's end are joined."""
    texts = []
    for _, block in groupby(words, key=lambda word: word.block):
        lines = [" ".join(word.text for word in line) for _, line in groupby(block, key=lambda word: word.line)]
        text = lines[0]
        for line in lines[1:]:
            is_cut = text[-1:] in _HYPHENS and line[:1].islower()
            text = text[:-1] + line if is_cut else f"{text} {line}"
        texts.append(text)
    return texts


def answer_like(words: Sequence[Word], *, is_json: bool) -> str:
    """The words as an answer that says nothing else; "" for none.

    >>> word = Word("Hi", 0, 0, 9, 9, block=0, line=0, size_px=9)
    >>> answer_like([word, word._replace(text='"you"', block=1)], is_json=True)
    '[{"paragraph": "Hi"}, {"paragraph": "\\\\"you\\\\""}]'
    """
    texts = paragraphs(words)
    if not is_json or not texts:
        return "\n\n".join(texts)
    return json.dumps([{"paragraph": text} for text in texts], ensure_ascii=False)


def as_written(text: str) -> str:
    """JSON with the white space that models write; any other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text
