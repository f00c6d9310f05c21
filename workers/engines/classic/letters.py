"""Which language of the Latin script a page is in whose letters the model's dictionary lacks.

A CTC model leaves out a letter that it does not know, with a score of 0.99 for the line, or takes the nearest that it knows:
"quyền" comes out as "quyn" or "quyên". So the commonest words of such languages are looked for as they come out without the letters
that the dictionary at hand lacks.

Measured on the Universal Declaration in 412 languages of the Latin script, garbled by the dictionary of PP-OCRv6 (18,708 entries:
88 of 104 Vietnamese letters are missing): see `tests/workers/engines/classic/test_letters.py`.
"""

import re
import unicodedata
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple

MIN_WORDS = 12
"""Words below which their shares say nothing."""
MIN_SHARE = 0.05
"""Of the page's words. True pages have 0.07 (Igbo) to 0.22 (Vietnamese); other languages at most 0.04, and of that one or two
different words."""
MIN_DIFFERENT = 3
"""Different words of the list."""


class Language(NamedTuple):
    name: str
    words: str
    """Common words with letters that a dictionary may lack."""


LANGUAGES = {
    "vi": Language(
        "Vietnamese",
        "quyền người được mọi của tự đều quốc một những với sự bảo hội bản bị cả bất việc phải hợp về đối nước thực hiện luật cứ "
        "bằng tất đẳng thể lại chế định nhận vệ sống ở để này từ đến tại như thì trên đã sẽ vẫn rất nhiều thời gì điều nhất động "
        "địa chỉ số điện thoại tổng cộng tiền việt nội thành phố quận phường đồng giờ trường học mới lớn chủ tịch giá trị dụng "
        "đó nếu khi mà cần đầu tiên theo giữa trước sau năm tháng ngày hoặc thế giới bộ cấp độ chính phủ nghị quyết tỉnh",
    ),
    "yo": Language(
        "Yoruba",
        "ẹ̀tọ́ àwọn kọ̀ọ̀kan ẹnì jẹ́ wọn ṣe rẹ̀ gbọdọ̀ ẹni ẹ̀dá àwùjọ lọ́wọ́ lábẹ́ wọ́n fẹ́ ọmọ gẹ́gẹ́ dọ́gba ìjọba mọ́ pọ̀ bẹ́ẹ̀ jẹ iṣẹ́ nípasẹ̀ ẹ̀kọ́ "
        "wọ̀nyí ọ̀nà ìgbàgbọ́ pẹ̀lú ọ̀rọ̀ ẹ̀yà tọ́ ìyàtọ̀ ọjọ́ sọ ṣùgbọ́n nǹkan ọlọ́run gbọ́ ẹ̀ lẹ́yìn ọ̀pọ̀lọpọ̀",
    ),
    "ig": Language(
        "Igbo",
        "ọ bụla bụ mmadụ dị ọzọ ọrụ nọ nwegasịrị dịghị ọchịchị ntaramahụhụ ọha ịkpa ahụ ụlọ ntọala ndụ ọnọdụ gaghị afọ ụwa nwanyị "
        "kachasị chọrọ ndị nwoke mụ ụmụ kwesịrị ụdị mgbe ụbọchị ọma site nwụrụ",
    ),
    "ve": Language(
        "Venda",
        "muṅwe ḓo vhoṱhe ḽa iṅwe nṱha nḓila phanḓa muṱa vhaṅwe ḽiṅwe ḽawe ḓiphina vhuṱhogwa ṱuṱuwedza ṱhonifho vhuḓalo dzoṱhe ḽo "
        "khwaṱhisedza miraḓo ḽi muraḓo ṋewa ṱoḓa maṅwe zwiṅwe roṱhe ḓa hoṱhe",
    ),
}  # fmt: skip


def language_lacking(text: str, dictionary: AbstractSet[str]) -> str | None:
    """BCP 47 of the language whose words, without the letters that the dictionary lacks, the text is made of."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    if len(words) < MIN_WORDS:
        return None
    best, best_share = None, MIN_SHARE
    for language, garbled in _garbled(frozenset(dictionary)).items():
        found = [word for word in words if word in garbled]
        if len(found) >= best_share * len(words) and len(set(found)) >= MIN_DIFFERENT:
            best, best_share = language, len(found) / len(words)
    return best


@lru_cache(maxsize=2)
def _garbled(dictionary: frozenset[str]) -> dict[str, frozenset[str]]:
    """Language -> its words as they come out, without those that come out whole, or as two letters that many languages have."""
    result = {}
    for language, entry in LANGUAGES.items():
        words = [word for word in unicodedata.normalize("NFC", entry.words).split() if not dictionary.issuperset(word)]
        left_out = ("".join(char for char in word if char in dictionary) for word in words)
        plain = ("".join(char if char in dictionary else _plain(char) for char in word) for word in words)
        result[language] = frozenset(
            [out for out in left_out if len(out) >= 3 or not out.isascii()]
            + [out for out in plain if len(out) >= 4 or not out.isascii()]
        )
    return result


def _plain(char: str) -> str:
    return unicodedata.normalize("NFD", char)[0] if char.isalpha() else ""
