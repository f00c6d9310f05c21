"""Languages as BCP 47 tags: of a page whose script (and a sign or two) leaves no doubt, and of names that models give."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from workers.text.trust import script_of

MIN_LETTERS = 20
_ONE_LANGUAGE = {
    "HANGUL": "ko", "THAI": "th", "LAO": "lo", "KHMER": "km", "MYANMAR": "my", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn",
    "MALAYALAM": "ml", "GUJARATI": "gu", "GURMUKHI": "pa", "SINHALA": "si", "GREEK": "el", "ARMENIAN": "hy", "GEORGIAN": "ka",
}  # fmt: skip
"""Scripts that are used by nearly one living language only."""
_NOT_RUSSIAN = frozenset("іїєґўјљњћђѓќџ")
COMMON = frozenset({
    "ar", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pl", "pt",
    "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh",
})  # fmt: skip
"""Tags as they are wanted. Most answers name no other, and `langcodes` takes a twentieth of a second to load."""
_MAX_NAME_CHARS = 100
_NO_LANGUAGE = {"und", "mul", "mis", "zxx"}
_NAMES = {
    "greek": "el", "simplified chinese": "zh-Hans", "chinese (simplified)": "zh-Hans", "traditional chinese": "zh-Hant",
    "chinese (traditional)": "zh-Hant", "deutsch": "de", "français": "fr", "español": "es", "português": "pt", "русский": "ru",
    "中文": "zh", "日本語": "ja", "한국어": "ko", "العربية": "ar", "हिन्दी": "hi",
}  # fmt: skip
"""Names that models write beside the English names of the registry."""
_BRACKETED = re.compile(r"\s*\(.*\)$")
"""`Malay (macrolanguage)`."""


def languages_of(text: str) -> list[str]:
    """At most one BCP 47 tag, by the script with most letters; empty for Latin script, which shows no language."""
    letters: Counter[str] = Counter()
    for char, count in Counter(text).items():
        if script := script_of(char):
            letters[script] += count
    letters["KANA"] = letters.pop("HIRAGANA", 0) + letters.pop("KATAKANA", 0)
    letters["CJK"] += letters["KANA"]
    if not letters or letters.total() - letters["KANA"] < MIN_LETTERS:
        return []
    script = max(letters, key=lambda name: letters[name])
    words = text.split()
    language: str | None = _ONE_LANGUAGE.get(script)
    match script:
        case "CJK":
            language = "ja" if letters["KANA"] > 0.1 * letters["CJK"] else "zh"
        case "CYRILLIC":
            lower = text.lower()
            language = "ru" if ("ы" in lower or "э" in lower) and not _NOT_RUSSIAN & set(lower) else None
        case "ARABIC":
            language = "ar" if sum(word.startswith(("ال", "وال", "بال", "لل")) for word in words) > 0.15 * len(words) else None
        case "DEVANAGARI":
            language = "hi" if sum(word.strip("।,.") in ("है", "हैं", "के", "की", "को") for word in words) > 0.06 * len(words) else None
    return [language] if language else []


def bcp47(languages: Iterable[str]) -> list[str]:
    """The tags in their usual case, in order, without repeats. Texts that are neither a tag nor a known name are left out, and
    `und` too."""
    names = (language.strip().casefold() for language in languages)
    tags = (_NAMES.get(name) or _normalised(name) or _english_names().get(name) for name in names)
    return list(dict.fromkeys(tag for tag in tags if tag))


def _normalised(tag: str) -> str | None:
    """Language, script and territory; two letters for `deu` and `ger`."""
    if tag in COMMON:
        return tag
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        found = Language.get(tag) if len(tag) <= _MAX_NAME_CHARS else Language.make()
    except LanguageTagError:
        return None
    if not found.language or len(found.language) > 3 or found.language in _NO_LANGUAGE or not found.is_valid():
        return None
    return Language.make(found.language, script=found.script, territory=found.territory).to_tag()


@cache
def _english_names() -> dict[str, str]:
    """English names of single languages in IANA's registry -> their tags; of equal names the one whose tag is shortest."""
    from langcodes.registry_parser import parse_registry

    entries: list[dict[str, Any]] = list(parse_registry())  # type: ignore[no-untyped-call]
    return {
        _BRACKETED.sub("", name).casefold(): entry["Subtag"]
        for entry in sorted(entries, key=lambda entry: -len(entry.get("Subtag", "")))
        if entry["Type"] == "language" and entry.get("Scope") not in ("collection", "special", "private-use")
        for name in entry["Description"]
        if "Deprecated" not in entry and len(name) > 3  # a shorter name is rather a code
    }
