"""How long a request is tried, as arithmetic: time is an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentic import errors
from agentic._requests import Patience
from agentic._status import Details

AWAY = errors.Unreachable("gone", "UNAVAILABLE")


@given(timeout=st.floats(0.1, 60), spent=st.floats(0, 3))
def test_a_daemon_that_stays_away_is_tried_until_the_deadline_and_not_beyond(timeout: float, spent: float) -> None:
    now = 1_000.0
    patience = Patience(timeout, now)
    tries = 0
    while (delay := patience.wait(AWAY, True, now)) is not None:
        assert 0 < delay <= 6.0
        assert now + delay < 1_000.0 + timeout
        assert patience.left(now + delay) > 0
        now += delay + spent
        tries += 1
    assert tries <= timeout / 0.08, "not hammered"
    assert patience.left(now + 60) == 0.0


def test_only_silence_of_a_daemon_that_was_there_is_waited_out() -> None:
    patience = Patience(10.0, 0.0)
    assert patience.wait(AWAY, False, 0.0) is None
    assert patience.wait(errors.Draining("x", "UNAVAILABLE", Details("DRAINING", retry_after=2.0)), True, 0.0) is None
    assert patience.wait(errors.StoreDown("x", "UNAVAILABLE", Details("STORE_DOWN")), True, 0.0) is None
    assert patience.wait(errors.DeadlineExceeded("x", "DEADLINE_EXCEEDED"), True, 0.0) is None
    assert patience.wait(AWAY, True, 0.0) is not None
