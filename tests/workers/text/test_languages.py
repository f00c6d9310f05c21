import langcodes
import pytest

from workers.text.languages import COMMON, bcp47

THREE_LETTERS = {
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "por": "pt", "ita": "it", "nld": "nl",
    "dut": "nl", "rus": "ru", "ukr": "uk", "pol": "pl", "ces": "cs", "cze": "cs", "zho": "zh", "chi": "zh", "jpn": "ja",
    "kor": "ko", "ara": "ar", "hin": "hi", "ben": "bn", "tam": "ta", "tel": "te", "vie": "vi", "tha": "th", "tur": "tr",
    "fas": "fa", "per": "fa", "heb": "he", "ell": "el", "gre": "el", "lat": "la", "swe": "sv", "dan": "da", "nor": "no",
    "fin": "fi", "hun": "hu", "ron": "ro", "rum": "ro", "ind": "id", "msa": "ms", "may": "ms", "urd": "ur",
}  # fmt: skip
NAMES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en",
    "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu",
    "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko", "latin": "la", "malay": "ms", "norwegian": "no",
    "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es", "swedish": "sv",
    "tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
    "simplified chinese": "zh-Hans", "chinese (traditional)": "zh-Hant", "deutsch": "de", "中文": "zh", "العربية": "ar",
}  # fmt: skip


@pytest.mark.parametrize(
    ("names", "tags"),
    [
        (["en"], ["en"]),
        (["EN", "eng", "English"], ["en"]),
        (["zh_hans", "zh-hant-tw", "pt-br", "es-419"], ["zh-Hans", "zh-Hant-TW", "pt-BR", "es-419"]),
        (["Simplified Chinese", "日本語", "haw"], ["zh-Hans", "ja", "haw"]),
        (["Marathi", "Catalan", "Bulgarian", "Amharic"], ["mr", "ca", "bg", "am"]),
        (["Punjabi", "Burmese", "Norwegian Bokmål", "amh", "ru-Cyrl"], ["pa", "my", "nb", "am", "ru-Cyrl"]),
        (["", "und", "e", "x-mine", "en de", "unknown", "x" * 1000], []),
    ],
)
def test_names_and_codes_become_tags(names, tags):
    assert bcp47(names) == tags


@pytest.mark.parametrize(("given", "tag"), [*THREE_LETTERS.items(), *NAMES.items()])
def test_what_was_known_by_code_or_name_still_is(given, tag):
    assert bcp47([given]) == [tag]


def test_a_common_tag_is_as_the_registry_has_it():
    assert sorted(langcodes.standardize_tag(tag) for tag in COMMON) == sorted(COMMON)


def test_a_tag_that_is_given_is_one_that_the_registry_knows():
    assert all(langcodes.tag_is_valid(tag) for tag in bcp47(["Klingon", "sh", "iw", "cmn-Hans-CN", "de-1901"]))
