"""The vocabulary of faults: everything can be said, comes back as it was, and what is wrong is told with its place."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from agenticd.emulator.faultbook import NO_FAULTS, Faults, WrongFault, faults_from, settings, shown, spoken, to_mapping
from agenticd.emulator.links import LinkFaults
from agenticd.emulator.realtime import Failure, Loss, Stall
from agenticd.emulator.twilio import ALL_STATUSES, Mishap

EVERYTHING: dict[str, Any] = {
    "rest": {"create_delay": "never", "update": {"answer": "429", "retry_after": 3, "first": 2}, "list": "reset"},
    "callbacks": {"copies": 2, "lost": "all", "late": {"ringing": "500ms"}, "after": {"in-progress": "completed"}},
    "streams": {"refused": "1", "stop": "false", "break_after": 2, "breaks": None, "encoding": "audio/l16"},
    "model": {
        "stalls": [{"after_ms": "700ms", "seconds": 2}],
        "failure": "server_error",
        "loss": {"response": 2, "code": "none"},
        "garbage": ["binary", "oversized"],
        "silent": "answers",
        "late_ms": 300,
    },
    "network": {"daemon": {"loss": "2%", "bandwidth": "64k"}, "model": {"vanish": True}},
}


def test_all_kinds_of_values_are_understood():
    faults = faults_from(EVERYTHING)
    assert faults.rest.create_delay == math.inf
    assert faults.rest.update == Mishap("429", first=2, retry_after=3)
    assert faults.rest.list == Mishap("reset")
    assert faults.callbacks.lost == ALL_STATUSES
    assert (faults.callbacks.late, faults.callbacks.after) == ({"ringing": 0.5}, {"in-progress": "completed"})
    assert (faults.streams.refused, faults.streams.stop, faults.streams.break_after) == (1, False, 2.0)
    assert faults.streams.breaks == 1
    assert faults.model.stalls == (Stall(700, 2.0),)
    assert (faults.model.failure, faults.model.loss) == (Failure("server_error"), Loss(2, code=None))
    assert faults.network.daemon == LinkFaults(loss=0.02, bandwidth=64000)


def test_they_come_back_as_they_were_by_json_and_by_what_is_typed():
    faults = faults_from(EVERYTHING)
    assert faults_from(json.loads(json.dumps(to_mapping(faults)))) == faults
    assert spoken(shown(faults)) == faults
    assert (to_mapping(NO_FAULTS), shown(NO_FAULTS)) == ({}, "off")
    assert faults_from({}) == NO_FAULTS == Faults()


def test_a_change_leaves_the_rest_and_takes_back_what_is_null_or_none():
    faults = faults_from(EVERYTHING)
    assert faults_from({"rest": {"update": {"first": 3}}}, faults).rest.update == Mishap("429", first=3, retry_after=3)
    assert faults_from({"callbacks": {"late": {"completed": 1}}}, faults).callbacks.late == {
        "ringing": 0.5,
        "completed": 1.0,
    }
    assert faults_from({"callbacks": {"late": {"ringing": None}}}, faults).callbacks.late == {}
    for nothing in (None, "none"):
        less = faults_from({"rest": {"update": nothing}, "model": {"stalls": nothing, "loss": nothing}}, faults)
        assert (less.rest.update, less.model.stalls, less.model.loss) == (None, (), None)
        assert less.streams == faults.streams
    assert faults_from({"rest": None}, faults).rest == NO_FAULTS.rest


@pytest.mark.parametrize(
    ("mapping", "path", "says"),
    [
        ({"rst": {}}, "rst", "is none of rest, callbacks, streams, model, network; did you mean rest?"),
        ({"rest": {"create_dela": 1}}, "rest.create_dela", "did you mean create_delay?"),
        ({"rest": {"create_delay": "soon"}}, "rest.create_delay", "a time is seconds, or 500ms, 2s, 1m, or never"),
        ({"rest": {"create_delay": -1}}, "rest.create_delay", "a time is seconds"),
        ({"rest": {"create_delay": True}}, "rest.create_delay", "not True"),
        ({"rest": {"update": "418"}}, "rest.update.answer", "401, 403, 429, 500, 502, 503, 504 or reset, not '418'"),
        ({"rest": {"update": {"first": 1}}}, "rest.update", "answer is missing"),
        ({"rest": {"update": {"answer": 429, "done": 1}}}, "rest.update.done", "true or false, not 1"),
        ({"rest": {"update": {"answer": 429, "done": True}}}, "rest.update.done", "such a request was not looked at"),
        ({"rest": 3}, "rest", "names and values, of create_delay"),
        ({"callbacks": {"copies": 0}}, "callbacks.copies", "is 1 or more, not 0"),
        ({"callbacks": {"copies": "two"}}, "callbacks.copies", "a whole number, not 'two'"),
        ({"callbacks": {"lost": ["ringing", "rining"]}}, "callbacks.lost.1", "did you mean ringing?"),
        ({"callbacks": {"late": {"rining": 1}}}, "callbacks.late.rining", "did you mean ringing?"),
        ({"callbacks": {"late": 3}}, "callbacks.late", "by queued,"),
        ({"model": {"stalls": [{"after_ms": 5}]}}, "model.stalls", "seconds is missing"),
        ({"model": {"loss": {"code": 99}}}, "model.loss.code", "must be a close code"),
        ({"model": {"late_ms": "x"}}, "model.late_ms", "a time is milliseconds"),
        ({"network": {"daemon": {"loss": 2}}}, "network.daemon.loss", "less than 1"),
        ({"network": {"daemon": {"bandwidth": "fast"}}}, "network.daemon.bandwidth", "64k, 1M or none, not 'fast'"),
        ([], "", "names and values"),
        (None, "", "names and values"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_would_be_right(mapping: object, path: str, says: str):
    with pytest.raises(WrongFault) as caught:
        faults_from(mapping)
    assert ".".join(caught.value.path) == path
    assert says in caught.value.problem


@pytest.mark.parametrize("words", ["rest.create_delay", "rest.update=503 rest.update.first=1", "=2s"])
def test_a_typed_word_that_says_nothing_is_told(words: str):
    with pytest.raises(WrongFault):
        spoken(words)


def test_every_setting_can_be_said_at_its_default_and_has_a_form():
    found = settings()
    assert len({setting.path for setting in found}) == len(found) > 50
    for setting in found:
        assert spoken(f"{setting.path}={setting.default}") == NO_FAULTS
        assert setting.form
