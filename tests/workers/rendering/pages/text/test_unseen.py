from pathlib import Path

import numpy as np
import pytest

from schemas.page import ACROSS, DOWN, Box, Word
from tests.workers import made_text
from workers.rendering.pages.text.pdf_text import PdfText
from workers.rendering.pages.text.unseen import Drawn, _covered, _stacked, without_unseen
from workers.rendering.renderer import Renderer

pytestmark = pytest.mark.slow

MADE = {made.name: made for made in made_text.tuned() if made.name.startswith(("hidden/", "ocr-layer/"))}


@pytest.mark.parametrize("name", MADE)
def test_text_that_nobody_sees_goes_apart_and_what_is_seen_stays(renderer: Renderer, tmp_path: Path, name: str) -> None:
    made = MADE[name]
    path = tmp_path / "made.pdf"
    path.write_bytes(made.pdf)
    renderer.probe(path, None, None)

    (page,) = renderer.render(path, [0])

    assert page.text_layer is not None
    words = " ".join(word.text for word in page.text_layer.words)
    unseen = " ".join(word.text for word in page.text_layer.unseen)
    assert all(text in words for text in made.has)
    assert not any(text in words for text in made.lacks)
    assert ("hidden_text" in page.flags) == ("hidden_text" in made.flags) == bool(unseen)
    assert unseen == (made.lacks[0] if made.flags else "")


def word(text: str, left: float, top: float) -> Word:
    return Word(text, left, top, left + 8 * len(text), top + 10, 0, 0, 10.0)


def test_what_was_drawn_over_a_word_later_covers_it_and_what_was_before_does_not() -> None:
    words = [word("under", 0, 0), word("over", 0, 40)]
    order = [
        Drawn(Box(0, 40, 60, 50), None),
        Drawn(Box(0, 0, 60, 10), "under it"),
        Drawn(Box(0, 40, 60, 50), "over it"),
        Drawn(Box(-5, -5, 70, 15), None),
    ]
    bands = np.array([each[1:5] for each in words], dtype=float)

    assert _covered(words, bands, order) == [True, False]


def test_words_that_share_a_place_are_found_and_a_bold_print_twice_is_not() -> None:
    words = [word("secret", 0, 0), word("[none]", 2, 1), word("bold", 100, 0), word("bold", 100.3, 0), word("next", 0, 12)]

    assert dict(_stacked(words)) == {0: {1}, 1: {0}}


def test_a_page_of_words_in_one_place_is_looked_at_in_no_time() -> None:
    words = [word(f"w{number}", 0, 0) for number in range(10_000)]

    assert len(_stacked(words)) > 0


@pytest.mark.parametrize(("style", "is_kept"), [(DOWN, True), (ACROSS, False)])
def test_a_sign_in_a_column_may_be_drawn_beside_its_place(style: int, is_kept: bool) -> None:
    pixels = np.full((60, 30, 3), 255, np.uint8)
    pixels[22:24, 14:16] = 0  # ink above the sign's place
    sign = Word("。", 10, 25, 20, 35, 0, 0, 10.0, style)

    text = without_unseen(PdfText(words=[sign]), pixels, 1.0, 1.0, [], list)

    assert (text.words == [sign]) is is_kept


@pytest.mark.parametrize(("size", "is_kept"), [(0.8, False), (4.0, True)])
def test_text_that_only_a_machine_can_read_is_unseen(size: float, is_kept: bool) -> None:
    pixels = np.zeros((60, 200, 3), np.uint8)
    pixels[::2] = 255  # ink everywhere
    words = [word("large", 0, 0), word("letters", 60, 0), word("tiny", 0, 30)._replace(size_px=size, bottom=30 + 1.2 * size)]

    text = without_unseen(PdfText(words=words), pixels, 1.0, 1.0, [], list)

    assert (words[2] in text.words) is is_kept
    assert (words[2] in text.unseen) is not is_kept
