"""Characters of a PDF's text that are none, or that have no meaning."""

import unicodedata

_SOFT_HYPHEN = "\u00ad"
_WIDTHLESS = "\u200b\u2060\ufeff"


def clean_layer_text(text: str) -> str:
    """Without control characters; a soft hyphen is a hyphen at the end and nothing inside; a lone surrogate becomes U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    if text.endswith(_SOFT_HYPHEN) and len(text) > 1:
        text = text[:-1] + "-"
    text = text.strip(_WIDTHLESS)
    kept = (char for char in text.replace(_SOFT_HYPHEN, "") if unicodedata.category(char) != "Cc")
    return "".join("\ufffd" if unicodedata.category(char) == "Cs" else char for char in kept)


def is_unmapped(char: str) -> bool:
    """Without a meaning that Unicode gives it."""
    return char == "\ufffd" or (not char.isprintable() and unicodedata.category(char) in ("Co", "Cc", "Cs", "Cn"))
