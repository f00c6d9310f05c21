"""URLs without what is secret in them: for whatever is printed, logged or stored. Who connects has the URL itself."""

import re
from typing import Any

MASK = "***"
_OBJECT_NAMES = ("s3", "file")
"""Schemes of places, which hold no password, and in whose names `@` and `?` are letters like others."""
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'`<>]+", re.IGNORECASE)
_WHOLE = re.compile(r"[a-z][a-z0-9+.-]*://.*", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r"(^|&)([^=&]*=)?[^&]*")


def masked_url(url: str) -> str:
    """Without user, password, values of its query, and fragment: `https://***@host/v1?key=***`.

    Up to the last `@`, since a password may hold any character.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() in _OBJECT_NAMES:
        return url
    _, at, place = rest.rpartition("@")
    place, hash_, _ = place.partition("#")
    place, question, query = place.partition("?")
    query = _PARAMETER.sub(lambda found: f"{found[1]}{found[2] or ''}{MASK}", query) if query else ""
    return f"{scheme}://{MASK if at else ''}{at}{place}{question}{query}{hash_}{MASK if hash_ else ''}"


def masked(text: str) -> str:
    """A text with every URL in it masked."""
    return _URL.sub(lambda found: masked_url(found[0]), text) if "://" in text else text


def masked_values(value: Any) -> Any:
    """A plain value of settings, in which a string that begins as a URL is one as a whole."""
    if isinstance(value, str):
        return masked_url(value) if _WHOLE.fullmatch(value) else masked(value)
    if isinstance(value, list):
        return [masked_values(item) for item in value]
    return value
