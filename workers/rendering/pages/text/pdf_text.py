"""The text of a PDF page in points, and its text layer in pixels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.page import FAR_PX, TextLayer, Word


@dataclass
class PdfText:
    """Words in points of the page as shown (rotation applied), and what counting them gave."""

    words: list[Word] = field(default_factory=list)
    num_chars: int = 0
    num_unmapped: int = 0
    num_hidden: int = 0
    size_chars: Counter[float] = field(default_factory=Counter)
    """Font size in points, to 0.1 -> visible characters on the page."""
    fonts: dict[str, int] = field(default_factory=dict)
    """Name -> its number in `Word.font`."""
    unseen: list[Word] = field(default_factory=list)
    """Words that nobody sees on the page as drawn; not among `words`, and counted nowhere."""

    def layer(self, x: float, y: float) -> TextLayer | None:
        """In pixels, `x` and `y` being pixels per point; None when the page has no text."""
        if not self.num_chars and not self.unseen:
            return None
        return TextLayer(
            words=all_scaled(self.words, x, y),
            num_chars=self.num_chars,
            num_unmapped=self.num_unmapped,
            num_hidden=self.num_hidden,
            unseen=all_scaled(self.unseen, x, y),
        )

    def number_of(self, font: str) -> int:
        return self.fonts.setdefault(font, len(self.fonts))


def all_scaled(words: Sequence[Word], x: float, y: float) -> list[Word]:
    """In pixels, to a hundredth; `x` and `y` are pixels per point. One array holds them all, because scaling words one by one costs
    half of what reading them does."""
    sides = np.array([(left, top, right, bottom, size) for _, left, top, right, bottom, _, _, size, _, _ in words], dtype=float)
    rounded = (sides.reshape(-1, 5) * (x, y, x, y, y)).round(2).clip(-FAR_PX, FAR_PX).tolist()
    return [
        Word(word.text, left, top, right, bottom, word.block, word.line, size, word.style, word.font)
        for word, (left, top, right, bottom, size) in zip(words, rounded, strict=True)
    ]
