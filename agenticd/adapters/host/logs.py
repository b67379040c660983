"""How log lines look and where they go: text on a terminal, else JSON; to journald with fields that it can search.

Whoever logs takes structlog.get_logger(), a static message, and fields. What would tell who called, or what
was said, stands only in fields whose name has the segment `pii`, and is left out unless the operator asks.
"""

from __future__ import annotations

import contextlib
import enum
import io
import logging
import os
import re
import socket
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_LEVEL_STYLES = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # of syslog
JOURNAL_SOCKET = "/run/systemd/journal/socket"
_SEGMENTS = re.compile(r"[^A-Za-z0-9]+")
_LEFT_OUT = "(left out)"
_FIELD = "\x1f"
"""Before each field of a line for people, until it is folded: no value has one in it any more."""
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_INDENT = " " * 13
_LEAST_COLUMNS = 40
# What would steer whoever shows the line, cut it in two, or keep it from being written: controls, the other line ends,
# turns of the writing direction, halves of surrogate pairs (a request's raw bytes are read as such). JSON escapes only
# those below U+0020 by itself.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Style(enum.Enum):
    """How a line looks."""

    HUMAN = enum.auto()
    JSON = enum.auto()
    JOURNAL = enum.auto()
    """To the journal's own socket: JSON, with its priority and AGENTICD_CALL= beside it. Where that cannot be reached,
    JSON behind <priority>, as sd-daemon(3) has it."""


def style_for(stream: TextIO, *, journal: bool) -> Style:
    """The style for where the lines go; `journal`: they go to journald (systemd.is_journal)."""
    if journal:
        return Style.JOURNAL
    return Style.HUMAN if stream.isatty() else Style.JSON


def set_up(
    stream: TextIO,
    style: Style,
    *,
    level: str = "info",
    pii: bool = False,
    colors: bool = True,
    journal: str = JOURNAL_SOCKET,
) -> None:
    """Send all log lines there, those of libraries too, from `level` (a name in LEVELS) on.

    Libraries are heard from warning on, whatever the level: what they say below names numbers and texts.
    """
    processors: list[Processor] = [structlog.stdlib.add_log_level]
    if not pii:
        processors.append(_leave_out)
    if style is Style.HUMAN:
        processors += [_time_of_day, _without_left_out, _printable, _console(colors), _Folded(stream)]
    else:
        if style is not Style.JOURNAL:  # which has the time itself
            processors.append(structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"))
        processors += [structlog.processors.format_exc_info, structlog.processors.EventRenamer("message")]
        processors.append(_journal_entry if style is Style.JOURNAL else _json_line)
    sink = _Journal(stream, journal) if style is Style.JOURNAL else _Lines(stream)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_args: sink,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_FromLibraries()]
    root.setLevel(max(logging.WARNING, LEVELS[level]))
    logging.captureWarnings(True)


class _Lines:
    """Writes lines. A full disk or a closed pipe loses them, and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


class _Journal:
    """Hands entries to journald by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), without libsystemd.

    One that it does not take, as it is down or the entry is too long for a datagram, goes to the stream.
    """

    def __init__(self, stream: TextIO, address: str) -> None:
        self._lines = _Lines(stream)
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def msg(self, line: str, priority: int, call_id: str) -> None:
        """One entry. None of the values has a line end."""
        fields = {"MESSAGE": line, "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "agenticd"}
        if call_id:
            fields["AGENTICD_CALL"] = call_id
        entry = "".join(f"{name}={value}\n" for name, value in fields.items())
        try:
            self._socket.sendto(entry.encode(), self._address)
        except OSError:
            self._lines.msg(f"<{priority}>{line}")

    debug = info = warning = error = critical = exception = msg

    def __del__(self) -> None:
        self._socket.close()  # another takes its place when the log is set up anew


class _FromLibraries(logging.Handler):
    """Takes what libraries log by the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        log: FilteringBoundLogger = structlog.get_logger()
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        log.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


def _leave_out(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return _without_pii(event)


def _without_pii(fields: MutableMapping[str, Any]) -> dict[str, Any]:
    return {
        name: _LEFT_OUT if "pii" in _SEGMENTS.split(str(name).lower()) else _shown(value)
        for name, value in fields.items()
    }


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_pii(value)
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    return value


def _console(colors: bool) -> Processor:
    """When, how bad, what, which call, and the rest in the order in which it was given."""
    dim, bright, cyan, reset = ("\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m") if colors else ("", "", "", "")

    def level(key: str, value: object) -> str:
        return f"{_LEVEL_STYLES.get(str(value), '') if colors else ''}{value!s:<7}{reset}"

    value = structlog.dev.KeyValueColumnFormatter
    columns = [
        structlog.dev.Column("time", value(None, dim, reset, str)),
        structlog.dev.Column("level", level),
        structlog.dev.Column("event", value(None, bright, reset, str, width=28)),
        structlog.dev.Column("call_id", value(None, cyan, reset, str)),
        structlog.dev.Column("", value(dim, "", reset, _value, prefix=_FIELD)),
    ]
    return structlog.dev.ConsoleRenderer(columns=columns, exception_formatter=_traceback, sort_keys=False)


class _Folded:
    """Breaks a line that is wider than the terminal between its fields. In a file or a pipe an entry stays a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, _logger: WrappedLogger, _method: str, text: Any) -> str:
        entry, end, traceback = str(text).partition("\n")
        first, *fields = entry.split(f" {_FIELD}")
        lines, columns = [first], self._columns()
        for field in fields:
            if columns and _width(lines[-1]) + 1 + _width(field) > columns:
                lines.append(_INDENT + field)
            else:
                lines[-1] += f" {field}"
        return "\n".join(lines) + end + traceback

    def _columns(self) -> int:
        """How wide the terminal is now; 0: it is none, or so narrow that nothing helps."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns if self._stream.isatty() else 0
        except (OSError, ValueError):
            return 0
        return columns if columns >= _LEAST_COLUMNS else 0


def _width(text: str) -> int:
    return len(_COLOR.sub("", text))


def _value(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else repr(value)


def _time_of_day(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["time"] = datetime.now().strftime("%H:%M:%S.%f")[:-3]
    return event


def _without_left_out(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: value for name, value in event.items() if value != _LEFT_OUT}


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: value if name == "exc_info" else _escaped(value) for name, value in event.items()}


def _escaped(value: Any) -> Any:
    """The value as it is shown on a terminal: whatever it is, all that it can do there is stand in its line."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, str) for each in value):
        value = ",".join(value)
    return _escape(value if isinstance(value, str) else repr(value))


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _traceback(stream: TextIO, exc_info: Any) -> None:
    # structlog's others show the values of local variables, and those are anyone's. What an exception says is, too.
    lines = io.StringIO()
    structlog.dev.plain_traceback(lines, exc_info)
    stream.write("\n".join(map(_escape, lines.getvalue().split("\n"))))


def _json_line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    first = {name: event.pop(name) for name in ("time", "level", "message") if name in event}
    line = _RENDER(logger, method, {**first, **event})
    return _escape(line if isinstance(line, str) else line.decode())


def _journal_entry(logger: WrappedLogger, method: str, event: EventDict) -> tuple[tuple[str, int, str], dict[str, Any]]:
    priority = _PRIORITIES.get(event.get("level", "info"), 6)
    call_id = _escape(str(event.get("call_id", "")))
    return (_json_line(logger, method, event), priority, call_id), {}


_RENDER = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
