"""Words and signs around numbers: multipliers, currencies, percent. Lower case, without a closing full stop."""

import math
import re
from typing import NamedTuple

SCALES: dict[str, float] = {
    **dict.fromkeys(("thousand", "thousands", "tsd", "tausend", "mille", "mila", "mil", "tys", "тыс", "тысяч", "тис", "ألف", "آلاف",
                     "हज़ार", "हजार", "nghìn", "ngàn", "ribu", "bin", "tusen", "هزار"), 1e3),
    **dict.fromkeys(("lakh", "lakhs", "lac", "लाख"), 1e5),
    **dict.fromkeys(("million", "millions", "mio", "mill", "mn", "mln", "millionen", "millón", "millon", "millones", "milhão",
    "milhões",
                     "milione", "milioni", "milj", "miljoen", "млн", "миллион", "миллиона", "миллионов", "مليون", "ملايين",
                     "میلیون",
                     "triệu", "juta", "milyon", "miljoner", "millioner"), 1e6),
    **dict.fromkeys(("crore", "crores", "cr", "करोड़", "करोड"), 1e7),
    **dict.fromkeys(("billion", "billions", "bn", "bln", "mrd", "mia", "milliarde", "milliarden", "milliard", "milliards",
    "mds", "mld",
                     "mlrd", "miliardi", "miliardo", "miljard", "млрд", "миллиард", "миллиарда", "миллиардов", "مليار", "مليارات",
                     "میلیارد", "अरब", "tỷ", "tỉ", "miliar", "milyar", "miljarder", "milliarder", "bilhão", "bilhões"), 1e9),
    **dict.fromkeys(("trillion", "trillions", "tn", "trn", "trln", "bio", "billionen", "billones", "трлн", "триллион", "تريليون",
                     "trilhão", "trilhões", "triliun", "trilyon"), 1e12),
}  # fmt: skip
"""`billion` is 10^9 (English, and French and German papers in English); German `Billionen` and Spanish `billones` are 10^12."""

MILLIONS_OF_MONEY: dict[str, float] = {
    "k": 1e3,
    "K": 1e3,
    "m": 1e6,
    "M": 1e6,
    "MM": 1e6,
    "b": 1e9,
    "B": 1e9,
    "Md": 1e9,
    "T": 1e12,
    "t": 1e12,
}
"""One letter: a multiplier only next to a currency, else it may be metres or tonnes."""

_SIGNS = "€$£¥₹₩₽₺₫฿₴₦₪"
ATTACHED = re.compile(rf"^(k|K|m|M|MM|b|B|bn|Bn|T|Md|Mds|Mrd\.?|Mio\.?|mln|млн|млрд)(?=\s?[{_SIGNS}])")
"""`k€`, `Mio.€`: the multiplier in front of the currency sign."""

CURRENCY = (
    rf"(?:US|USD|A|AU|C|CA|HK|NZ|NT|R|S|MX|CN|RMB)?[{_SIGNS}]"
    r"|USD|EUR|GBP|JPY|CNY|RMB|CHF|INR|KRW|RUB|BRL|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|TRY|MXN|ZAR|SGD|HKD|TWD|THB|IDR|VND|AED|SAR|EGP|ILS"
    r"|Rs\.?|Fr\.|kr\.?|zł|Kč|Ft|円|元|원|руб\.?|د\.إ"
)

PERCENT = {"%", "percent", "per cent", "pct", "prozent", "pour cent", "por ciento", "per cento", "процентов", "процента", "процент"}

ORDINALS = {"st", "nd", "rd", "th", "º", "ª"}


class _Cjk(NamedTuple):
    letters: str
    values: dict[str, float]

    def product(self, letters: str) -> float:
        return math.prod(self.values[letter] for letter in letters)


_CJK_VALUES = {
    "十": 1e1, "百": 1e2, "백": 1e2, "千": 1e3, "천": 1e3, "仟": 1e3, "万": 1e4, "萬": 1e4, "만": 1e4, "億": 1e8,
    "亿": 1e8, "억": 1e8, "兆": 1e12, "조": 1e12,
}  # fmt: skip
CJK = _Cjk("".join(_CJK_VALUES), _CJK_VALUES)
"""兆 is 10^12, as in Japan, Taiwan and Korea; letters together multiply (百万 = 10^6)."""
