import sys

import pytest

from workers.engines.ovis.batching.switch_interval import SHORT_S, restore, shorten


@pytest.mark.parametrize("before", [0.005, 0.00001])
def test_the_last_engine_that_closes_restores_the_interval_and_a_shorter_one_is_left(before):
    python, given = sys.getswitchinterval(), pytest.approx(before)
    sys.setswitchinterval(before)
    try:
        shorten()
        shorten()
        assert sys.getswitchinterval() == pytest.approx(min(before, SHORT_S))
        restore()
        assert sys.getswitchinterval() == pytest.approx(min(before, SHORT_S))
        restore()
        assert sys.getswitchinterval() == given
    finally:
        sys.setswitchinterval(python)
