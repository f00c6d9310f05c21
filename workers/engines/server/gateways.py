"""What gateways say in the body of a refusal: how long to wait, and whether waiting helps at all. No I/O."""

import json
import re
from typing import Any

_DELAY_FIELD = re.compile(r'"retry_?(?:delay|after)(?:_seconds|_s)?"\s*:\s*"?(\d{1,6}(?:\.\d+)?)(ms|s)?"?', re.IGNORECASE)
_SPAN = r"(\d{1,6}(?:\.\d+)?)\s?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)(?![a-z])"
_SPANS = re.compile(_SPAN, re.IGNORECASE)
_DELAY_WORDS = re.compile(rf"\b(?:try again|retry|wait)\b.{{0,20}}?\b((?:{_SPAN}\s?)+)", re.IGNORECASE)
"""Such as `try again in 20s`, `… in 1m12.5s`, `retry after 2 minutes`."""
_QUOTA_WORDS = (
    "insufficient_quota",
    "exceeded your current quota",
    "quota exceeded",
    "billing",
    "credit balance",
    "insufficient credits",
    "out of credits",
    "payment required",
)


def delay_in(body: Any) -> float | None:
    """Seconds to wait, where the body of a 429 or 503 says so: as a field (`retryDelay`, `retry_after`) or in words."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
    if field := _DELAY_FIELD.search(text):
        return _seconds(field[1], field[2] or "s")
    words = _DELAY_WORDS.search(text)
    return sum(_seconds(number, unit) for number, unit in _SPANS.findall(words[1])) if words else None


def _seconds(number: str, unit: str) -> float:
    unit = unit.lower()
    if unit.startswith(("ms", "mil")):
        return float(number) / 1000
    return float(number) * {"m": 60.0, "h": 3600.0}.get(unit[0], 1.0)


def is_quota(body: Any) -> bool:
    """True if what is used up is paid for, and does not come back by waiting. "Quota exceeded" beside a delay is a rate."""
    text = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)).lower()
    return any(word in text for word in _QUOTA_WORDS) and delay_in(body) is None
