"""A log line is for its reader: text, JSON, or what journald reads. Who called, what was said stays out."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from agenticd.adapters.host.logs import Style, set_up, style_for


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_are_complete_and_begin_with_what_matters():
    stream = io.StringIO()
    set_up(stream, Style.JSON)
    structlog.get_logger().info("call placed", call_id="01H", number=7, text="ü\nx", what=ValueError("v"))
    (line,) = lines(stream)
    assert list(line)[:3] == ["time", "level", "message"]
    assert (line["level"], line["message"], line["number"], line["text"]) == (
        "info",
        "call placed",
        7,
        "ü\nx",
    )
    assert str(line["time"]).endswith("Z")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("method", "priority"), [("info", 6), ("warning", 4), ("error", 3), ("exception", 3), ("critical", 2)]
)
def test_journald_gets_the_priority_before_the_line_and_no_time(method: str, priority: int):
    stream = io.StringIO()
    set_up(stream, Style.JOURNAL)
    getattr(structlog.get_logger(), method)("message")
    head, _, rest = stream.getvalue().partition(">")
    assert head == f"<{priority}"
    assert "time" not in json.loads(rest)
    assert stream.getvalue().count("\n") == 1


def test_a_person_gets_text():
    stream = io.StringIO()
    set_up(stream, Style.HUMAN, colors=False)
    structlog.get_logger().warning("media stream refused", call_id="01H")
    assert "warning" in stream.getvalue()
    assert "media stream refused" in stream.getvalue()
    assert "call_id=01H" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("style", Style)
def test_an_exception_is_one_entry_without_the_values_of_variables(style: Style):
    stream = io.StringIO()
    set_up(stream, style, colors=False)
    secret = "+15550001111"
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")
    assert "ZeroDivisionError" in stream.getvalue()
    assert secret not in stream.getvalue().replace('secret = "+15550001111"', "")
    if style is not Style.HUMAN:
        assert stream.getvalue().count("\n") == 1


PERSONAL = {
    "pii": "1555",
    "from_pii": "1555",
    "pii_to": "1555",
    "call.pii.number": "1555",
    "PII": "1555",
    "nested": {"to_pii": "1555", "deeper": [{"pii": "1555"}]},
    "pair": ({"pii": "1555"},),
}


@pytest.mark.parametrize("style", Style)
def test_personal_fields_are_left_out_unless_wanted(style: Style):
    stream = io.StringIO()
    set_up(stream, style, colors=False)
    structlog.get_logger().info("said", piip="kept", recipient="kept", **PERSONAL)
    assert "1555" not in stream.getvalue()
    assert stream.getvalue().count("kept") == 2
    set_up(stream, style, pii=True, colors=False)
    structlog.get_logger().info("said", **PERSONAL)
    assert stream.getvalue().count("1555") == len(PERSONAL) + 1


def test_the_level_is_the_least_that_is_shown():
    stream = io.StringIO()
    set_up(stream, Style.JSON, level="warning")
    log = structlog.get_logger()
    log.info("no")
    log.warning("yes")
    set_up(stream, Style.JSON, level="debug")
    log.debug("yes")
    assert [line["message"] for line in lines(stream)] == ["yes", "yes"]


def test_libraries_are_heard_from_warning_on_in_the_same_form():
    stream = io.StringIO()
    set_up(stream, Style.JSON, level="debug")
    logging.getLogger("some.library").info("a number: +15550001111")
    logging.getLogger("some.library").warning("odd: %s", "x")
    logging.getLogger("some.library").log(35, "between")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("other").exception("failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    found = lines(stream)
    assert [(line["level"], line["logger"]) for line in found] == [
        ("warning", "some.library"),
        ("warning", "some.library"),
        ("error", "other"),
        ("warning", "py.warnings"),
    ]
    assert found[0]["message"] == "odd: x"
    assert "ZeroDivisionError" in str(found[2]["exception"])


class Broken(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_log_that_cannot_be_written_stops_nobody():
    set_up(Broken(), Style.JSON)
    structlog.get_logger().error("lost")
    closed = io.StringIO()
    set_up(closed, Style.JSON)
    closed.close()
    structlog.get_logger().error("lost")
    logging.getLogger("x").error("lost")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_style_follows_from_where_the_lines_go():
    assert style_for(Terminal(), journal=False) is Style.HUMAN
    assert style_for(io.StringIO(), journal=False) is Style.JSON
    assert style_for(io.StringIO(), journal=True) is Style.JOURNAL
