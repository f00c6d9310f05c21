import pytest

from workers.language_tags import bcp47


@pytest.mark.parametrize(
    ("names", "tags"),
    [
        (["en"], ["en"]),
        (["EN", "eng", "English"], ["en"]),
        (["zh_hans", "zh-hant-tw", "pt-br", "es-419"], ["zh-Hans", "zh-Hant-TW", "pt-BR", "es-419"]),
        (["Simplified Chinese", "日本語", "haw"], ["zh-Hans", "ja", "haw"]),
        (["", "und", "e", "Klingon", "en de", "x" * 1000], []),
    ],
)
def test_names_and_codes_become_tags(names, tags):
    assert bcp47(names) == tags
