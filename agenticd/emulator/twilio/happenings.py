"""What can be seen of the emulated Twilio while it runs: one value for each thing that happens, for whoever looks on.

Nothing here changes what happens. What a call keeps anyway, in lists, is told when it is added to them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import msgspec
from aiohttp import web

from agenticd.emulator.phone import Moment
from agenticd.emulator.phone.playout import Cleared
from agenticd.emulator.twilio.bridge import Leg
from agenticd.emulator.twilio.call import Call, Gathered, Status, Webhook
from agenticd.emulator.twilio.debugger import Debugger, Notice
from agenticd.emulator.twilio.interpreter import Interpreter
from agenticd.emulator.twilio.life import Life
from agenticd.emulator.twilio.office import Office
from agenticd.emulator.twilio.recording import Recording
from agenticd.emulator.twilio.steps import Step
from agenticd.emulator.twilio.stream import MediaStream
from agenticd.emulator.twilio.twiml import Document
from agenticd.emulator.twilio.verbs import Line

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Served:
    """A REST request was answered. `code` is Twilio's for a refusal, else 0."""

    method: str
    path: str
    status: int
    code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Began:
    """A call came to be."""

    call: Call


@dataclass(frozen=True, slots=True)
class Moved:
    """A call has another status."""

    call: Call
    status: Status


@dataclass(frozen=True, slots=True)
class Asked:
    """A webhook was answered, or was not."""

    call: Call
    webhook: Webhook


@dataclass(frozen=True, slots=True)
class Obtained:
    """TwiML that is performed next."""

    call: Call
    document: Document


@dataclass(frozen=True, slots=True)
class Streams:
    """A media stream is about to be opened."""

    call: Call
    stream: MediaStream


@dataclass(frozen=True, slots=True)
class Spoke:
    """Twilio speaks in its own voice."""

    call: Call
    text: str


@dataclass(frozen=True, slots=True)
class Played:
    """A `<Play>` begins: of a URL, or of digits."""

    call: Call
    name: str


@dataclass(frozen=True, slots=True)
class Got:
    """A `<Gather>` is done."""

    call: Call
    gathered: Gathered


@dataclass(frozen=True, slots=True)
class Records:
    """A recording begins."""

    call: Call
    recording: Recording


@dataclass(frozen=True, slots=True)
class Did:
    """The person on the phone did something, or heard the agent."""

    call: Call
    moment: Moment


@dataclass(frozen=True, slots=True)
class Emptied:
    """A `clear`: what was not played is thrown away."""

    call: Call
    cleared: Cleared


@dataclass(frozen=True, slots=True)
class Noticed:
    """An entry in Twilio's debugger."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class Closed:
    """A call is over, last callback included."""

    call: Call


OfCall: TypeAlias = Began | Moved | Asked | Obtained | Streams | Spoke | Played | Got | Records | Did | Emptied | Closed
Happening: TypeAlias = OfCall | Served | Noticed
Tell: TypeAlias = Callable[[Happening], None]


class Told(list[T]):
    """A list that tells of what is added to it."""

    def __init__(self, known: Iterable[T], tell: Callable[[T], None]) -> None:
        super().__init__(known)
        self._tell = tell

    def append(self, entry: T) -> None:
        """Add, and tell."""
        super().append(entry)
        self._tell(entry)


def look_at(call: Call, tell: Tell) -> None:
    """Tell of all that happens to a call from now on."""
    call.history = Told(call.history, lambda entry: tell(Moved(call, entry[0])))
    call.callbacks = Told(call.callbacks, lambda webhook: tell(Asked(call, webhook)))
    call.streams = Told(call.streams, lambda stream: tell(Streams(call, stream)))
    call.said = Told(call.said, lambda text: tell(Spoke(call, text)))
    call.played = Told(call.played, lambda name: tell(Played(call, name)))
    call.gathered = Told(call.gathered, lambda gathered: tell(Got(call, gathered)))
    call.recordings = Told(call.recordings, lambda recording: tell(Records(call, recording)))
    phone = call.phone
    phone.timeline = Told(phone.timeline, lambda moment: tell(Did(call, moment)))
    phone.playout.cleared = Told(phone.playout.cleared, lambda cleared: tell(Emptied(call, cleared)))


class _Refusal(msgspec.Struct):
    code: int
    message: str


class SeenDebugger(Debugger):
    """The debugger, with somebody who reads along."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def note(self, code: int, call_sid: str, text: str) -> None:
        """Add a notice, and tell."""
        super().note(code, call_sid, text)
        self._tell(Noticed(self[-1]))


class _SeenInterpreter(Interpreter):
    def __init__(self, line: Line, tell: Tell) -> None:
        super().__init__(line)
        self._tell = tell

    async def obtain(self, step: Step) -> Document | None:
        document = await super().obtain(step)
        if document is not None and not isinstance(step, Document):
            self._tell(Obtained(self._line.call, document))
        return document


class SeenLife(Life):
    """A call's life, with the documents that it performs told."""

    def __init__(self, office: Office, call: Call, leg: Leg | None, tell: Tell) -> None:
        self._tell = tell
        super().__init__(office, call, leg)

    def _interpreter_of(self, line: Line) -> Interpreter:
        return _SeenInterpreter(line, self._tell)


def see_requests(app: web.Application, tell: Tell) -> None:
    """Tell of every REST request, as it is answered."""

    @web.middleware
    async def seen(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        code, message = _refusal(response)
        tell(Served(request.method, request.path_qs, response.status, code, message))
        return response

    app.middlewares.insert(0, seen)


def _refusal(response: web.StreamResponse) -> tuple[int, str]:
    """Twilio's code and message in an answer that is a refusal."""
    if response.status < 400 or not isinstance(response, web.Response) or response.content_type != "application/json":
        return 0, ""
    body = msgspec.json.decode(response.text or "", type=_Refusal)
    return body.code, body.message
