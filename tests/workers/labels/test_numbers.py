import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.labels.numbers import Number, decimal_convention, parse_number, times

VALUES = {
    "7": 7,
    "0": 0,
    "-0": 0,
    "1,234.5": 1234.5,
    "1.234,5": 1234.5,
    "1 234,5": 1234.5,
    "1\u00a0234,5": 1234.5,
    "1\u202f234\u202f567,5": 1234567.5,
    "1'234.5": 1234.5,
    "1’234.50": 1234.5,
    "1_000": 1000,
    "12,34,567": 1234567,
    "₹ 2,50,000": 250000,
    "1.000.000": 1e6,
    "1,000,000": 1e6,
    "0,123": 0.123,
    "1234.567": 1234.567,
    ".5": 0.5,
    # percent, currency
    "12 %": 12,
    "12٪": 12,
    "12,5 Prozent": 12.5,
    "$1.2k": 1200,
    "€3,4 Mio.": 3.4e6,
    "£12m": 12e6,
    "12m": 12,
    "US$ 3.5 billion": 3.5e9,
    "5,3 млн руб.": 5.3e6,
    "100 k€": 1e5,
    "5 000 €": 5000,
    "1'200.–": 1200,
    "5,-": 5,
    "CHF 1'200.–": 1200,
    # signs
    "(3.4)": -3.4,
    "($3.4m)": -3.4e6,
    "$(3.4)": -3.4,
    "(12)%": -12,
    "1.234,50-": -1234.5,
    "3.40- EUR": -3.4,
    "€ 3,40-": -3.4,
    "−5": -5,
    "–5": -5,
    "-$5": -5,
    "$-5": -5,
    "+3": 3,
    # digits of other scripts
    "١٢٣": 123,
    "۱۲۳": 123,
    "१२३": 123,
    "１２３": 123,
    "１，２３４．５": 1234.5,
    "١٬٢٣٤٫٥": 1234.5,
    "٣٫٥٪": 3.5,
    "\u200e-5\u200f": -5,
    # multipliers
    "1兆2000億": 1.2e12,
    "3万": 3e4,
    "3万人": 3e4,
    "1.5억": 1.5e8,
    "5百万": 5e6,
    "1億2,345万円": 123_450_000,
    "2 lakh": 2e5,
    "3 crore": 3e7,
    "12bn": 12e9,
    "3.5M": 3.5e6,
    "2K": 2000,
    "1 Mrd. €": 1e9,
    "1.2 million people": 1.2e6,
    "1.1 thousand": 1100,
    # powers
    "1e6": 1e6,
    "1.2e-3": 0.0012,
    "10^6": 1e6,
    "10⁶": 1e6,
    "1.2×10³": 1200,
    "5×10⁻³": 0.005,
    "1.5 \\times 10^{3}": 1500,
    # fractions
    "5½": 5.5,
    "½": 0.5,
    "3/4": 0.75,
    "2 1/4": 2.25,
    # about
    "~5": 5,
    "≈ 5": 5,
    ">5": 5,
    "≥ 5": 5,
    "ca. 5": 5,
    "50+": 50,
    # units and marks
    "5 kg": 5,
    "5 m²": 5,
    "30°C": 30,
    "1.5x": 1.5,
    "12 €/t": 12,
    "12*": 12,
    "**5**": 5,
    "12\\%": 12,
}


@pytest.mark.parametrize("text", VALUES)
def test_a_printed_number_is_read(text):
    number = parse_number(text)

    assert number is not None
    assert number.value == VALUES[text]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", "–", "—", "…", "n/a", "N.A.", "null", "NaN", "inf", "∞", "abc", "Q1", "%",
        "3–5", "3-5", "3 to 5", "3 bis 5", "5%-10%", "10..20", "1 - 2",  # ranges
        "2021-03", "12/05/2021", "12.05.2021", "2021/22", "12:30", "Jan 5",  # dates and times
        "1.2.3", "12 34", "1,23,4", "1.23,45,6", "1,234.567.890", "--5", "-(5)-", "1e999", "9" * 70, "9" * 500, "1st", "2nd",
        "0x10", "5 people who were asked in spring", "7 of 10", "5/0", "²", "百万", "3億4兆",
    ],
)  # fmt: skip
def test_what_is_no_single_number_is_none(text):
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("text", "unit", "scale"),
    [
        ("5", None, 1),
        ("12 %", "%", 1),
        ("€3,4 Mio.", "€", 1e6),
        ("3,4 Mio. €", "€", 1e6),
        ("$1.2k", "$", 1e3),
        ("100 k€", "€", 1e3),
        ("12m", "m", 1),
        ("5 MW", "MW", 1),
        ("5 t", "t", 1),
        ("$5T", "$", 1e12),
        ("€12/t", "€/t", 1),
        ("3万人", "人", 1e4),
        ("1兆2000億円", "円", 1),
        ("1.2 million people", "people", 1e6),
        ("1e6", None, 1),
    ],
)
def test_unit_and_multiplier_are_told_apart(text, unit, scale):
    number = parse_number(text)

    assert (number.unit, number.scale) == (unit, scale)


def test_a_number_says_what_it_is():
    assert parse_number("12 %") == Number(12.0, "%", is_percent=True)
    assert parse_number("~$5") == Number(5.0, "$", is_approximate=True, currency="$")
    assert parse_number("5 EUR") == Number(5.0, "EUR", currency="EUR")


@pytest.mark.parametrize(
    ("text", "decimal", "value", "is_ambiguous"),
    [
        ("1.234", None, 1.234, True),  # the English way
        ("1,234", None, 1234, True),
        ("1.234", ",", 1234, False),
        ("1,234", ",", 1.234, False),
        ("1.234", ".", 1.234, False),
        ("1,234", ".", 1234, False),
        ("1.5", ",", 1.5, False),  # groups have three digits: the hint is wrong here
        ("0.123", ",", 0.123, False),
        ("1.234.567", None, 1234567, False),
        ("12", None, 12, False),
    ],
)
def test_the_hint_decides_what_the_digits_leave_open(text, decimal, value, is_ambiguous):
    number = parse_number(text, decimal=decimal)

    assert (number.value, number.is_ambiguous) == (value, is_ambiguous)


@pytest.mark.parametrize(
    ("texts", "decimal"),
    [
        (["1.234", "1,5"], ","),
        (["1,234", "1.5"], "."),
        (["1.234.567"], ","),
        (["1,234,567"], "."),
        (["1.234"], None),
        (["12", "n/a", "abc", ""], None),
        (["1.5", "1,5"], None),
        (["1.5", "2.5", "3.5", "1,5"], "."),
        (["1.234,5 €", "12.05.2021"], ","),
        ([], None),
    ],
)
def test_a_charts_numbers_prove_their_separator_together(texts, decimal):
    assert decimal_convention(texts) == decimal


@pytest.mark.parametrize(
    ("value", "multiplier", "product"), [(1.1, 1e3, 1100.0), (3.4, 1e6, 3.4e6), (2.3, 1e9, 2.3e9), (0.07, 100.0, 7.0)]
)
def test_multiplied_as_on_paper(value, multiplier, product):
    assert times(value, multiplier) == product


LOCALES = {"en": (",", "."), "de": (".", ","), "fr": ("\u202f", ","), "ch": ("'", "."), "plain": ("", "."), "ar": ("٬", "٫")}
DIGITS = {"ar": "٠١٢٣٤٥٦٧٨٩", "fa": "۰۱۲۳۴۵۶۷۸۹", "hi": "०१२३४५६७८९", "full": "０１２３４５６７８９", "latin": "0123456789"}


@given(
    value=st.decimals(min_value=-(10**9), max_value=10**9, places=2, allow_nan=False, allow_infinity=False),
    locale=st.sampled_from(list(LOCALES)),
    digits=st.sampled_from(list(DIGITS)),
    minus=st.sampled_from("-−–"),
)
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_a_number_formatted_in_a_locale_is_read_back(value, locale, digits, minus):
    group, point = LOCALES[locale]
    text = f"{value:,.2f}".translate({ord(","): group, ord("."): point, ord("-"): minus})
    text = text.translate({ord(str(digit)): char for digit, char in enumerate(DIGITS[digits])})

    number = parse_number(text)

    assert number is not None
    assert number.value == float(value)
    assert not number.is_ambiguous


@pytest.mark.slow
@given(st.one_of(st.text(max_size=30), st.text("0123456789.,-–+ '%€$kKMeE×^()/½万億兆١٬٫²\u00a0", max_size=20)))
@settings(max_examples=400, deadline=None)
def test_no_text_makes_the_parser_raise_or_give_nan(text):
    for decimal in (None, ".", ","):
        number = parse_number(text, decimal=decimal)
        assert number is None or (math.isfinite(number.value) and math.isfinite(number.scale) and number.scale > 0)
    decimal_convention([text, "1.5"])
