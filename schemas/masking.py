"""Masks secrets in URLs that are printed, logged or stored. Code that connects uses the URL itself."""

import re
from typing import Any

MASK = "***"
_OBJECT_NAMES = ("s3", "file")
"""Schemes whose URLs hold no password. In their names `@` and `?` are ordinary characters."""
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'`<>]+", re.IGNORECASE)
_WHOLE = re.compile(r"[a-z][a-z0-9+.-]*://.*", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r"(^|&)([^=&]*=)?[^&]*")


def masked_url(url: str) -> str:
    """The URL without user, password, values of the query, and fragment: `https://***@host/v1?key=***`.

    Everything up to the last `@` is masked, because a password may hold any character.
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
    """The text with every URL in it masked."""
    return _URL.sub(lambda found: masked_url(found[0]), text) if "://" in text else text


def masked_values(value: Any) -> Any:
    """A settings value with its URLs masked. A string that begins like a URL is treated as one URL, spaces included."""
    if isinstance(value, str):
        return masked_url(value) if _WHOLE.fullmatch(value) else masked(value)
    if isinstance(value, list):
        return [masked_values(item) for item in value]
    return value
