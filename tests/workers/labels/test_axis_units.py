import pytest

from workers.labels.axis_units import AxisUnit, axis_unit


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("$ million", AxisUnit("$", 1e6)),
        ("Mio. €", AxisUnit("€", 1e6)),
        ("USD bn", AxisUnit("USD", 1e9)),
        ("€m", AxisUnit("€", 1e6)),
        ("k€", AxisUnit("€", 1e3)),
        ("$'000", AxisUnit("$", 1e3)),
        ("in thousands", AxisUnit(None, 1e3)),
        ("000s", AxisUnit(None, 1e3)),
        ("1,000 t", AxisUnit("t", 1e3)),
        ("(×10⁶ t)", AxisUnit("t", 1e6)),
        ("10 000 t", AxisUnit("t", 1e4)),
        ("Mio. t pro Jahr", AxisUnit("t pro Jahr", 1e6)),
        ("deaths per million", AxisUnit("deaths per million")),
        ("per 1,000 people", AxisUnit("per 1,000 people")),
        ("cases per 100 000", AxisUnit("cases per 100 000")),
        ("pour mille habitants", AxisUnit("pour mille habitants")),
        ("€/1000 l", AxisUnit("€/1000 l")),
        ("10万人当たり", AxisUnit("10万人当たり")),
        ("每十万人", AxisUnit("每十万人")),
        ("constant 2000 US$", AxisUnit("constant 2000 US$")),
        ("per cent", AxisUnit("per cent")),
        ("万" * 40_000 + " x", AxisUnit("万" * 40_000 + " x")),
        ("億円", AxisUnit("円", 1e8)),
        ("百万円", AxisUnit("円", 1e6)),
        ("万人", AxisUnit("人", 1e4)),
        ("тыс. руб.", AxisUnit("руб", 1e3)),
        ("%", AxisUnit("%")),
        ("kWh", AxisUnit("kWh")),
        ("K", AxisUnit("K")),
        ("m", AxisUnit("m")),
        ("m/s", AxisUnit("m/s")),
        ("index, 2015 = 100", AxisUnit("index, 2015 = 100")),
        ("1" + "0" * 400, AxisUnit("1" + "0" * 400)),
        ("10^99", AxisUnit("10^99")),
        (" ", AxisUnit()),
    ],
)
def test_a_unit_is_told_from_its_multiplier(unit, expected):
    assert axis_unit(unit, None) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Revenue (in millions of USD)", AxisUnit("USD", 1e6)),
        ("Weight (kg)", AxisUnit("kg")),
        ("Umsatz in Mio. €", AxisUnit("€", 1e6)),
        ("Jobs, in thousands", AxisUnit(None, 1e3)),
        ("売上高（億円）", AxisUnit("円", 1e8)),
        ("Share [%]", AxisUnit("%")),
        ("Wait (estimated)", AxisUnit()),
        ("Share of people in Germany", AxisUnit()),
        ("Sales (2019)", AxisUnit()),
        ("Revenue", AxisUnit()),
        (None, AxisUnit()),
    ],
)
def test_of_a_label_only_a_known_unit_counts(label, expected):
    assert axis_unit(None, label) == expected
