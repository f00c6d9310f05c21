"""Reads numbers from their printed text, in the world's common ways of writing them.

A text is one number or none: ranges ("3–5"), dates, ratios and sentences are None. Nothing here raises, and no value is NaN or
infinite. The tables of words are in `workers.labels.number_words`.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from workers.labels.number_words import ATTACHED, CJK, CURRENCY, MILLIONS_OF_MONEY, ORDINALS, PERCENT, SCALES

Separator = Literal[".", ","]

MAX_CHARS = 80
"""Longer texts are sentences."""


@dataclass(frozen=True)
class Number:
    value: float
    """The number with its multiplier applied: 1200 for `1.2k`. Percent stay percent: 12 for `12 %`."""
    unit: str | None = None
    """The unit as printed: `%`, `€`, `kg`, also a currency sign in front. The multiplier is no part of it."""
    scale: float = 1.0
    """Multiplier that was applied; 1 if none was printed, or several (`1兆2000億`)."""
    is_percent: bool = False
    is_approximate: bool = False
    """`~5`, `>5`, `50+`."""
    is_ambiguous: bool = False
    """True for `1.234` and `1,234` without a hint, which are read in the English way (1.234 and 1234)."""
    currency: str | None = None


class _Digits(NamedTuple):
    value: float
    is_ambiguous: bool = False
    evidence: Separator | None = None
    """The decimal separator that the digits prove."""


_BIDI = dict.fromkeys([0x200B, 0x200E, 0x200F, 0x061C, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_CHARS = str.maketrans(
    dict.fromkeys("−–—‒﹣⁻", "-")
    | dict.fromkeys("’ʼ‘`´′", "'")
    | dict.fromkeys("\u00a0\u202f\u2007\u2009\u200a\u2002\u2003\u3000\t\n", " ")
    | {"٪": "%", "⁄": "/", "∕": "/", "、": ",", "،": ","}
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺", "0123456789+")
_POWER_OF_TEN = re.compile(r"(?<=10)([-⁰¹²³⁴⁵⁶⁷⁸⁹⁺]*[⁰¹²³⁴⁵⁶⁷⁸⁹][⁰¹²³⁴⁵⁶⁷⁸⁹]*)")
_APPROXIMATE = re.compile(
    r"^(?:~|≈|≃|∼|≅|>=?|<=?|≥|≤|⩾|⩽|≲|≳|(?:ca\.?|c\.|circa|approx\.?|approximately|about|around|etwa|env\.|約|约|약) ?)+ ?", re.I
)
_CLOSING = re.compile(r"[*†‡§]+$|(?<=\d)[.,]-+$")
"""Marks of footnotes; `1'200.–` and `5,-`."""
_SIGN_BEHIND = re.compile(r"(?<=\d[.,]\d\d)-(?=$| ?[%€$£¥₹]$| [A-Z]{3}$)")
_DIGITS = r"(?:\d(?:[\d.,'٬٫_]|[ ](?=\d{3}(?!\d)))*+|[.,٫]\d++)"
_CJK_GROUPS = re.compile(rf"(?:\d[\d.,]*+ ?[{CJK.letters}]+ ?)++(?:\d[\d,]*+)?")
_CJK_GROUP = re.compile(rf"(\d[\d.,]*+) ?([{CJK.letters}]*)")
_NUMBER = re.compile(
    rf"""(?P<digits>{_DIGITS})
    (?:[eE](?P<e>[+-]?\d{{1,3}})(?![\d.,\w])|[ ]?(?:[x×*·⋅]|\\times)[ ]?10\^?\{{?(?P<power>[+-]?\d{{1,3}})\}}?(?![\d.,]))?""",
    re.VERBOSE,
)
_TEN = re.compile(r"10\^\{?(?P<power>[+-]?\d{1,3})\}?(?![\d.,])")
_FRACTION = re.compile(r"(?:(?P<whole>\d{1,4})[ ])?(?P<over>[1-9]\d?)/(?P<under>[1-9]\d?)(?![\d/])")
_GROUPS_OF_3 = re.compile(r"\d{1,3}(?:([.,' ٬_])\d{3})(?:\1\d{3})*")
_GROUPS_INDIAN = re.compile(r"\d{1,2}(?:[,٬]\d{2})+[,٬]\d{3}")
_UNIT = re.compile(r"""(?:[^\W\d_]|[%‰°′″"€$£¥₹₩₽₺₫฿₴₦₪¢#/])[^\d]*(?:(?<=[^\W\d_])\d)?""")
_CURRENCY_FIRST = re.compile(rf"^-?(?P<currency>{CURRENCY}) ?", re.IGNORECASE)
_CURRENCY_ANY = re.compile(rf"^(?:{CURRENCY})(?![^\W\d_])", re.IGNORECASE)


def parse_number(text: str, *, decimal: Separator | None = None) -> Number | None:
    """The number that `text` is, or None. `decimal`: the decimal separator, if it is known (see `decimal_convention`)."""
    plain = _normalised(text)
    if plain is None:
        return None
    approximate = _APPROXIMATE.match(plain)
    body = plain[approximate.end() :].strip() if approximate else plain
    body, is_negative = _without_sign(body)
    currency = None
    if first := _CURRENCY_FIRST.match(body):
        currency = first.group("currency")
        body, is_more_negative = _without_sign(body[first.end() :].strip())
        if is_negative and is_more_negative:
            return None
        is_negative |= is_more_negative
    magnitude = _magnitude(body, decimal)
    if magnitude is None:
        return None
    digits, scale, end = magnitude
    rest = body[end:].strip()
    is_approximate = approximate is not None
    if rest.startswith("+"):
        is_approximate, rest = True, rest[1:].strip()
    tail = _tail(rest, is_money=currency is not None)
    if tail is None:
        return None
    more_scale, unit = tail
    if unit and currency is None and (money := _CURRENCY_ANY.match(unit)):
        currency = money.group()
    value = times(digits.value, more_scale) * (-1 if is_negative else 1)
    if not math.isfinite(value):
        return None
    if first and unit and unit.startswith("/"):
        unit = f"{first.group('currency')}{unit}"  # €12/t
    return Number(
        value=value + 0.0,  # -0.0 becomes 0.0
        unit=unit or currency,
        scale=scale * more_scale,
        is_percent=unit is not None and unit.casefold() in PERCENT,
        is_approximate=is_approximate,
        is_ambiguous=digits.is_ambiguous,
        currency=currency,
    )


def times(value: float, multiplier: float) -> float:
    """The product as on paper: 1.1 times 1000 is 1100, not 1100.0000000000002."""
    if multiplier == 1.0 or not math.isfinite(value):
        return value
    return float(Decimal(repr(value)) * Decimal(repr(multiplier)))


def decimal_convention(texts: Iterable[str]) -> Separator | None:
    """The decimal separator that the numbers show together, with one vote each and a majority of at least three to one; else
    None."""
    votes: Counter[Separator] = Counter()
    for text in texts:
        plain = _normalised(text)
        found = _NUMBER.search(plain) if plain else None
        digits = _digits(found.group("digits"), None) if found and parse_number(text) else None
        if digits and digits.evidence:
            votes[digits.evidence] += 1
    if not votes:
        return None
    best, num_votes = votes.most_common(1)[0]
    return best if num_votes >= 3 * (votes.total() - num_votes) else None


def _normalised(text: str) -> str | None:
    """The text with ASCII digits and signs and single spaces; None if it is clearly no number."""
    if len(text) > MAX_CHARS:
        return None
    plain = plain_digits(text)
    plain = _POWER_OF_TEN.sub(lambda match: "^" + match.group().translate(_SUPERSCRIPTS), plain)
    plain = " ".join(plain.split()).replace("\\%", "%").replace("\\$", "$").replace("**", "")
    plain = _CLOSING.sub("", plain).strip()
    return plain if any(char.isdigit() for char in plain) else None


def plain_digits(text: str) -> str:
    """ASCII digits, signs, apostrophes and spaces for those of all scripts; no marks of direction."""
    return text if text.isascii() else "".join(map(_plain_char, text)).translate(_BIDI).translate(_CHARS)


def _plain_char(char: str) -> str:
    if char.isascii():
        return char
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    if "\uff01" <= char <= "\uff5e":
        return chr(ord(char) - 0xFEE0)
    if unicodedata.category(char) == "No" and "FRACTION" in unicodedata.name(char, ""):
        top, _, bottom = unicodedata.normalize("NFKC", char).partition("⁄")
        return f" {top}/{bottom}"
    return char


def _without_sign(body: str) -> tuple[str, bool]:
    """(text without its sign, whether it is negative). In accounting (3.4) is −3.4, and so is 3.40-: behind two decimals a minus is
    no dash."""
    is_negative = False
    if behind := _SIGN_BEHIND.search(body):
        body, is_negative = body[: behind.start()] + body[behind.end() :], True
    elif body.startswith("(") and body.endswith(")"):
        body, is_negative = body[1:-1].strip(), True
    elif body.startswith("(") and body.endswith(")%"):
        body, is_negative = body[1:-2].strip() + "%", True
    if body.startswith("-") and not is_negative:
        return body[1:].strip(), True
    return body.removeprefix("+").strip(), is_negative


def _magnitude(body: str, decimal: Separator | None) -> tuple[_Digits, float, int] | None:
    """(digits with an East Asian multiplier applied, that multiplier, end in the text)."""
    if groups := _CJK_GROUPS.match(body):
        return _cjk(groups, decimal)
    if fraction := _FRACTION.match(body):
        whole, over, under = (int(fraction.group(name) or 0) for name in ("whole", "over", "under"))
        return (_Digits(whole + over / under), 1.0, fraction.end()) if over < under else None
    if ten := _TEN.match(body):
        return _Digits(_scaled(1.0, ten.group("power"))), 1.0, ten.end()
    found = _NUMBER.match(body)
    if found is None:
        return None
    token = found.group("digits")
    digits = _digits(token.rstrip(",. "), decimal)
    if digits is None:
        return None
    power = found.group("e") or found.group("power")
    if power:
        digits = digits._replace(value=_scaled(digits.value, power))
    return digits, 1.0, found.end()


def _cjk(groups: re.Match[str], decimal: Separator | None) -> tuple[_Digits, float, int] | None:
    """1兆2000億: multipliers must fall from left to right."""
    total, multipliers = 0.0, [math.inf]
    parts = _CJK_GROUP.findall(groups.group())
    is_ambiguous = False
    for text, letters in parts:
        digits = _digits(text, decimal)
        multiplier = CJK.product(letters)
        if digits is None or multiplier >= multipliers[-1]:
            return None
        multipliers.append(multiplier)
        is_ambiguous |= digits.is_ambiguous
        total += times(digits.value, multiplier)
    return _Digits(total, is_ambiguous), multipliers[1] if len(parts) == 1 else 1.0, groups.end()


def _scaled(value: float, power: str) -> float:
    try:
        return float(f"{value!r}e{power}") if "e" not in repr(value) else value * 10.0 ** int(power)
    except (OverflowError, ValueError):
        return math.inf


def _digits(token: str, decimal: Separator | None) -> _Digits | None:
    """Digits with separators. Two different ones: the last is decimal. One: three digits behind it may be thousands."""
    if not token or len(token) > 60:
        return None
    for mark in ("٫", "٬"):
        token = token.replace(mark, "." if mark == "٫" else "٬")
    if "٬" in token:
        whole, _, part = token.partition(".")
        return _joined(whole, part, None)
    marks = [char for char in token if char in ".,"]
    spaced = any(char in " '_" for char in token)
    if not marks:
        return _joined(token, "", None)
    last = marks[-1]
    whole, _, part = token.rpartition(last)
    as_decimal: Separator = "." if last == "." else ","
    other: Separator = "," if last == "." else "."
    if spaced or len(set(marks)) == 2:
        if last in whole:
            return None
        return _joined(whole, part, as_decimal)
    if len(marks) > 1:
        return _joined(token, "", other)
    if len(part) != 3 or len(whole) > 3 or whole in ("", "0") or whole.startswith("0"):
        return _joined(whole, part, as_decimal)
    is_decimal = decimal == last if decimal else last == "."
    joined = _joined(whole, part, None) if is_decimal else _joined(token, "", None)
    return joined and joined._replace(is_ambiguous=decimal is None)


def _joined(whole: str, part: str, evidence: Separator | None) -> _Digits | None:
    """The digits joined; None if the groups of digits are not valid, or the decimals hold a separator."""
    if not (whole == "" or whole.isdigit() or _GROUPS_OF_3.fullmatch(whole) or _GROUPS_INDIAN.fullmatch(whole)):
        return None
    if (part and not part.isdigit()) or not (whole or part):
        return None
    return _Digits(float(f"{re.sub(r'[^0-9]', '', whole) or '0'}.{part or '0'}"), False, evidence)


def _tail(rest: str, *, is_money: bool) -> tuple[float, str | None] | None:
    """(multiplier, unit) behind the digits; None if the text there is neither."""
    if not rest:
        return 1.0, None
    rest = rest.rstrip(".").strip() if rest.rstrip(".").casefold() in SCALES else rest
    word, _, after = rest.partition(" ")
    scale = SCALES.get(word.casefold().rstrip("."))
    if scale is None and word in ("M", "K", "k", "B", "MM"):
        scale = {"M": 1e6, "MM": 1e6, "B": 1e9}.get(word, 1e3)
    if scale is None and (is_money or _CURRENCY_ANY.match(after)):
        scale = MILLIONS_OF_MONEY.get(word.rstrip("."))
    if scale is None and (attached := ATTACHED.match(rest)):
        scale, after = (
            MILLIONS_OF_MONEY.get(attached.group(1), 0.0) or SCALES[attached.group(1).casefold().rstrip(".")],
            rest[attached.end() :],
        )
    if scale is None:
        scale, after = 1.0, rest
    unit = after.strip()
    if unit.startswith(("of ", "de ")):
        unit = unit[3:]
    if not unit:
        return scale, None
    if len(unit) > 30 or unit.count(" ") > 2 or not _UNIT.fullmatch(unit) or unit.casefold() in ORDINALS:
        return None
    return scale, unit
