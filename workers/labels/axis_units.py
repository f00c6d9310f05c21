"""The unit and the multiplier that an axis gives for its numbers."""

import re
from typing import NamedTuple

from workers.labels.number_words import CJK, CURRENCY, MILLIONS_OF_MONEY, PERCENT, SCALES


class AxisUnit(NamedTuple):
    unit: str | None = None
    scale: float = 1.0


_IN_BRACKETS = re.compile(r"[(\[（]([^()\[\]（）]{1,30})[)\]）]\s*$")
_AFTER_IN = re.compile(r"(?:,| in| en| em) (?:in )?([^,()]{1,30})$", re.IGNORECASE)
_CURRENCY = re.compile(rf"(?:{CURRENCY}|euros?|dollars?|yuan|yen|pounds?|rupees?)", re.IGNORECASE)
_UNITS = frozenset((
    "%", "‰", "kg", "g", "mg", "t", "kt", "mt", "lb", "km", "m", "cm", "mm", "mi", "ft", "km²", "m²", "ha", "l", "ml", "°c",
    "℃", "°f", "k", "s", "ms", "min", "h", "hours", "days", "years", "months", "w", "kw", "mw", "gw", "tw", "wh", "kwh",
    "mwh", "gwh", "twh", "j", "kj", "mj", "hz", "khz", "mhz", "ghz", "v", "a", "pa", "hpa", "bar", "mb", "gb", "tb", "kb",
    "km/h", "m/s", "ppm", "ppb", "people", "persons", "units", "人", "円", "元", "원", "件", "台",
))  # fmt: skip
_SMALL_WORDS = {"in", "of", "en", "em", "de", "d'", "单位", "単位", "단위"}
_PER = re.compile(r"(?<!\w)(?:per|pro|par|por|pour|je|на)\s|每|/(?= ?\d)", re.IGNORECASE)
_PER_BEHIND = re.compile(r"(?:当たり|当り|あたり|対|당)$")
"""What follows, or stands before, says of how many a value is a share: `per 100,000`, `10万人当たり`. It multiplies nothing."""
_ZEROS = re.compile(r"(?<![\d.,])(?:[x×*] ?)?(?:10{0,2}(?:[., ']?000)+|'?(?:000)+s?)(?![\d.,])")
_TEN = re.compile(r"(?:[x×*] ?)?10(?:\^\{?(\d{1,2})\}?|([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}))(?!\d)")
_CJK_SCALE = re.compile(rf"[{CJK.letters}]+(?=\S{{0,4}}$)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_MONEY = re.compile(r"([€$£¥₹])(k|m|M|bn|b|B|Md|T)|(k|m|M|Mio\.?|Mrd\.?|bn|Md)([€$£¥₹])")
MAX_POWER = 18
MAX_CHARS = 200
"""Longer texts are no units."""


def axis_unit(unit: str | None, label: str | None) -> AxisUnit:
    """Unit and multiplier of an axis, from its unit as answered, else from its label's bracket or `…, in thousands`.

    `$ million` is 10^6 $; `Mio. €` is 10^6 €; `in thousands` is 10^3 without a unit; `kWh` stays kWh; `deaths per million` is a
    unit as it stands. In a label only known units, currencies, percent and multipliers count, so that `(estimated)` is no unit.
    """
    if unit and (unit := unit.strip()):
        return _read(unit.strip("()[]")) if len(unit) <= MAX_CHARS else AxisUnit(unit)
    for pattern in (_IN_BRACKETS, _AFTER_IN):
        if label and (match := pattern.search(label.strip())):
            found = _read(match.group(1).strip())
            return found if found.unit is None or _is_known(found.unit) else AxisUnit()
    return AxisUnit()


def _read(text: str) -> AxisUnit:
    """The multiplier of the first word or figure that has one. The rest is the unit."""
    if _PER_BEHIND.search(text):
        return AxisUnit(text)
    per = _PER.search(text)
    share = text[per.start() :] if per else ""
    scale, rest = _figure(text[: per.start()] if per else text)
    left: list[str] = []
    words = re.split(r"[\s:：]+", rest)
    for word in words:
        found, kept = _word(word, is_alone=len(words) == 1) if scale is None else (None, word)
        scale = found if scale is None else scale
        if kept and kept.casefold().strip(".,") not in _SMALL_WORDS:
            left.append(kept)
    unit = " ".join(left)
    if share:
        unit += " " * (rest[-1:].isspace() and bool(left)) + share
    return AxisUnit(unit.strip(" .,") or None, scale or 1.0)


def _figure(text: str) -> tuple[float | None, str]:
    """`×1000`, `'000`, `10⁶`, `億円`: the multiplier, and the text without it."""
    if match := _ZEROS.search(text):
        num_zeros = match.group().count("0")
        scale = 10.0**num_zeros if num_zeros <= MAX_POWER else None
    elif match := _TEN.search(text):
        power = int((match.group(1) or match.group(2)).translate(_SUPERSCRIPTS))
        scale = 10.0**power if power <= MAX_POWER else None
    elif match := _CJK_SCALE.search(text):
        scale = CJK.product(match.group())
    else:
        return None, text
    return (scale, text[: match.start()] + text[match.end() :]) if scale else (None, text)


def _word(word: str, *, is_alone: bool) -> tuple[float | None, str]:
    """(multiplier of a word, rest of the word). One letter is a multiplier only beside another word, because `k` alone is
    kelvin."""
    bare = word.strip(".,").casefold()
    if bare in SCALES:
        return SCALES[bare], ""
    if money := _MONEY.fullmatch(word):
        magnitude = (money.group(2) or money.group(3)).rstrip(".")
        return MILLIONS_OF_MONEY.get(magnitude) or SCALES[magnitude.casefold()], money.group(1) or money.group(4)
    if word in ("k", "K", "M") and not is_alone:
        return MILLIONS_OF_MONEY[word], ""
    return None, word


def _is_known(unit: str) -> bool:
    folded = unit.casefold()
    is_ratio = "/" in unit and len(unit) <= 12
    return folded in _UNITS or folded in PERCENT or bool(_CURRENCY.fullmatch(unit)) or is_ratio


def is_same_unit(unit: str, axis: str) -> bool:
    """True if the units are the same, such as `$` on an axis in `US$`, or `%` on one in `percent`."""
    left, right = unit.casefold(), axis.casefold()
    return left in right or (left in PERCENT and right in PERCENT)
