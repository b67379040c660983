"""$AGENTICD_FAILPOINT: what it may say, and what is told to who wrote it wrong."""

from __future__ import annotations

import signal

import pytest

from agenticd.adapters.host.failpoint import Config
from agenticd.config import ConfigError, failpoint


def test_without_it_there_is_no_trap() -> None:
    assert failpoint({}) is None
    assert failpoint({"AGENTICD_FAILPOINT": ""}) is None


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("after_call_dialing:kill", Config("after_call_dialing", signal.SIGKILL, 1)),
        ("before_dial:stop:3", Config("before_dial", signal.SIGSTOP, 3)),
    ],
)
def test_it_names_a_point_an_action_and_which_time(text: str, config: Config) -> None:
    assert failpoint({"AGENTICD_FAILPOINT": text}) == config


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("after_call_dialling:kill", "did you mean after_call_dialing"),
        ("after_call_dialing", ":kill or :stop"),
        ("after_call_dialing:die", "not 'die'"),
        ("after_call_dialing:kill:0", "the first time is 1"),
        ("after_call_dialing:kill:x", "'x' is no count"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(text: str, advice: str) -> None:
    with pytest.raises(ConfigError, match="AGENTICD_FAILPOINT") as caught:
        failpoint({"AGENTICD_FAILPOINT": text})
    assert advice in str(caught.value)
