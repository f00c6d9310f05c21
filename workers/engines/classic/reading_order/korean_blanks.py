"""Blanks at the line ends of Korean, which parts its words by blanks and yet breaks lines inside them, as most programs do.

How the page itself writes the letters around a line's end decides, then how often Korean parts them. A page whose line ends all
look like ends of words was broken between words, and gets a blank at each.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

USUAL = 0.3
"""Share of the places between two letters that bear a blank."""
WEIGHT = 4
"""Times that a letter was seen on the page at which the page counts as much as the language."""
PAIR_WEIGHT = 2
"""The same of the letters on both sides."""
MIN_FULL = 0.7
"""Of the length of the page's longest line: shorter ones were ended by their writer."""
_CLOSERS, _OPENERS = frozenset(")]}”’\"'»」』》"), frozenset("([{“‘«「『《")
_ENDS: dict[int, str] = {
    -4: "니하설있습사파합으프디모메웨십않방되없패필네됩컴따같눅배읽암참커퓨확르언목옵펌특최텍복",
    -3: "미보경입대비문작명마워호예공거바추조연발항생",
    -2: "용다부들티키아선전소요려분택법포원실능것계표결내관처업세물력령오태",
    -1: "시스정트자드라템데제터0램동장적여운버개위래행단저구간번값뉴점알질름",
    1: "이에로A서가수도)나만안인팅때본더록당두통영각",
    2: "고면과",
    3: "의한게야와든",
    4: "는을를할은른된및히떤",
}  # fmt: skip
"""Log odds that a word ends after a letter -> the letters; 0 for all others. A is a Latin letter, 0 a digit, `)` what closes.
Counted in 150,000 characters of Debian's installation guide."""
_BEGINS: dict[int, str] = {
    -4: "니에는을를치습면트은으템션티팅웨러십야택려른능록래눅든퓨르력령히름떤",
    -3: "용터램와워식뉴",
    -2: "로서스어의한고도크라음법행당널브",
    -1: "다하지가정할해리드우입오비적게요되분본성호된거절반",
    1: "시기자(들미보문장아소전명여상더위됩주구계중단내조번값두발처물환",
    2: "부프모디대데선개마실공저표바추목언질누권",
    3: "수사경메없0패것같관배연확옵복볼",
    4: "있설A파않때방필네컴따및읽참커알암펌",
}  # fmt: skip
"""The same of a word that begins with it; `(` is what opens."""
_END_ODDS, _BEGIN_ODDS = ({char: odds for odds, chars in table.items() for char in chars} for table in (_ENDS, _BEGINS))


def is_hangul(char: str) -> bool:
    return "\uac00" <= char <= "\ud7a3"


class KoreanBlanks:
    """`lines`: those of the page."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = [line for line in lines if any(map(is_hangul, line))]
        self._ends: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        self._begins: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        self._pairs: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        for line in self._lines:
            for before, after, is_blank in _places(line):
                self._ends[is_blank][_sign(before[-1])] += 1
                self._begins[is_blank][_sign(after[0])] += 1
                self._pairs[is_blank].update(_pairs(before, after))

    def parts(self, before: str, after: str) -> bool:
        """Whether a blank stands between the end of a line and the next, where that is open: two letters of each at most."""
        return self._is_between_words or self._share(before, after) > 0.5

    @cached_property
    def _is_between_words(self) -> bool:
        """Lines of the page are broken at blanks alone."""
        full = MIN_FULL * max(map(len, self._lines), default=0)
        ends = [(a, b) for a, b in pairwise(self._lines) if len(a) >= full and is_open(a, b)]
        return sum(math.log(min(max(self._share(a, b), 0.02), 0.98) / USUAL) for a, b in ends) > 0

    def _share(self, before: str, after: str) -> float:
        """How often a blank stands between such letters."""
        left, right = _sign(before[-1]), _sign(after[0])
        odds = math.log(USUAL / (1 - USUAL))
        for char, table, (without, with_blank) in ((left, _END_ODDS, self._ends), (right, _BEGIN_ODDS, self._begins)):
            usual = 1 / (1 + math.exp(-table.get(char, 0)) * (1 - USUAL) / USUAL)
            here = (with_blank[char] + WEIGHT * usual) / (with_blank[char] + without[char] + WEIGHT)
            odds += math.log(here / (1 - here)) - math.log(USUAL / (1 - USUAL))
        share = 1 / (1 + math.exp(-odds))
        without, with_blank = self._pairs
        for pair in _pairs(before, after):
            share = (with_blank[pair] + PAIR_WEIGHT * share) / (with_blank[pair] + without[pair] + PAIR_WEIGHT)
        return share


def _sign(char: str) -> str:
    """A letter of Korean, or what stands for others of its kind; "" for punctuation, which ends words by itself."""
    if is_hangul(char):
        return char
    if char.isdigit():
        return "0"
    if char.isalpha():
        return "A"
    return ")" if char in _CLOSERS else "(" if char in _OPENERS else ""


def is_open(before: str, after: str) -> bool:
    """Both sides are letters, one of them Korean: nothing else says whether a blank parts them."""
    if not (is_hangul(before[-1:]) or is_hangul(after[:1])):
        return False
    left, right = _sign(before[-1:]), _sign(after[:1])
    return bool(left and right) and left != "(" and right != ")"


def _places(line: str) -> Iterator[tuple[str, str, bool]]:
    """What stands before and after each place between two letters of a line, up to two letters, and whether a blank does."""
    for start in range(len(line) - 1):
        is_blank = line[start + 1] == " "
        before, after = line[max(start - 1, 0) : start + 1], line[start + 1 + is_blank : start + 3 + is_blank]
        if before[-1] != " " and after and is_open(before, after):
            yield before, after, is_blank


def _pairs(before: str, after: str) -> Sequence[str]:
    """From one letter on each side to two."""
    left, right, two, more = _sign(before[-1]), _sign(after[0]), before[-2:], after[:2]
    return f"{left}|{right}", f"{two}|{right}", f"{left}|{more}", f"{two}|{more}"
