"""The text that an answer may resemble."""

import pytest

from schemas.page import Word
from workers.text.drafts import answer_like, as_written, paragraphs


def words(*lines):
    """Lines of one block; a line `---` begins another."""
    block, said = 0, []
    for number, line in enumerate(lines):
        block += line == "---"
        said += [Word(text, 0, 0, 9, 9, block, number, 9) for text in line.split() if line != "---"]
    return said


def test_words_cut_at_a_line_s_end_are_joined_and_others_keep_their_hyphens():
    assert paragraphs(words("a long sen-", "tence of well-known words -", "And more-", "Over")) == [
        "a long sentence of well-known words - And more- Over"
    ]


def test_each_block_is_a_paragraph_in_the_answer_s_own_form():
    said = words("first block", "---", 'the "second" \\frac')
    assert answer_like(said, is_json=True) == '[{"paragraph": "first block"}, {"paragraph": "the \\"second\\" \\\\frac"}]'
    assert answer_like(said, is_json=False) == 'first block\n\nthe "second" \\frac'
    assert answer_like([], is_json=True) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"chart":"bar","rows":[["é",null]]}', '{"chart": "bar", "rows": [["é", null]]}'),
        ('{"chart": "ba', '{"chart": "ba'),
        ("", ""),
    ],
)
def test_json_gets_the_white_space_that_models_write(text, expected):
    assert as_written(text) == expected
