import random

import numpy as np
import pytest

from schemas.page import TextLayer, Word
from workers.text.trust import judge, uncovered_ink

ENGLISH = """whereas recognition of the inherent dignity and of the equal and inalienable rights of all members of the human
family is the foundation of freedom justice and peace in the world whereas disregard and contempt for human rights have resulted in
barbarous acts""".split()  # noqa: SIM905


def layer(texts, **counts):
    """Words in rows of eight, 20 px high."""
    words = [
        Word(text, 100 + 90 * (i % 8), 100 + 30 * (i // 8), 180 + 90 * (i % 8), 120 + 30 * (i // 8), 0, i // 8, 18.0)
        for i, text in enumerate(texts)
    ]
    return TextLayer(words=words, num_chars=sum(map(len, texts)), **counts)


@pytest.mark.parametrize("nothing", [None, TextLayer(), TextLayer(num_chars=40)])
def test_a_page_without_words_has_no_layer_to_trust(nothing):
    assert judge(nothing, 1000, 1000) == (False, "no text layer", False)


def test_glyphs_without_unicode_are_not_trusted():
    trust = judge(layer(["\ue001\ue002\ue003", "word"], num_unmapped=3), 1000, 1000)
    assert not trust.is_trusted
    assert "43% of its characters have no Unicode meaning" in trust.reason


def test_a_hidden_layer_is_not_trusted_but_known_to_be_readable():
    num_chars = sum(map(len, ENGLISH))
    trust = judge(layer(ENGLISH, num_hidden=num_chars), 1000, 1000)
    assert (trust.is_trusted, trust.is_hidden) == (False, True)


def test_a_hidden_layer_of_garbage_is_garbage_first():
    shifted = ["".join(chr(ord(char) - 29) for char in word) for word in ENGLISH]
    trust = judge(layer(shifted, num_hidden=sum(map(len, shifted))), 1000, 1000)
    assert (trust.is_trusted, trust.is_hidden) == (False, False)


def test_glyph_numbers_taken_for_letters_are_not_trusted():
    # given the commonest fault: each code is the glyph's number, 29 below ASCII ("whereas" reads "ZKHUHDV")
    shifted = ["".join(chr(ord(char) - 29) for char in word) for word in ENGLISH]
    assert shifted[0] == "ZKHUHDV"
    # when, then
    trust = judge(layer(shifted), 1000, 1000)
    assert not trust.is_trusted
    assert "no language" in trust.reason


def test_letters_at_random_are_mostly_not_trusted():
    chance = random.Random(7)
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    caught = 0
    for _ in range(100):
        swap = str.maketrans(alphabet, "".join(chance.sample(alphabet, 26)))
        caught += not judge(layer([word.translate(swap) for word in ENGLISH]), 1000, 1000).is_trusted
    assert caught >= 85


@pytest.mark.parametrize(
    "text",
    [
        " ".join(ENGLISH),
        "Zważywszy że uznanie przyrodzonej godności oraz równych i niezbywalnych praw wszystkich członków wspólnoty ludzkiej jest "
        "podstawą wolności sprawiedliwości i pokoju świata zważywszy że",
        "İnsanlık ailesinin bütün üyelerinde bulunan haysiyetin ve bunların eşit ve devir kabul etmez haklarının tanınması "
        "hususunun hürriyetin adaletin ve dünya barışının temeli olmasına",
        "considérant la reconnaissance de la dignité inhérente à tous les membres de la famille humaine et de leurs droits égaux "
        "et inaliénables constitue le fondement de la liberté",
        "인류 가족 모든 구성원의 고유한 존엄성과 평등하고 양도할 수 없는 권리를 인정하는 것이 세계의 자유 정의 평화의 기초가 됨을",
        "Всеобщая декларация прав человека принята и провозглашена резолюцией Генеральной Ассамблеи",
        "人類社会のすべての構成員の 固有の尊厳と 平等で 譲ることの できない 権利とを 承認する ことは HTML 5",
        "x = α + β y = γ · δ f(x) = 3 g(y) 1,234.50 9.99 $12 HTTP GmbH ISO 9001 DIN A4 2024-01-02",
    ],
)
def test_real_text_is_trusted(text):
    assert judge(layer(text.split()), 1000, 1000) == (True, "", False)


def test_words_of_mixed_scripts_are_not_trusted():
    words = [
        "Bсеoбщая",
        "дeкларaция",
        "пpав",
        "человeкa",
        "прuнята",
        "peзолюцией",
        "Генеpaльной",
        "Ассaмблеи",
    ]  # Latin among Cyrillic
    trust = judge(layer(words), 1000, 1000)
    assert not trust.is_trusted
    assert "mix scripts" in trust.reason


def test_words_on_top_of_each_other_are_not_trusted():
    words = [Word(text, 50, 50, 90, 70, 0, 0, 18.0) for text in ENGLISH]
    trust = judge(TextLayer(words=words, num_chars=200), 1000, 1000)
    assert not trust.is_trusted
    assert "on top of others" in trust.reason


def test_words_outside_the_page_are_not_trusted():
    trust = judge(layer(ENGLISH), 60, 60)
    assert not trust.is_trusted
    assert "no place on the page" in trust.reason


def test_ink_without_words_is_what_the_layer_leaves_out():
    # given a white page of 640 x 640 with black in its lower half, and words over a quarter of that
    rgb = np.full((640, 640, 3), 255, dtype=np.uint8)
    rgb[320:] = 0
    rgb[0, 0] = 250
    words = [Word("x", 0, 320, 319, 479, 0, 0, 20.0)]
    # when, then (paper is the most common grey; black and white tie, and bincount's first is black: so make white the commoner)
    rgb[320:336] = 255
    assert uncovered_ink(rgb, []) == pytest.approx(0.475)
    assert uncovered_ink(rgb, words) == pytest.approx(0.475 - 0.1125)


@pytest.mark.slow
def test_a_thin_rule_is_no_ink():
    rgb = np.full((640, 640, 3), 255, dtype=np.uint8)
    rgb[100:102] = 0
    assert uncovered_ink(rgb, []) == 0
