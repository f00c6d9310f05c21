import textwrap

import pytest

from workers.engines.classic.reading_order.lines.line_ends import Vocabulary, join_lines

ENGLISH = "the dues of the harbour are paid by the night and this is in the report for all of the boats that lie at the quay"
GERMAN = "der Hafen und die Gebühren werden von der Stadt für das Jahr mit den Lotsen auf dem Kai nicht bezahlt"
FRENCH = "le port et les droits des bateaux sont dans la ville et par une loi qui est sur le quai pour les pilotes"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("the inter-", "national law", "the international law"),
        ("the cost-", "effective way", "the cost-effective way"),
        ("a well-", "known, old", "a well-known, old"),
        ("anti-", "biotics", "antibiotics"),
        ("state-of-the-", "art", "state-of-the-art"),
        ("a pay-as-you-", "go plan", "a pay-as-you-go plan"),
        ("from 2019-", "2020", "from 2019-2020"),
        ("part AB-", "1234", "part AB-1234"),
        ("a 12-", "month term", "a 12-month term"),
        ("no. KX-2204-", "b of", "no. KX-2204-b of"),
        ("Anglo-", "Saxon", "Anglo-Saxon"),
        ("INTER-", "NATIONAL LAW", "INTERNATIONAL LAW"),
        ("X-", "RAY", "X-RAY"),
        ("in d-", "dimensional space", "in d-dimensional space"),
        ("at http://a.org/204pp.", "2 pages", "at http://a.org/204pp. 2 pages"),
        ("ten-", "and twelve-year", "ten- and twelve-year"),
        ("well-", "to-do people", "well-to-do people"),
        ("see https://a.org/long-", "name/here for", "see https://a.org/long-name/here for"),
        ("see https://a.org/dir/", "file.pdf for", "see https://a.org/dir/file.pdf for"),
        ("see https://a.org/", "for more", "see https://a.org/ for more"),
        ("see https://a.org/x?y=", "z1", "see https://a.org/x?y=z1"),
        ("at www.a.org.", "The next", "at www.a.org. The next"),
        ("write to a.b@c.org", "for it", "write to a.b@c.org for it"),
        ("and/", "or", "and/or"),
        ("the rate -", "as said", "the rate - as said"),
        ("plain", "words", "plain words"),
        ("soft\u2010", "ware", "software"),
    ],
)
@pytest.mark.slow
def test_a_hyphen_at_a_lines_end(before: str, after: str, expected: str) -> None:
    assert join_lines([before, after], Vocabulary([*ENGLISH.split(), *before.split(), *after.split()])) == expected


@pytest.mark.parametrize(
    ("words", "before", "after", "expected"),
    [
        (GERMAN, "Donau-", "dampfschiff", "Donaudampfschiff"),
        (GERMAN, "Vor-", "und Nachteile", "Vor- und Nachteile"),
        (GERMAN, "Nord-", "Ostsee-Kanal", "Nord-Ostsee-Kanal"),
        (FRENCH, "peut-", "être", "peut-être"),
        (FRENCH, "gou-", "vernement", "gouvernement"),
        ("", "нау-", "ка", "наука"),
        ("", "Hafen-", "amt", "Hafenamt"),
    ],
)
@pytest.mark.slow
def test_languages_have_rules_of_their_own(words: str, before: str, after: str, expected: str) -> None:
    assert join_lines([before, after], Vocabulary([*words.split(), before, after])) == expected


@pytest.mark.parametrize(("elsewhere", "expected"), [("harbour-master", "harbour-master"), ("harbourmaster", "harbourmaster")])
def test_a_page_decides_how_it_writes_a_word(elsewhere: str, expected: str) -> None:
    assert join_lines(["The harbour-", "master said"], Vocabulary([*ENGLISH.split(), f"{elsewhere},"])) == f"The {expected} said"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(["世界人权", "宣言"], "世界人权宣言"), (["ราช", "การ"], "ราชการ"), ("", "")],
)
def test_scripts_without_spaces_join_without_one(lines: list[str], expected: str) -> None:
    assert join_lines(lines) == expected


_KOREAN = (
    "모든 사람은 태어날 때부터 자유롭고 존엄하며 평등하다. 모든 사람은 이성과 양심을 가지고 있으므로 "
    "서로에게 형제의 정신으로 대하여야 한다."
)
"""Article 1 of the Universal Declaration of Human Rights."""


@pytest.mark.parametrize("width", [11, 13, 17, 22])
def test_korean_that_is_broken_inside_words_gains_no_blanks(width: int) -> None:
    lines = [_KOREAN[start : start + width].strip() for start in range(0, len(_KOREAN), width)]
    joined = join_lines(lines, Vocabulary(lines=[*lines, _KOREAN]))
    assert joined == _KOREAN


@pytest.mark.parametrize("width", [11, 17, 30])
def test_korean_that_is_broken_between_words_keeps_its_blanks(width: int) -> None:
    assert join_lines(textwrap.wrap(_KOREAN, width)) == _KOREAN


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("최신 소프트-", "웨어", "최신 소프트-웨어"),
        ("라고 말했다.", "그는", "라고 말했다. 그는"),
        ("이 Debian", "을", "이 Debian을"),
    ],
)
def test_signs_and_other_letters_beside_korean(before: str, after: str, expected: str) -> None:
    assert join_lines([before, after]) == expected
