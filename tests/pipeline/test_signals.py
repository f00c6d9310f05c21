"""Both ways of being told to stop, in the main thread of this process."""

import os
import signal

import pytest

from pipeline.signals import Interrupted, signals_noted, signals_raise


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_however_often_it_comes(number):
    with signals_raise(), signals_noted() as stop:
        assert not stop.is_asked
        stop.check()

        os.kill(os.getpid(), number)

        assert stop.is_asked
        assert not stop.is_urgent
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_urgent
        with pytest.raises(Interrupted, match=f"stopped by {number.name}"):
            stop.check()


def test_a_second_signal_may_raise():
    with signals_noted(is_second_raised=True) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_urgent


def test_the_handlers_before_come_back():
    before = signal.getsignal(signal.SIGINT)
    with signals_raise():
        with signals_noted():
            pass
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
