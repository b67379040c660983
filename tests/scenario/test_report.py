"""What a person, and what a CI system, reads of scenarios that were played."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

from agenticd.emulator.phone import Moment
from agenticd.scenario.judge import Miss
from agenticd.scenario.junit import xml
from agenticd.scenario.report import Report
from tests.scenario.makes import call, take, verdict


def plain(text: str, role: str) -> str:
    return text


def test_a_line_says_that_it_passed_and_how_long_the_caller_waited() -> None:
    taken = take()
    taken.calls = [call(Moment(1.0, "line-end", "Hello"), Moment(1.75, "agent"))]
    assert Report(plain, None, 8).verdict(verdict(taken)) == "  ✓ call      A call  12.3 s, answered after 750 ms\n"


def test_a_failure_says_where_what_and_what_to_look_at() -> None:
    misses = (Miss("BUSY was expected", "expect.end.reason", 4), Miss("the daemon ended with 1:\nits log\n\n"))
    assert Report(plain, None, 4).verdict(verdict(take(), *misses, kept=Path("out/call"))) == (
        "  ✗ call  A call  12.3 s\n"
        "      scenarios/call.yaml:4: expect.end.reason: BUSY was expected\n"
        "      the daemon ended with 1:\n"
        "      its log\n"
        "      time line, sound and log: out/call\n"
    )


def test_lines_break_on_a_terminal() -> None:
    text = Report(plain, lambda: 60, 4).verdict(verdict(take(), Miss("word " * 40)))
    assert max(map(len, text.splitlines())) < 60
    assert all(line.startswith("      ") for line in text.splitlines()[1:])


def test_what_was_skipped_says_why() -> None:
    taken = take()
    taken.skipped = "it restarts the daemon"
    assert "- call  A call  skipped: it restarts the daemon" in Report(plain, None, 4).verdict(verdict(taken))


def test_the_last_line_counts() -> None:
    skipped = take()
    skipped.skipped = "no"
    verdicts = [verdict(take()), verdict(take(), Miss("x")), verdict(skipped)]
    assert Report(plain, None, 4).summary(verdicts, 3.0) == "\n1 passed, 1 failed, 1 skipped in 3.0 s\n"


def test_junit_has_a_case_for_each_and_the_time_line_of_what_failed() -> None:
    failed, skipped = take(), take()
    failed.trace.note("daemon", "call_ended", "BUSY \x07")
    skipped.skipped = "no"
    verdicts = [verdict(take()), verdict(failed, Miss("one \x00", "expect.end", 4), Miss("two")), verdict(skipped)]
    root = ET.fromstring(xml(verdicts, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 37.5))
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors", "time", "timestamp")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
        "time": "37.500",
        "timestamp": "2026-01-02T03:04:05",
    }
    good, bad, left = suite
    assert (good.get("classname"), good.get("name"), len(good)) == ("call", "A call", 0)
    assert bad[0].text == "line 4: expect.end: one \ufffd\ntwo"
    assert "call_ended" in (bad[1].text or "")
    assert left[0].get("message") == "no"
