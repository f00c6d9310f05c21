import numpy as np
import pytest

from workers.engines.classic import rules as rules_of_pages
from workers.engines.classic.reading_order.tables.ruling import Rule, Rules
from workers.engines.classic.rules import find_rules

NO_WORDS = np.empty((0, 4))


def paper(height=200, width=300):
    return np.full((height, width, 3), 255, dtype=np.uint8)


def found(pixels, words=NO_WORDS, *, is_scan=False):
    return find_rules(pixels, words, 20.0, is_scan=is_scan)


def test_a_rule_is_one_however_thick():
    pixels = paper()
    pixels[50:53, 20:280] = 0
    pixels[10:190, 100] = 120

    rules = found(pixels)

    assert [(rule.start, rule.end) for rule in rules.across] == [(20, 280)]
    assert 50 <= rules.across[0].place <= 53
    assert [(rule.start, rule.end) for rule in rules.down] == [(10, 190)]


def test_the_edges_of_a_shade_are_rules_and_yellow_is_one():
    pixels = paper()
    pixels[50:90, 20:280] = (255, 255, 204)

    rules = found(pixels)

    assert [round(rule.place) for rule in rules.across] == [50, 90]
    assert [round(rule.place) for rule in rules.down] == [20, 280]


def test_a_rule_goes_on_over_what_crosses_it():
    pixels = paper()
    pixels[50, 20:280] = 0
    pixels[30:52, 140:143] = 0  # a descender

    assert [(rule.start, rule.end) for rule in found(pixels).across] == [(20, 280)]


def test_strokes_of_letters_and_seams_of_a_background_are_no_rules():
    pixels = paper()
    pixels[100:102, 50:150] = 0  # the foot of bold capitals
    pixels[60:84, 200:203] = 0  # the stem of a large one
    pixels[140:180, 20:280] = 217
    pixels[160, 20:280] = 230  # where two parts of the shade meet
    words = np.array([(48, 84, 152, 106), (190, 55, 215, 90)], dtype=float)

    rules = found(pixels, words)

    assert [round(rule.place) for rule in rules.across] == [140, 180]
    assert [round(rule.place) for rule in rules.down] == [20, 280]


def test_a_scan_needs_darker_rules():
    pixels = paper()
    pixels[50, 20:280] = 240
    pixels[90, 20:280] = 100

    assert len(found(pixels).across) == 2
    assert [round(rule.place) for rule in found(pixels, is_scan=True).across] == [90]


@pytest.mark.slow
def test_hatching_is_bounded():
    pixels = paper(2000, 2000)
    pixels[::4] = 0
    pixels[:, ::4] = 0

    rules = found(pixels)

    assert len(rules.across) <= 4_000
    assert len(rules.down) <= 4_000


@pytest.mark.parametrize("turn", ["turned_left", "turned_right"])
def test_rules_turn_with_the_page(turn):
    rules = Rules(across=(Rule(10, 20, 80),), down=(Rule(30, 5, 15),))

    turned = getattr(rules, turn)(100)

    assert turned.across[0].length == 10
    assert turned.down[0].length == 60
    other = "turned_right" if turn == "turned_left" else "turned_left"
    assert getattr(turned, other)(100) == rules


def test_letters_are_the_same_in_portions(monkeypatch):
    """Edges and words are looked at together, as many pairs at once as memory allows."""
    pixels = paper()
    pixels[20:180:8, 20:280] = 0
    words = np.array([(10, top, 290, top + 20) for top in range(30, 120, 7)], dtype=float)
    whole = found(pixels, words)

    monkeypatch.setattr(rules_of_pages, "MAX_PAIRS", 3)

    assert found(pixels, words) == whole
    assert 0 < len(whole.across) < 20
