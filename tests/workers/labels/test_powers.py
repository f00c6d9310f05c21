"""Powers of ten, at ticks and as multipliers."""

import pytest

from workers.labels.powers import axis_multiplier, flat_power, raised_power


@pytest.mark.parametrize(
    ("text", "flat", "raised", "multiplier"),
    [
        ("102", 100.0, None, None),
        ("10−3", 0.001, None, None),
        ("10^2", None, 100.0, None),
        ("−10^{-3}", None, -0.001, None),
        ("1e6", None, None, 1e6),
        ("×1e−3", None, None, 0.001),
        ("x 10^6", None, None, 1e6),
        ("×106", None, None, 1e6),
        ("1000", None, None, None),
        ("10", None, None, None),
        ("e6", None, None, None),
        ("", None, None, None),
    ],
)
def test_a_text_is_the_power_that_it_prints(text, flat, raised, multiplier):
    assert flat_power(text) == (pytest.approx(flat) if flat else None)
    assert raised_power(text) == (pytest.approx(raised) if raised else None)
    assert axis_multiplier(text) == (pytest.approx(multiplier) if multiplier else None)
