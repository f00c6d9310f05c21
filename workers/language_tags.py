"""Languages as models name them, as BCP 47 tags."""

import re
from collections.abc import Iterable

_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?")
_NO_LANGUAGE = {"und", "mul", "mis", "zxx"}
_CODES = {
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "por": "pt", "ita": "it", "nld": "nl",
    "dut": "nl",
    "rus": "ru", "ukr": "uk", "pol": "pl", "ces": "cs", "cze": "cs", "zho": "zh", "chi": "zh", "jpn": "ja", "kor": "ko",
    "ara": "ar",
    "hin": "hi", "ben": "bn", "tam": "ta", "tel": "te", "vie": "vi", "tha": "th", "tur": "tr", "fas": "fa", "per": "fa",
    "heb": "he",
    "ell": "el", "gre": "el", "lat": "la", "swe": "sv", "dan": "da", "nor": "no", "fin": "fi", "hun": "hu", "ron": "ro",
    "rum": "ro",
    "ind": "id", "msa": "ms", "may": "ms", "urd": "ur",
}  # fmt: skip
"""Three letters of ISO 639-2 where BCP 47 has two."""
_NAMES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en",
    "finnish": "fi",
    "french": "fr", "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "indonesian": "id",
    "italian": "it", "japanese": "ja", "korean": "ko", "latin": "la", "malay": "ms", "norwegian": "no", "persian": "fa",
    "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es", "swedish": "sv", "tamil": "ta",
    "telugu": "te", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
    "simplified chinese": "zh-Hans", "chinese (simplified)": "zh-Hans", "traditional chinese": "zh-Hant",
    "chinese (traditional)": "zh-Hant", "deutsch": "de", "français": "fr", "español": "es", "português": "pt", "русский": "ru",
    "中文": "zh", "日本語": "ja", "한국어": "ko", "العربية": "ar", "हिन्दी": "hi",
}  # fmt: skip


def bcp47(languages: Iterable[str]) -> list[str]:
    """Tags in their usual case, in order, without doubles; what is neither a tag nor a known name is left out (`und` too)."""
    names = (language.strip().casefold().replace("_", "-") for language in languages)
    tags = (_NAMES.get(name) or _normalised(name) for name in names)
    return list(dict.fromkeys(tag for tag in tags if tag))


def _normalised(tag: str) -> str | None:
    match = _TAG.fullmatch(tag)
    if match is None or match.group(1) in _NO_LANGUAGE:
        return None
    language, script, territory = match.groups()
    return "-".join(
        part for part in (_CODES.get(language, language), script and script.title(), territory and territory.upper()) if part
    )
