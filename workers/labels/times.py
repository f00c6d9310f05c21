"""Reads dates from the labels of a time axis as the start of the period, UTC. A label without a year is no date."""

import re
import unicodedata
from datetime import UTC, datetime

from workers.labels.numbers import plain_digits

MAX_CHARS = 40

_MONTHS_BY_LANGUAGE = (
    "january february march april may june july august september october november december",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
    "जनवरी फरवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर",
)
_YEAR = r"(?P<year>1[5-9]\d\d|20\d\d|21\d\d)"
_SHORT = r"(?P<short>\d\d)"
_MONTH = r"(?P<month>0?[1-9]|1[0-2])"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_NAME = r"(?P<name>[^\W\d_][^\s\d/.,'-]{2,14})\.?"  # vowel signs are no letters
_PATTERNS = [
    re.compile(pattern)
    for pattern in (
        rf"(?:fy|cy|ay|sy)? ?{_YEAR}(?: ?(?P<until>[/-] ?\d\d(?:\d\d)?))?(?:e|f|p|est\.?)?",  # FY2021, 2021/22, 2024e
        rf"(?:fy|cy) ?'?{_SHORT}(?:e|f|p)?",
        rf"(?:q|t|k|кв\.?) ?(?P<quarter>[1-4])[ ,/-]*(?:fy)?{_YEAR}",
        rf"(?:q|t) ?(?P<quarter>[1-4])[ ,/-]*(?:fy)? ?'?{_SHORT}",
        rf"(?P<quarter>[1-4]) ?q[ /-]*(?:{_YEAR}|'?{_SHORT})",
        rf"{_YEAR}[ ,/-]*(?:q|t) ?(?P<quarter>[1-4])",
        rf"(?:h|s) ?(?P<half>[12])[ ,/-]*(?:fy)?(?:{_YEAR}|'?{_SHORT})",
        rf"{_YEAR}[ ,/-]*(?:h|s) ?(?P<half>[12])",
        rf"{_YEAR}[-./]{_MONTH}(?:[-./]{_DAY}(?:[t ]\d\d:\d\d(?::\d\d)?z?)?)?",
        rf"{_MONTH}[-./ ]{_YEAR}",
        rf"(?P<first>\d\d?)(?P<mark>[./-])(?P<second>\d\d?)(?P=mark){_YEAR}",
        rf"{_NAME}[ ,/.-]*(?:{_YEAR}|(?:'|(?<=[ /-])){_SHORT})",
        rf"{_YEAR}[ ,/.-]*{_NAME}",
        rf"{_NAME} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}",
        rf"{_DAY}(?:st|nd|rd|th|\.)?[ -](?:de )?{_NAME}[ -](?:de )?{_YEAR}",
        rf"{_YEAR} ?[年년](?: ?{_MONTH} ?[月월](?: ?{_DAY} ?[日일])?)?",
        rf"{_YEAR} ?[年년]?度?(?: ?第? ?(?P<quarter>[1-4]) ?(?:季度|四半期|분기))?",
    )
]


def _fold(text: str) -> str:
    """Lower case, without accents."""
    bare = "".join(char for char in unicodedata.normalize("NFD", text.casefold()) if not "\u0300" <= char <= "\u036f")
    return unicodedata.normalize("NFC", bare)  # Hangul syllables again


_MONTHS = {_fold(name): number for names in _MONTHS_BY_LANGUAGE for number, name in enumerate(names.split(), 1)}
_ABBREVIATIONS: dict[str, int | None] = {}
for _month, _number in _MONTHS.items():
    for _length in (3, 4):
        _short = _month[:_length]
        _ABBREVIATIONS[_short] = _number if _ABBREVIATIONS.get(_short, _number) == _number else None
"""Beginnings of 3 and 4 letters; None where two months share one (`jui`: juin, juillet)."""


def parse_time(text: str) -> datetime | None:
    """The start of the period that `text` names, UTC: `Q2 2021` is 2021-04-01. None if it names no year or is no date.

    A fiscal year counts from January of its (first) year: its true start is not printed. `03/04/2021` is None (March or April?).
    Two digits are a year only behind a name, a quarter or an apostrophe: 00-69 is 20xx.
    """
    if len(text) > MAX_CHARS:
        return None
    plain = " ".join(_fold(plain_digits(text)).split())
    for pattern in _PATTERNS:
        if (match := pattern.fullmatch(plain)) and (time := _time(match.groupdict())):
            return time
    return None


def _time(parts: dict[str, str | None]) -> datetime | None:
    year = parts.get("year")
    short = parts.get("short")
    number = int(year) if year else int(short or 0) + (2000 if int(short or 0) < 70 else 1900)
    if (until := parts.get("until")) and not _is_next_year(number, until):
        return None
    month, day = int(parts.get("month") or 1), int(parts.get("day") or 1)
    if name := parts.get("name"):
        found = _MONTHS.get(name) or _ABBREVIATIONS.get(name)
        if found is None:
            return None
        month = found
    elif quarter := parts.get("quarter"):
        month = 3 * int(quarter) - 2
    elif half := parts.get("half"):
        month = 6 * int(half) - 5
    elif parts.get("first"):
        dates = _day_and_month(int(parts["first"] or 0), int(parts["second"] or 0), parts["mark"] or "")
        if dates is None:
            return None
        day, month = dates
    try:
        return datetime(number, month, day, tzinfo=UTC)
    except ValueError:
        return None


def _is_next_year(year: int, until: str) -> bool:
    """True if `until` is the next year: in 2021/22 and 2021-22, and in 2011/12, but 2011-12 is December."""
    following = int(until[1:])
    return following in (year + 1, (year + 1) % 100) and not (until[0] == "-" and following <= 12)


def _day_and_month(first: int, second: int, mark: str) -> tuple[int, int] | None:
    """(day, month). With dots the day comes first; with slashes the order is clear only if one number is no month, or both are
    equal."""
    if mark == "." or first > 12 or first == second:
        return first, second
    return (second, first) if second > 12 else None
