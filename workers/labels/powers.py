"""Powers of ten as axes print them: at each tick (`10²`), or once at the axis' end as the multiplier of all its ticks (`1e6`)."""

import re

_FLAT = re.compile(r"10([-−–]?(?:0|[1-9]\d?))")
_RAISED = re.compile(r"([-−])?10\^\{?([-−–]?\d{1,2})\}?")
_MULTIPLIER = re.compile(r"(?:[x×*·⋅] ?)?1e([+\-−]?\d{1,2})|[x×*·⋅] ?10\^?([-−]?\d{1,2})", re.IGNORECASE)


def flat_power(text: str) -> float | None:
    """`102` as 10², which a text layer without superscripts has; it may as well be the number."""
    match = _FLAT.fullmatch(text)
    return 10.0 ** _exponent(match.group(1)) if match else None


def raised_power(text: str) -> float | None:
    """`10^2`, `-10^{−3}`."""
    match = _RAISED.fullmatch(text)
    if match is None:
        return None
    value = 10.0 ** _exponent(match.group(2))
    return -value if match.group(1) else value


def axis_multiplier(text: str) -> float | None:
    """`1e6`, `×10^6`, `×106`: what an axis' ticks are to be multiplied by."""
    match = _MULTIPLIER.fullmatch(text.strip())
    return 10.0 ** _exponent(match.group(1) or match.group(2)) if match else None


def _exponent(text: str) -> int:
    return int(re.sub("[−–]", "-", text))
