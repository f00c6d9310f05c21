"""What is proposed, on tokens that are words."""

import re

import pytest

from workers.engines.ovis.drafts.aligned_text import AlignedText
from workers.engines.ovis.drafts.depth import FIRST_PAUSE, MEMORY, START, Depth, StepCost
from workers.engines.ovis.drafts.drafter import FirstOf
from workers.engines.ovis.drafts.own_text import OwnText

PIECE = re.compile(r" ?\w+|\s?[^\w\s]+|\s+")


class Words:
    """A tokenizer whose tokens are words with the space before them, and runs of signs."""

    def __init__(self):
        self.ids, self.pieces = {}, []

    def encode(self, text):
        return [self._id(piece) for piece in PIECE.findall(text)]

    def _id(self, piece):
        if piece not in self.ids:
            self.ids[piece] = len(self.pieces)
            self.pieces.append(piece)
            if piece.startswith(" "):
                self._id(piece[1:])
        return self.ids[piece]

    def decode(self, tokens):
        return "".join(self.pieces[token] for token in tokens)

    def aligned(self, text):
        tokens = self.encode(text)
        bare = {self.ids[piece]: self.ids[piece[1:]] for piece in self.pieces if piece.startswith(" ") and len(piece) > 1}
        marks = frozenset(token for piece, token in self.ids.items() if not any(map(str.isalnum, piece)))
        return AlignedText(tokens, bare, marks)


def proposed(text, answer, most=4):
    words = Words()
    words.encode(answer)
    drafter = words.aligned(text)
    tokens = words.encode(answer)
    for end in range(len(tokens)):  # as it is written
        drafter.propose(tokens[:end], most)
    return words.decode(drafter.propose(tokens, most))


TEXT = "The quick brown fox jumps over the lazy dog. A second sentence says something else, and the lazy dog sleeps."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", "The quick brown fox"),
        ("The quick brown", " fox jumps over the"),
        ("The quick red", " fox jumps over the"),  # one word for another
        ("The quick fox jumps", " over the lazy dog"),  # one left out
        ("The quick **", "brown fox jumps over"),  # a mark that the text lacks
        ('The quick brown fox"}, {"', "jumps over the lazy"),  # a block that the text does not begin
        ("A second sentence", " says something else,"),  # another order
        ("The lazy dog. A second sentence says", " something else, and"),
        ("something else, and the lazy dog", " sleeps."),  # the longer run decides between two places
        ("nothing of all this was ever on that page as it seems", ""),
    ],
)
def test_the_text_is_found_again_where_the_answer_parts_from_it(answer, expected):
    assert proposed(TEXT, answer) == expected


def test_the_end_of_the_text_is_the_end_of_the_draft():
    assert proposed(TEXT, TEXT[:-8]) == " sleeps."
    assert proposed(TEXT, TEXT) == ""


def test_an_answer_that_says_something_twice_is_drafted_from_itself():
    words = Words()
    tokens = words.encode("north 12 units, south 15 units, north 12 units,")
    assert words.decode(OwnText().propose(tokens, 3)) == " south 15 units"
    assert OwnText().propose(words.encode("all words here differ"), 3) == []


def test_the_first_drafter_with_an_idea_is_asked_and_one_that_fails_no_more(caplog):
    class Fails:
        num_calls = 0

        def propose(self, answer, most):
            self.num_calls += 1
            raise IndexError("no")

    fails = Fails()
    both = FirstOf(fails, OwnText())
    assert both.propose([1, 2, 3, 4, 1, 2, 3], 2) == [4, 1]
    assert both.propose([1, 2, 3, 4, 1, 2, 3, 4], 2) == [1, 2]
    assert fails.num_calls == 1
    assert "goes on without it" in caplog.text


def test_depth_follows_what_is_accepted():
    cheap, depth = StepCost(1.0, 0.002).break_even(32), Depth()
    first = depth.most(cheap)
    for _ in range(20):
        depth.learn(7, 7)
    assert depth.most(cheap) > first
    for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE):  # each failure doubles the pause
        for _ in range(10 * MEMORY):
            depth.learn(0, 7)
        for _ in range(pause):
            assert depth.most(cheap) == 0
            depth.rest()
        assert depth.chance == START


@pytest.mark.parametrize(
    ("cost", "num_rows", "expected"),
    [(StepCost(1.0, 0.0), 8, 0.0), (StepCost(1.0, 0.1), 10, 0.5), (StepCost(0.0, 0.1), 1, 1.0), (StepCost(3.0, 1.0), 1, 0.25)],
)
def test_the_break_even_is_the_share_that_grows_with_tokens(cost, num_rows, expected):
    assert cost.break_even(num_rows) == pytest.approx(expected)
