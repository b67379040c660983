"""What happens in the emulator, as lines for a person: when, which call, what. It decides nothing."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never
from urllib.parse import unquote, urlsplit

import click

from agenticd.emulator.meanings import MEANINGS
from agenticd.emulator.model import (
    Complained,
    Cut,
    Heard,
    Left,
    ModelHappening,
    Opened,
    Refused,
    Said,
    Settled,
    Speechless,
)
from agenticd.emulator.phone import RATE
from agenticd.emulator.twilio import Call, Notice, Webhook, twiml
from agenticd.emulator.twilio.call import API_VERSION, Gathered
from agenticd.emulator.twilio.happenings import (
    Asked,
    Began,
    Closed,
    Did,
    Emptied,
    Got,
    Happening,
    Moved,
    Noticed,
    Obtained,
    OfCall,
    Played,
    Records,
    Served,
    Spoke,
    Streams,
)

Tone: TypeAlias = Literal["plain", "dim", "caller", "agent", "good", "wrong"]
_COLOURS = {"caller": "cyan", "agent": "green", "good": "green", "wrong": "red", "dim": "bright_black"}
_MOST_TEXT = 400  # characters of a text that is not the conversation's
_MOST_NUMBERED = 5000
_INDENT = "  "
_LONG = re.compile(r"(?<=/)[\w-]{14,}([\w-]{6})(?![\w-])")  # an id in a path: on a terminal its end says which


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `who` is a call (#1), a model's session (m1) or nobody."""

    who: str
    kind: str
    text: str
    tone: Tone = "plain"


class Screen:
    """Writes a line for each thing that happens. `width` is a terminal's, asked each time; None: lines are not cut."""

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        width: Callable[[], int] | None = None,
        colored: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._write = write
        self._width = width
        self._colored = colored
        self._clock = clock
        self._numbers: dict[str, int] = {}
        self._count = 0
        self._began: dict[str, float] = {}  # when the agent's voice began on a phone

    def number(self, call: Call) -> int:
        """The call's number, from 1."""
        return self._of(call.sid)

    def show(self, happening: Happening | ModelHappening) -> None:
        """Write what there is to say of it."""
        for row in self.rows(happening):
            self._write(self._line(row))

    def note(self, text: str, tone: Tone = "dim") -> None:
        """A line about the emulator itself."""
        text = (
            _INDENT + text
            if self._width is None
            else textwrap.fill(text, self._width(), initial_indent=_INDENT, subsequent_indent=_INDENT)
        )
        self._write(click.style(text, fg=_COLOURS.get(tone)) if self._colored else text)

    def _line(self, row: Row) -> str:
        begin = f"{time.strftime('%H:%M:%S', time.localtime(self._clock()))}  {row.who:<3} {row.kind:<8} "
        text = _printable(row.text)
        if self._width is not None:
            text = _LONG.sub(r"…\1", text)
            room = max(20, self._width() - len(begin))
            pieces = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
            text = f"\n{' ' * len(begin)}".join(pieces)
        if self._colored:
            return click.style(begin, fg=_COLOURS["dim"]) + click.style(text, fg=_COLOURS.get(row.tone))
        return (begin + text).rstrip()

    def rows(self, happening: Happening | ModelHappening) -> list[Row]:
        """What there is to say."""
        match happening:
            case Opened() | Settled() | Heard() | Said() | Cut() | Complained() | Left() | Refused() | Speechless():
                return _of_model(happening)
            case Served():
                return _served(happening)
            case Noticed():
                return self._noticed(happening.notice)
            case _:
                call = happening.call
                who = f"#{self.number(call)}"
                return [Row(who, kind, text, tone) for kind, text, tone in self._of_call(happening)]

    def _of_call(self, happening: OfCall) -> list[tuple[str, str, Tone]]:
        call = happening.call
        match happening:
            case Began():
                way = "calls in to" if call.direction == "inbound" else "calls"
                by = f", by the <Dial> of #{self.number(call.parent)}" if call.parent is not None else ""
                return [
                    ("call", f"{_clean(call.from_)} {way} {_clean(call.to)}{by}", "plain"),
                    ("", call.sid, "dim"),
                ]
            case Moved(status=status):
                good = status == "in-progress"
                lasted = ""
                if status == "completed" and call.answered is not None:
                    lasted = f" after {call.updated - call.answered:.1f} s"
                return [("call", f"{status}{lasted}", "good" if good else "plain")]
            case Asked():
                return [_asked(happening.webhook)]
            case Obtained():
                return [("TwiML", " ".join(map(_verb, happening.document.verbs)) or "nothing to do", "plain")]
            case Streams():
                return [("stream", "opens", "plain")]
            case Spoke():
                return [("Twilio", f"says: {_clean(happening.text)}", "agent")]
            case Played(name=name):
                return [("Twilio", f"plays: {_clean(name)}", "agent")]
            case Got(gathered=got):
                return [("gather", _gathered(got), "plain")]
            case Records(recording=recording):
                kind = "stereo" if recording.channels == 2 else "mono"
                return [("record", f"{recording.source} begins, {kind}: {recording.sid}", "plain")]
            case Did():
                return self._did(happening)
            case Emptied(cleared=cleared):
                return [("stream", f"clear: {cleared.dropped / RATE:.1f} s were not played", "plain")]
            case Closed():
                return self._closed(call)
            case _:
                assert_never(happening)

    def _did(self, did: Did) -> list[tuple[str, str, Tone]]:
        sid, moment = did.call.sid, did.moment
        match moment.what:
            case "line":
                return [("phone", f"says: {_clean(moment.text)}", "caller")] if moment.text else []
            case "press":
                return [("phone", f"presses {moment.text}", "caller")]
            case "heard-digit":
                return [("phone", f"heard the tone of {moment.text}", "dim")]
            case "hang-up":
                return [("phone", "hangs up", "caller")]
            case "agent":
                self._began[sid] = moment.at
                return []
            case "agent-end":
                lasted = moment.at - self._began.pop(sid, moment.at)
                return [("phone", f"heard {lasted:.1f} s of the agent", "dim")]
            case "line-end":
                return []
            case _:
                assert_never(moment.what)

    def _closed(self, call: Call) -> list[tuple[str, str, Tone]]:
        self._began.pop(call.sid, None)
        rows: list[tuple[str, str, Tone]] = []
        for stream in call.streams:
            text = (
                f"{stream.media_sent} frames to the server, {stream.media_received} messages of audio back, "
                f"{stream.marks_echoed} marks, {stream.media_dropped} dropped"
            )
            rows.append(("stream", text, "dim"))
        for recording in call.recordings:
            text = f"{recording.status}, {recording.seconds} s: {recording.uri.rpartition('/Recordings/')[2]}.wav"
            rows.append(("record", text, "dim"))
        lost = sum(webhook.status is None for webhook in call.callbacks)
        if lost:
            return [*rows, ("call", f"over; {lost} of {len(call.callbacks)} requests had no answer", "wrong")]
        return [*rows, ("call", "over, all requests are answered", "dim")]

    def _noticed(self, notice: Notice) -> list[Row]:
        who = f"#{self._of(notice.call_sid)}" if notice.call_sid else ""
        tone: Tone = "dim" if notice.code == 31921 else "wrong"
        if not notice.code:
            return [Row(who, "emulator", _clean(notice.text), tone)]
        rows = [Row(who, str(notice.code), f"{notice.level}: {_clean(notice.text)}", tone)]
        if notice.code in MEANINGS:
            rows.append(Row(who, "", f"({MEANINGS[notice.code]})", "dim"))
        return rows

    def _of(self, sid: str) -> int:
        if sid not in self._numbers:
            self._count += 1
            self._numbers[sid] = self._count
            if len(self._numbers) > _MOST_NUMBERED:
                del self._numbers[next(iter(self._numbers))]
        return self._numbers[sid]


def _of_model(happening: ModelHappening) -> list[Row]:
    if isinstance(happening, Refused):
        return [Row("", "model", f"refused a client with {happening.status}: {_clean(happening.message)}", "wrong")]
    if isinstance(happening, Speechless):
        return [Row("", "model", f"cannot answer: {_clean(happening.reason)}", "wrong")]
    who = f"m{happening.number}"
    match happening:
        case Opened():
            return [Row(who, "model", f"session begins: {_clean(happening.session.settings.model)}")]
        case Settled():
            return [Row(who, "model", f"is told: {_clean(happening.session.instructions)}", "dim")]
        case Heard(text=text, guessed=True):
            return [Row(who, "model", f"hears, as far as its grammar goes: {text}", "caller")]
        case Heard(text=text):
            return [Row(who, "model", f"hears: {text}" if text else "hears something that it does not know", "caller")]
        case Said(item=item):
            if item.kind == "function_call":
                return [Row(who, "model", f"calls {item.name}({_clean(item.arguments)})", "agent")]
            return [Row(who, "model", f"says: {_clean(item.text)}", "agent")]
        case Cut():
            return [Row(who, "model", f"learns that {happening.heard_ms / 1000:.1f} s of that were heard")]
        case Complained(error=error):
            return [
                Row(
                    who,
                    "model",
                    f"error {_clean(str(error.get('code')))}: {_clean(str(error.get('message')))}",
                    "wrong",
                )
            ]
        case Left():
            return [Row(who, "model", f"session ends ({happening.code})", "dim")]
        case _:
            assert_never(happening)


def _served(served: Served) -> list[Row]:
    path = unquote(served.path)
    if path.startswith(f"/{API_VERSION}/Accounts/"):
        path = path.split("/", 4)[-1]
    text = f"{served.method} {_clean(path)}  {served.status}"
    if not served.code:
        return [Row("", "REST", text)]
    return [Row("", "REST", f"{text}  {served.code}: {_clean(served.message)}", "wrong")]


def _asked(webhook: Webhook) -> tuple[str, str, Tone]:
    parts = urlsplit(webhook.url)
    what: str = webhook.kind
    if webhook.kind == "status":
        what = webhook.params.get("CallStatus", "")
    elif webhook.kind == "stream":
        what = webhook.params.get("StreamEvent", "")
    elif webhook.kind == "recording":
        what = f"recording {webhook.params.get('RecordingStatus', '')}"
    elif webhook.kind == "media":
        what = "sound"
    took = f"{webhook.seconds * 1000:.0f} ms"
    got = str(webhook.status) if webhook.status is not None else f"no answer, {webhook.error}"
    good = webhook.status is not None and 200 <= webhook.status < 400
    kind = "status" if webhook.kind == "status" else "webhook"
    return kind, f"{what} → {webhook.method} {_clean(parts.path)}  {got}, {took}", "plain" if good else "wrong"


def _verb(verb: twiml.Verb) -> str:
    match verb:
        case twiml.Connect(stream=stream, action=action):
            names = "".join(f'<Parameter name="{_clean(name)}">' for name in stream.parameters)
            after = f' action="{_clean(urlsplit(action).path)}"' if action is not None else ""
            return f'<Connect{after}><Stream url="{_clean(stream.url)}">{names}'
        case twiml.Redirect(url=url):
            return f"<Redirect> {_clean(urlsplit(url).path)}"
        case twiml.Pause(length=length):
            return f'<Pause length="{length}">'
        case twiml.Say(text=text):
            return f"<Say> {_clean(text)}"
        case twiml.Play(url=url, digits=digits):
            return f'<Play digits="{_clean(digits)}">' if digits else f"<Play> {_clean(urlsplit(url).path)}"
        case twiml.Sound(content_type=content_type):
            return f"an answer of {_clean(content_type)}"
        case twiml.Gather(prompts=prompts, dtmf=dtmf, speech=speech):
            inputs = " ".join(name for name, wanted in (("dtmf", dtmf), ("speech", speech)) if wanted)
            return f'<Gather input="{inputs}">{" ".join(map(_verb, prompts))}'
        case twiml.Record(max_length=most):
            return f'<Record maxLength="{most:.0f}">'
        case twiml.Dial(numbers=numbers):
            return f"<Dial> {_clean(', '.join(number.number for number in numbers))}"
        case twiml.StartRecording():
            return "<Start><Recording>"
        case twiml.StopRecording():
            return "<Stop><Recording>"
        case twiml.Hangup():
            return "<Hangup>"
        case twiml.Reject(reason=reason):
            return f'<Reject reason="{reason}">'
        case twiml.NotBuilt(name=name):
            return f"<{name}>"
        case _:
            assert_never(verb)


def _gathered(got: Gathered) -> str:
    if got.speech:
        return f"speech, {got.confidence:.2f} sure: {_clean(got.speech)}"
    return f"digits {got.digits}" if got.digits else "nothing"


def _clean(text: str) -> str:
    """What a program sent: one line, not too long."""
    plain = " ".join(_printable(text).split())
    return plain if len(plain) <= _MOST_TEXT else f"{plain[:_MOST_TEXT]} …"


def _printable(text: str) -> str:
    """Nothing that is written may move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
