"""A page's language where its script (and a sign or two) leaves no doubt; else nothing."""

from collections import Counter

from workers.trust import script_of

MIN_LETTERS = 20
_ONE_LANGUAGE = {
    "HANGUL": "ko", "THAI": "th", "LAO": "lo", "KHMER": "km", "MYANMAR": "my", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn",
    "MALAYALAM": "ml", "GUJARATI": "gu", "GURMUKHI": "pa", "SINHALA": "si", "GREEK": "el", "ARMENIAN": "hy", "GEORGIAN": "ka",
}  # fmt: skip
"""Scripts that one living language of today has nearly to itself."""
_NOT_RUSSIAN = frozenset("іїєґўјљњћђѓќџ")


def languages_of(text: str) -> list[str]:
    """BCP 47, at most one: that of the script with most letters. Latin script tells nothing, and so is []."""
    letters = Counter(script for char in text if (script := script_of(char)))
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
