"""What a REST request asks for: the form of a create or an update, judged as Twilio judges it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args
from urllib.parse import parse_qs, urlsplit

from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.call import Options, Recorded
from agenticd.emulator.twilio.debugger import NOT_BUILT
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.twiml import Event, Method, RecordingEvent, Told, Track

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_MAX_RING = 600
_MAX_CALL = 24 * 3600
_MAX_TWIML = 4000
_DIGITS = re.compile(r"[0-9A-D#*wW]{0,32}")

# Numbers with which Twilio's test credentials provoke an error; here they do for everybody.
_MAGIC_TO: Mapping[str, int] = {
    "+15005550001": 21217,
    "+15005550002": 21214,
    "+15005550003": 21215,
    "+15005550004": 21216,
}
_MAGIC_FROM = "+15005550001"
MAGIC_FROM_GOOD = "+15005550006"
"""The one that Twilio's test credentials may call from."""

_NOT_BUILT = frozenset(
    [
        "ApplicationSid",
        "AsyncAmd",
        "Byoc",
        "CallToken",
        "CallerId",
        "MachineDetection",
        "SipAuthUsername",
    ]
)


class Form:
    """A decoded form, in which a name may be repeated."""

    def __init__(self, body: str) -> None:
        self._values = parse_qs(body, keep_blank_values=True)

    def get(self, name: str, default: str = "") -> str:
        """The first value."""
        return self._values.get(name, [default])[0]

    def getall(self, name: str) -> list[str]:
        """All values, none if it is not there."""
        return self._values.get(name, [])

    def names(self) -> Collection[str]:
        """All names."""
        return self._values.keys()


class Note(Protocol):
    """Where warnings go that do not refuse the request."""

    def __call__(self, code: int, text: str) -> None:
        """Tell the debugger."""


@dataclass(frozen=True, slots=True)
class Creation:
    """A call that is to be made."""

    to: str
    from_: str
    options: Options


def creation(form: Form, numbers: Collection[str], note: Note) -> Creation:
    """Judge the form of `POST Calls.json`.

    Raises:
        RestError: if Twilio would refuse it.

    """
    to, from_ = _to(form.get("To")), _from(form.get("From"), numbers)
    url, text = form.get("Url"), form.get("Twiml")
    if not url and not text:
        raise RestError(21205, "Url or Twiml is required")
    if url:
        text = ""  # Twilio ignores Twiml if Url is given
        _url(url)
    elif len(text) > _MAX_TWIML:
        raise RestError(20001, f"Twiml is longer than {_MAX_TWIML} characters")
    for name in sorted(_NOT_BUILT & set(form.names())):
        note(NOT_BUILT, f"this emulator cannot do {name}: ignored")
    options = Options(
        url=url,
        method=_method(form, "Method"),
        twiml=text,
        fallback_url=_optional_url(form, "FallbackUrl"),
        fallback_method=_method(form, "FallbackMethod"),
        status_callback=_status_callback(form, note),
        status_callback_method=_method(form, "StatusCallbackMethod"),
        events=_events(form, note),
        timeout=_number(form, "Timeout", 60, _MAX_RING, 21208),
        time_limit=_number(form, "TimeLimit", 4 * 3600, _MAX_CALL, 20001),
        send_digits=_send_digits(form),
        record=recorded(form, note, trim=True) if form.get("Record").lower() == "true" else None,
    )
    return Creation(to, from_, options)


@dataclass(frozen=True, slots=True)
class Update:
    """What is to become of a call. At most one of `status` and a redirect (`url`, `twiml`) is given."""

    status: str
    url: str
    method: Method
    twiml: str
    options: Options


def update(form: Form, options: Options, note: Note) -> Update:
    """Judge the form of `POST Calls/{sid}.json`; `options` are the call's own.

    Raises:
        RestError: if Twilio would refuse it, whatever the call's state.

    """
    status, url, text = form.get("Status"), form.get("Url"), form.get("Twiml")
    if status not in ("", "canceled", "completed"):
        raise RestError(20001, f"Status is canceled or completed, not {status!r}")
    if url and text:
        raise RestError(20001, "Url and Twiml exclude each other")
    if url:
        _url(url)
    elif len(text) > _MAX_TWIML:
        raise RestError(20001, f"Twiml is longer than {_MAX_TWIML} characters")
    if "FallbackUrl" in form.names():
        options = replace(
            options,
            fallback_url=_optional_url(form, "FallbackUrl"),
            fallback_method=_method(form, "FallbackMethod"),
        )
    if "StatusCallback" in form.names():
        options = replace(
            options,
            status_callback=_status_callback(form, note),
            status_callback_method=_method(form, "StatusCallbackMethod"),
        )
    if "TimeLimit" in form.names():
        options = replace(options, time_limit=_number(form, "TimeLimit", options.time_limit, _MAX_CALL, 20001))
    return Update(status, url, _method(form, "Method"), text, options)


def _to(to: str) -> str:
    if not to:
        raise RestError(21201)
    if to in _MAGIC_TO:
        raise RestError(_MAGIC_TO[to], to)
    if not (_E164.fullmatch(to) or re.fullmatch(r"(sip|client):\S+", to)):
        raise RestError(21211, to)
    return to


def _from(from_: str, numbers: Collection[str]) -> str:
    if not from_:
        raise RestError(21213)
    if from_ == _MAGIC_FROM or not (_E164.fullmatch(from_) or from_.startswith("client:")):
        raise RestError(21212, from_)
    if from_ not in numbers:
        raise RestError(21210, from_)
    return from_


def _url(url: str) -> str:
    if not urls.is_web(url):
        raise RestError(21205, url)
    return url


def _optional_url(form: Form, name: str) -> str:
    url = form.get(name)
    return _url(url) if url else ""


def _status_callback(form: Form, note: Note) -> str:
    """A bad one does not refuse the call: nothing is ever called back, and the debugger says why."""
    url = form.get("StatusCallback")
    if url and (not urls.is_web(url) or "_" in (urlsplit(url).hostname or "")):
        note(21609, f"StatusCallback is not a valid URL: {url}")
        return ""
    return url


def _events(form: Form, note: Note) -> frozenset[Event]:
    """What is called back. With a wrong value, such as several in one, nothing is: that was seen there."""
    known: dict[str, Event] = {event: event for event in get_args(Event)}
    given = form.getall("StatusCallbackEvent") or ["completed"]
    wrong = [event for event in given if event not in known]
    if wrong:
        note(21626, f"StatusCallbackEvent {wrong[0]!r} is unknown: repeat the parameter for each event")
        return frozenset()
    return frozenset(known[event] for event in given)


def _send_digits(form: Form) -> str:
    digits = form.get("SendDigits")
    if not _DIGITS.fullmatch(digits):
        raise RestError(21206, digits)
    return digits


def recorded(form: Form, note: Note, *, trim: bool) -> Recorded:
    """What a form says of a recording; `trim` holds if it says nothing of that."""
    channels: dict[str, Literal[1, 2]] = {"mono": 1, "dual": 2}
    tracks: dict[str, Track] = {track: track for track in get_args(Track)}
    trims = {"trim-silence": True, "do-not-trim": False}
    wanted = form.get("Trim") or ("trim-silence" if trim else "do-not-trim")
    for name, given, known in (
        ("RecordingChannels", form.get("RecordingChannels") or "mono", channels),
        ("RecordingTrack", form.get("RecordingTrack") or "both", tracks),
        ("Trim", wanted, trims),
    ):
        if given not in known:
            raise RestError(20001, f"{name} is {' or '.join(known)}, not {given!r}")
    return Recorded(
        channels=channels[form.get("RecordingChannels") or "mono"],
        track=tracks[form.get("RecordingTrack") or "both"],
        trim=trims[wanted],
        told=_told(form, note),
    )


def _told(form: Form, note: Note) -> Told:
    url = form.get("RecordingStatusCallback")
    if url and not urls.is_web(url):
        note(13256, f"RecordingStatusCallback is not a valid URL: {url}")
        return Told()
    known: dict[str, RecordingEvent] = {event: event for event in get_args(RecordingEvent)}
    # Several are written with spaces between them; the helper library repeats the parameter.
    given = " ".join(form.getall("RecordingStatusCallbackEvent")).split() or ["completed"]
    wrong = [event for event in given if event not in known]
    if wrong:
        note(13621, f"RecordingStatusCallbackEvent {wrong[0]!r} is none of {', '.join(known)}")
        return Told()
    return Told(url, _method(form, "RecordingStatusCallbackMethod"), frozenset(known[event] for event in given))


def _method(form: Form, name: str) -> Method:
    match form.get(name, "POST").upper():
        case "GET":
            return "GET"
        case "POST":
            return "POST"
        case other:
            raise RestError(21209, other)


def _number(form: Form, name: str, default: int, most: int, code: int) -> int:
    text = form.get(name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise RestError(code, f"{name} {text[:40]}")
    return int(text)
