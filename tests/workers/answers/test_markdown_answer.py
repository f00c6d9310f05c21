"""A page answered in Markdown becomes the same blocks as one answered in JSON, and no word of it is lost."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.failure import PageError
from workers.answers.markdown_answer import parse_markdown


def blocks(text, *, is_complete=True):
    return [block.model_dump(exclude_none=True) for block in parse_markdown(text, is_complete=is_complete).answer.blocks]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Annual *report*", [{"title": "Annual *report*"}]),
        ("1. ## Sales\n2. ## Costs", [{"heading": "1. Sales"}, {"heading": "2. Costs"}]),
        ("## 1. Sales\n### Abroad", [{"heading": "1. Sales"}, {"heading": "Abroad"}]),
        ("two lines\nof one\n\nand another", [{"paragraph": "two lines\nof one"}, {"paragraph": "and another"}]),
        # a rule under a line makes no heading of it
        ("Total\n---\nbelow", [{"paragraph": "Total"}, {"paragraph": "below"}]),
        ("    indented is no code", [{"paragraph": "indented is no code"}]),
        ("> said\n> so", [{"paragraph": "said\nso"}]),
        ("- a\n- b\n  - c", [{"list_item": "a"}, {"list_item": "b"}, {"list_item": "c"}]),
        ("3. third\n4. fourth", [{"list_item": "3. third"}, {"list_item": "4. fourth"}]),
        # a year at the head of a line is kept, whatever it was taken for
        ("1986. A great year.", [{"list_item": "1986. A great year."}]),
        ("- item\n\n  goes on", [{"list_item": "item"}, {"paragraph": "goes on"}]),
        ("| a | b |\n| - | - |\n| 1 |  |", [{"table": [["a", "b"], ["1", ""]]}]),
        # more cells than the head has, and another separator: nothing is dropped
        ("| a |\n|---|\n| 1 | 2 |", [{"table": [["a"], ["1", "2"]]}]),
        ("| a | b |\n|---|---|---|\n| 1 | 2 |", [{"table": [["a", "b"], ["1", "2"]]}]),
        ("| a\\|b |\n|---|\n| c |", [{"table": [["a|b"], ["c"]]}]),
        (
            "Before <table><tr><td colspan=2>x</td></tr>\n\n<tr><td>1</td><td>2</td></tr></table> after",
            [{"paragraph": "Before"}, {"table": [["x", None], ["1", "2"]]}, {"paragraph": "after"}],
        ),
        (
            "<table>\n<caption><b>Table 1</b>: A &amp; B</caption>\n<thead><th>a</th></thead><tr><td>1</td></tr></table>",
            [{"caption": "Table 1: A & B"}, {"table": [["a"], ["1"]]}],
        ),
        ("$$\na_1 = b\n- c\n= d\n$$", [{"formula": "a_1 = b\n- c\n= d"}]),
        ("\\[ E = mc^2 \\]", [{"formula": "E = mc^2"}]),
        ("$\\frac{a}{b}$", [{"formula": "\\frac{a}{b}"}]),
        ("$$ y $$ (3)", [{"paragraph": "$$ y $$ (3)"}]),
        ("costs $5, not $6", [{"paragraph": "costs $5, not $6"}]),
        ("![Sales (m)](chart.png)", [{"figure": "Sales (m)"}]),
        ('<img src="x" alt="A logo">\ntext', [{"figure": "A logo"}, {"paragraph": "text"}]),
        ("[^2]: See page 3.", [{"footnote": "2 See page 3."}]),
        ("[2]: a line that looks like a reference", [{"paragraph": "[2]: a line that looks like a reference"}]),
        ('<div align="center">\n\n<center>Fig. 1</center>\n\n</div>\n<!-- page 2 -->', [{"paragraph": "Fig. 1"}]),
        ("In C:\n```c\nx = 1\n# no title\n```", [{"paragraph": "In C:"}, {"paragraph": "x = 1\n# no title"}]),
        ("text\n```\n$$\n```", [{"paragraph": "text"}, {"paragraph": "$$"}]),
        ("", []),
    ],
)
def test_markdown_becomes_the_blocks_that_json_would_have(text, expected):
    assert blocks(text) == expected


@pytest.mark.parametrize("text", ["```markdown\n# A\n\nb\n```", "\n```md\n# A\n\nb\n```\n", "```markdown\n# A\n\nb"])
def test_a_fence_around_the_whole_answer_is_taken_off_and_flagged(text):
    parsed = parse_markdown(text, is_complete=True)
    assert [block.model_dump(exclude_none=True) for block in parsed.answer.blocks] == [{"title": "A"}, {"paragraph": "b"}]
    assert parsed.repairs == ("markdown_wrapped",)


def test_a_fence_around_the_whole_answer_may_hold_others():
    text = "```markdown\n# A\n\n```python\nx = 1\n```\n\n| a |\n|---|\n| 1 |\n```"
    parsed = parse_markdown(text, is_complete=True)
    assert [block.model_dump(exclude_none=True) for block in parsed.answer.blocks] == [
        {"title": "A"},
        {"paragraph": "x = 1"},
        {"table": [["a"], ["1"]]},
    ]
    assert parsed.repairs == ("markdown_wrapped",)


def test_a_page_that_begins_with_code_keeps_its_fence():
    assert blocks("```\ncode\n```\n\ntext\n\n```\nmore\n```") == [{"paragraph": part} for part in ("code", "text", "more")]


def test_an_answer_cut_short_is_kept_as_far_as_it_goes_and_says_so():
    for text, last in [
        ("# T\n\nand cut in the mid", {"paragraph": "and cut in the mid"}),
        ("# T\n\n| a | b |\n|---|---|\n| 1 | 2", {"table": [["a", "b"], ["1", "2"]]}),
        ("# T\n\n<table><tr><td>a</td><td>cut he", {"table": [["a", "cut he"]]}),
        ("# T\n\n$$\nx = \\frac{1", {"formula": "x = \\frac{1"}),
    ]:
        parsed = parse_markdown(text, is_complete=False)
        assert (parsed.is_partial, parsed.repairs) == (True, ("partial",))
        assert parsed.answer.blocks[-1].model_dump(exclude_none=True) == last


def test_thoughts_are_no_part_of_the_page_and_thoughts_alone_are_no_answer():
    assert blocks("<think>\n# hm\n</think>\n\ntext") == [{"paragraph": "text"}]
    assert blocks("hm\n</think>\n\ntext") == [{"paragraph": "text"}]  # its template has opened the thought
    with pytest.raises(PageError, match="before its thoughts do"):
        parse_markdown("<think>\n# hm", is_complete=False)


@pytest.mark.parametrize("text", ["Thoughts stand between <think> and </think>", "Up to a `</think>` it counts as thought."])
def test_a_page_about_thoughts_is_kept(text):
    assert blocks(f"Before\n\n{text}\n\nAfter") == [{"paragraph": part} for part in ("Before", text, "After")]


def test_the_language_is_what_the_script_alone_tells():
    assert parse_markdown("# Всё\n\nЭто была длинная русская фраза.", is_complete=True).answer.languages == ["ru"]
    assert parse_markdown("# All of it in Latin letters, of any language", is_complete=True).answer.languages == []


def test_depth_costs_no_text():
    assert blocks("> " * 500 + "deep") == [{"paragraph": "deep"}]


PIECES = [
    "word", "other", "# ", "## ", "- ", "* ", "1. ", "> ", "| ", " | ", "|---|", "\n", "\n", "\n\n", "$$", "$", "\\[", "\\]",
    "```", "`", "<table>", "<tr>", "<td>", "</td>", "</table>", "<div>", "**", "_", "[^1]: ", "![", "](", ")", "---", "    ",
    "\t", "é", "表",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.booleans())
@pytest.mark.slow
def test_no_word_is_lost_or_made_up(pieces, is_complete):
    # given an answer of Markdown's own marks in any disorder; only a table's text outside its cells, a picture's address and
    # what stands behind a fence's ticks (a language's name) may go
    text = "".join(pieces)
    found = " ".join(str(value) for block in blocks(text, is_complete=is_complete) for value in block.values())

    def words(source):
        return re.findall(r"word|other|é|表", source)

    assert set(words(found)) <= set(words(text))
    if "<t" not in text and "](" not in text and "```" not in text:
        assert words(found) == words(text)
