"""A log line is for its reader: text, JSON, or what journald reads. Who called, what was said stays out."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import termios
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agenticd.adapters.host import logs
from agenticd.adapters.host.logs import Style, style_for

# Not to the journal of the machine that the tests run on.
set_up = partial(logs.set_up, journal="/nonexistent/journal/socket")


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


class Journal:
    """A journald that is asked by its native protocol."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "journal")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def take(self) -> dict[str, str]:
        """The next entry; its simple form, in which a value ends with its line."""
        entry = self._socket.recv(1 << 20).decode()
        assert entry.endswith("\n")
        return dict(line.split("=", 1) for line in entry[:-1].split("\n"))

    def close(self) -> None:
        """There is no journald any more."""
        self._socket.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def test_journald_gets_the_call_as_a_field_of_its_own(journal: Journal):
    stream = io.StringIO()
    logs.set_up(stream, Style.JOURNAL, journal=journal.address)
    log = structlog.get_logger()
    log.warning("call ended", call_id="01H", reason="FAILED")
    log.info("agenticd is ready")
    entry = journal.take()
    assert (entry["AGENTICD_CALL"], entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("01H", "4", "agenticd")
    assert json.loads(entry["MESSAGE"]) == {
        "level": "warning", "message": "call ended", "call_id": "01H", "reason": "FAILED",
    }  # fmt: skip
    assert "AGENTICD_CALL" not in journal.take()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("text", ["01H\nPRIORITY=0", "01H\nMESSAGE=all is well", "\x00\n\n", "\ud800"])
def test_nobody_can_add_fields_to_an_entry(journal: Journal, text: str):
    logs.set_up(io.StringIO(), Style.JOURNAL, journal=journal.address)
    structlog.get_logger().info("x", call_id=text, path=text)
    entry = journal.take()
    assert set(entry) == {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "AGENTICD_CALL"}
    assert (entry["PRIORITY"], json.loads(entry["MESSAGE"])["path"]) == ("6", text)


def test_what_journald_does_not_take_goes_to_the_stream(journal: Journal):
    stream = io.StringIO()
    logs.set_up(stream, Style.JOURNAL, journal=journal.address)
    structlog.get_logger().error("long", text="x" * (1 << 23))
    assert stream.getvalue().startswith('<3>{"level": "error", "message": "long"')
    journal.close()
    structlog.get_logger().error("late")
    assert stream.getvalue().endswith('<3>{"level": "error", "message": "late"}\n')


def test_a_person_gets_text():
    stream = io.StringIO()
    set_up(stream, Style.HUMAN, colors=False)
    log = structlog.get_logger()
    log.warning("media stream refused", why="no token", call_id="01H", listen=["a", "b"], number=7, number_pii="+1555")
    (line,) = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} (.*)", line), line
    assert line[13:] == "warning media stream refused         01H why='no token' listen=a,b number=7"
    log.info("ready")
    assert "\x1b" not in stream.getvalue()
    set_up(stream, Style.HUMAN, colors=True)
    log.error("failed")
    assert "\x1b[31merror" in stream.getvalue()


ADDRESSES = ["unix:/run/user/7/agenticd/agenticd.sock", "127.0.0.1:50051"]


class Screen(io.StringIO):
    """What is written to a terminal; its width is that of a real one."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor


def on_terminal(columns: int, *, colors: bool) -> list[str]:
    """The lines of two entries on a terminal of this width."""
    descriptors = os.openpty()
    try:
        termios.tcsetwinsize(descriptors[1], (24, columns))
        stream = Screen(descriptors[1])
        set_up(stream, style_for(stream, journal=False), colors=colors)
        structlog.get_logger().info("gRPC listens", addresses=ADDRESSES, tls=False, path="a path with spaces " * 2)
        structlog.get_logger().info("stopped")
        return stream.getvalue().splitlines()
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@pytest.mark.parametrize("colors", [False, True])
def test_on_a_terminal_a_line_is_broken_between_its_fields(colors: bool):
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in on_terminal(80, colors=colors)]
    assert lines[0][13:].split() == ["info", "gRPC", "listens"]
    assert lines[1:3] == [
        f"             addresses={','.join(ADDRESSES)}",
        "             tls=False path='a path with spaces a path with spaces '",
    ]
    assert max(map(len, lines)) <= 80
    assert lines[3].rstrip().endswith("stopped")
    assert len(lines) == 4


@pytest.mark.parametrize("columns", [0, 20, 400])
def test_a_terminal_that_is_wide_or_hopeless_gets_an_entry_in_a_line(columns: int):
    assert len(on_terminal(columns, colors=False)) == 2


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


STEERING = {
    "a new line": "x\n2026-01-01 [info] call placed",
    "a carriage return": "x\r\x1b[2Kall is well",
    "a colour": "\x1b[31mred\x1b[0m",
    "a title": "\x1b]0;owned\x07",
    "a control of eight bits": "\x9b31m",
    "a bell and a backspace": "\x07\x08\x7f",
    "another line end": "x\u2028y\u2029z\x85w\x0b\x0c\x1c",
    "a turn of the direction": "x\u202ey\u2066z\u200f",
    "NUL": "\x00",
    "half a surrogate pair": "/\udce4\ud800",
}
HARMLESS = re.compile(r"[\t\n\x20-\x7e\u00a0-\u024f]*")


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("name", STEERING)
def test_whatever_a_stranger_says_is_one_line_and_steers_no_terminal(style: Style, name: str):
    stream, text = Utf8(), STEERING[name]
    set_up(stream, style, colors=False)
    log = structlog.get_logger()
    log.warning(
        "request refused",
        expected_url=text,
        deep={"list": [text], "set": {text}},
        pair=(text, 7),
        error=ValueError(text),
    )
    assert stream.getvalue().count("\n") == 1, "one entry is one line"
    assert len(stream.getvalue().splitlines()) == 1
    assert HARMLESS.fullmatch(stream.getvalue()), ascii(stream.getvalue())
    if style is not Style.HUMAN:
        said = json.loads(stream.getvalue()[stream.getvalue().index("{") :])
        assert (said["expected_url"], said["deep"]["list"]) == (text, [text]), "nothing is lost"


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("name", STEERING)
def test_what_a_library_or_an_exception_says_steers_no_terminal_either(style: Style, name: str):
    stream, text = Utf8(), STEERING[name].replace("\n", "\r")  # a traceback has lines
    set_up(stream, style, colors=False)
    logging.getLogger("some.library").warning("odd: %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert HARMLESS.fullmatch(stream.getvalue()), ascii(stream.getvalue())
    assert "ValueError" in stream.getvalue()
    assert stream.getvalue().splitlines() == stream.getvalue().split("\n")[:-1]


@pytest.mark.parametrize("style", Style)
@given(text=st.text(st.characters(), max_size=30))
def test_no_text_at_all_loses_its_line_or_makes_two(style: Style, text: str):
    stream = Utf8()
    set_up(stream, style, colors=False)
    structlog.get_logger().warning("request refused", path=text, nested=[text])
    assert len(stream.getvalue().splitlines()) == 1
    assert "request refused" in stream.getvalue()


class Utf8(io.StringIO):
    """As a file is: what no UTF-8 can hold cannot be written."""

    def write(self, text: str) -> int:
        text.encode()
        return super().write(text)


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
