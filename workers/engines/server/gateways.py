"""What gateways say in the body of a refusal: how long to wait, and whether waiting helps at all. No I/O."""

import json
import re
from typing import Any

_DELAY_FIELD = re.compile(r'"retry_?(?:delay|after)(?:_seconds|_s)?"\s*:\s*"?(\d{1,6}(?:\.\d+)?)(ms|s)?"?', re.IGNORECASE)
_DELAY_WORDS = re.compile(
    r"\b(?:try again|retry|wait)\b.{0,20}?\b(\d{1,6}(?:\.\d+)?)\s?(ms|milliseconds?|s|secs?|seconds?|m|minutes?)\b", re.IGNORECASE
)
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
    found = _DELAY_FIELD.search(text) or _DELAY_WORDS.search(text)
    if found is None:
        return None
    unit = (found[2] or "s").lower()
    return float(found[1]) * (0.001 if unit.startswith(("ms", "mil")) else 60.0 if unit.startswith("m") else 1.0)


def is_quota(body: Any) -> bool:
    """True if what is used up is paid for, and does not come back by waiting. "Quota exceeded" beside a delay is a rate."""
    text = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)).lower()
    return any(word in text for word in _QUOTA_WORDS) and delay_in(body) is None
