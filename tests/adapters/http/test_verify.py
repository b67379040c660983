"""A refusal tells the operator which URL was expected, does not flood the log, and never shows the token."""

from __future__ import annotations

from multidict import MultiDict
from structlog.testing import capture_logs

from agenticd.adapters.http.verify import Verifier
from agenticd.service.urls import Urls
from tests.adapters.http.support import PUBLIC, SIGNER, TOKEN, ManualClock


def verifier() -> tuple[Verifier, ManualClock]:
    clock = ManualClock()
    return Verifier(TOKEN, Urls(PUBLIC), clock), clock


def test_what_twilios_own_library_signs_is_accepted():
    checks, _ = verifier()
    pairs = [("Twice", "y"), ("A", "1"), ("Twice", "x"), ("b", "2"), ("Twice", "y")]
    form = MultiDict(pairs)
    path = "/twilio/status/X?q=%20"
    assert checks.webhook(path, pairs, SIGNER.compute_signature(PUBLIC + path, form))
    assert checks.upgrade("/m", SIGNER.compute_signature("wss://voice.example.com/m", {}))
    assert not checks.webhook(path, pairs[1:-1], SIGNER.compute_signature("https://other.example" + path, form))
    assert checks.refused == {"wrong_signature": 1}


def test_the_log_says_which_url_was_expected_and_nothing_secret():
    checks, _ = verifier()
    with capture_logs() as logs:
        assert not checks.webhook("/twilio/voice?x=1", [("From", "+15550001111")], "wrong")
    (line,) = logs
    assert (line["log_level"], line["expected_url"]) == (
        "warning",
        "https://voice.example.com/twilio/voice?x=1",
    )
    assert TOKEN not in str(line)
    assert "+15550001111" not in str(line)


def test_the_log_has_one_line_in_ten_seconds_for_each_reason():
    checks, clock = verifier()
    with capture_logs() as logs:
        for _ in range(500):
            checks.webhook("/a" * 5000, (), None)
            checks.upgrade("/b", "wrong")
        clock.advance(10.1)
        checks.webhook("/c", (), None)
    assert [(line["why"], line["held_back"]) for line in logs] == [
        ("no_signature", 0),
        ("wrong_signature", 0),
        ("no_signature", 499),
    ]
    assert all(len(str(line)) < 1000 for line in logs)
    assert checks.refused == {"no_signature": 501, "wrong_signature": 500}
