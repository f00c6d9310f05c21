"""YAML between two lines of `---` before the Markdown, as olmOCR writes it."""

import re

_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.{0,2000}?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_LANGUAGE = re.compile(r"^primary_language:[ \t]*['\"]?([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\b", re.MULTILINE)
_KEYS = re.compile(r"^[a-z_]+:", re.MULTILINE)


def without_front_matter(text: str) -> tuple[list[str], str]:
    """The languages that the front matter names, and the text behind it. A page may begin with a rule of its own: without keys
    between the lines nothing is cut."""
    found = _FRONT_MATTER.match(text)
    if found is None or not _KEYS.search(found[1]):
        return [], text
    language = _LANGUAGE.search(found[1])
    return [language[1]] if language else [], text[found.end() :]
