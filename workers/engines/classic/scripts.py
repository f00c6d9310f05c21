"""Scripts as Tesseract's data name them, with the languages that it reads them by, most read first; and what to install for one.

Debian and Ubuntu pack each language's data by itself (`tesseract-ocr-ara`); elsewhere they are files `ara.traineddata`.
"""

from collections.abc import Collection

LANGUAGES: dict[str, tuple[str, ...]] = {  # in the order they are tried: first those of which Tesseract is least sure
    "Hangul": ("kor",),
    "Thai": ("tha",),
    "Arabic": ("ara", "fas", "urd", "pus", "snd", "uig", "kur_ara"),
    "Armenian": ("hye",),
    "Bengali": ("ben", "asm"),
    "Canadian_Aboriginal": ("iku",),
    "Cherokee": ("chr",),
    "Cyrillic": ("rus", "ukr", "bul", "srp", "bel", "mkd", "kaz", "kir", "tgk", "mon", "tat", "uzb_cyrl", "aze_cyrl"),
    "Devanagari": ("hin", "mar", "nep", "san"),
    "Ethiopic": ("amh", "tir"),
    "Georgian": ("kat",),
    "Greek": ("ell", "grc"),
    "Gujarati": ("guj",),
    "Gurmukhi": ("pan",),
    "Hebrew": ("heb", "yid"),
    "Kannada": ("kan",),
    "Khmer": ("khm",),
    "Lao": ("lao",),
    "Malayalam": ("mal",),
    "Myanmar": ("mya",),
    "Oriya": ("ori",),
    "Sinhala": ("sin",),
    "Syriac": ("syr",),
    "Tamil": ("tam",),
    "Telugu": ("tel",),
    "Thaana": ("div",),
    "Tibetan": ("bod", "dzo"),
}
_OTHER_NAMES = {"Korean": "Hangul"}
WHOLE_LATIN = frozenset(("vi", "ig"))
"""Those that the data for the Latin script as a whole reads; of Yoruba it gets a fifth of the characters wrong."""
LATIN = {"vi": "vie", "yo": "yor"}
"""Languages of the Latin script that PP-OCR lacks letters of, and Tesseract has data for."""
_PACKED = {
    "Arabic": "arab", "Armenian": "armn", "Bengali": "beng", "Canadian_Aboriginal": "cans", "Cherokee": "cher", "Cyrillic": "cyrl",
    "Devanagari": "deva", "Ethiopic": "ethi", "Georgian": "geor", "Greek": "grek", "Gujarati": "gujr", "Gurmukhi": "guru",
    "Hangul": "hang", "Hebrew": "hebr", "Kannada": "knda", "Khmer": "khmr", "Lao": "laoo", "Latin": "latn", "Malayalam": "mlym",
    "Myanmar": "mymr", "Oriya": "orya", "Sinhala": "sinh", "Syriac": "syrc", "Tamil": "taml", "Telugu": "telu", "Thaana": "thaa",
    "Thai": "thai", "Tibetan": "tibt",
}  # fmt: skip
"""Debian's names of the data for whole scripts."""

USED = frozenset(
    ["eng", *LATIN.values(), "Latin", "script/Latin"]
    + [name for script, languages in LANGUAGES.items() for name in (*languages, script, f"script/{script}")]
)
"""Data that may have a part in an answer; `deu` has none, for PP-OCR reads German."""


def script_named(name: str) -> str | None:
    """The key in LANGUAGES; None for a script that PP-OCR reads, or that nobody knows."""
    name = _OTHER_NAMES.get(name, name)
    return name if name in LANGUAGES else None


def languages_for(script: str, installed: Collection[str]) -> list[str]:
    """What of the installed reads the script: its languages, then the data for the whole script, which reads languages without data
    of their own."""
    return [language for language in LANGUAGES.get(script, ()) if language in installed] + script_data(script, installed)


def script_data(script: str, installed: Collection[str]) -> list[str]:
    """Data for all languages of a script, as Debian and as everybody else names them; at most one."""
    return [name for name in (script, f"script/{script}") if name in installed][:1]


def languages_for_latin(language: str, installed: Collection[str]) -> list[str]:
    """The same for a language (BCP 47) of the Latin script."""
    own = [name for name in [LATIN.get(language, "")] if name in installed]
    return own or (script_data("Latin", installed) if language in WHOLE_LATIN else [])


def package(language: str) -> str:
    """Debian's package with the data of a language."""
    return f"tesseract-ocr-{language.replace('_', '-')}"


def script_package(script: str) -> str:
    return f"tesseract-ocr-script-{_PACKED[script]}"
