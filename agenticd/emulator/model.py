"""The emulated model with somebody who looks on, and who can teach it sentences. What it does is all in `realtime`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from agenticd.emulator.realtime import Brain, BrainFailed, RealtimeConfig, RealtimeServer, Reply, Session, Situation
from agenticd.emulator.realtime.items import Item
from agenticd.emulator.realtime.notes import Noted
from agenticd.emulator.realtime.schema import ClientError, JsonObject
from agenticd.emulator.twilio.happenings import Told
from agenticd.emulator.voice import Grammar, Voice


@dataclass(frozen=True, slots=True)
class Refused:
    """A client was not let in."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A session began; `number` counts from 1."""

    number: int
    session: Session


@dataclass(frozen=True, slots=True)
class Settled:
    """The client told the session what it is to be."""

    number: int
    session: Session


@dataclass(frozen=True, slots=True)
class Heard:
    """The caller's turn is written down; `text` is empty where the sentence is not known.

    `guessed`: a grammar made it of what was said.
    """

    number: int
    text: str
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """The model has said this, or called a function."""

    number: int
    item: Item


@dataclass(frozen=True, slots=True)
class Cut:
    """The client told the model that only so much of what it said was heard."""

    number: int
    heard_ms: int


@dataclass(frozen=True, slots=True)
class Complained:
    """The client did something wrong."""

    number: int
    error: JsonObject


@dataclass(frozen=True, slots=True)
class Left:
    """A session is over."""

    number: int
    code: int | None


@dataclass(frozen=True, slots=True)
class Speechless:
    """Who answers could not; the response fails."""

    reason: str


ModelHappening: TypeAlias = Refused | Speechless | Opened | Settled | Heard | Said | Cut | Complained | Left
TellModel: TypeAlias = Callable[[ModelHappening], None]


class SeenRealtime(RealtimeServer):
    """Tells what happens; `tell` must not raise."""

    def __init__(
        self,
        config: RealtimeConfig | None,
        brain: Brain | None,
        tell: TellModel,
        voice: Voice | None = None,
        grammar: Grammar | None = None,
    ) -> None:
        super().__init__(config, brain, voice, grammar)
        self.brain = _Watched(self.brain, tell)
        self._tell = tell
        self._count = itertools.count(1)
        self._running: dict[ServerConnection, tuple[int, Session]] = {}

    def learn(self, text: str) -> None:
        """From now on a caller who says this is understood, also by the sessions that run."""
        self._recogniser.learn(text, self._voice.say(text, "caller"))

    def _check(self, socket: ServerConnection, request: Request) -> Response | None:
        refusal = super()._check(socket, request)
        if refusal is not None:
            error = cast("JsonObject", json.loads(refusal.body)["error"])
            self._tell(Refused(refusal.status_code, str(error["message"])))
        return refusal

    def _refused(self, query: dict[str, list[str]], beta: list[str]) -> ClientError | None:
        error = super()._refused(query, beta)
        if error is not None:
            self._tell(Refused(4000, error.message))
        return error

    async def _serve(self, socket: ServerConnection) -> None:
        try:
            await super()._serve(socket)
        finally:
            if socket in self._running:
                number, session = self._running.pop(socket)
                self._tell(Left(number, session.close_code))

    async def _register(self, session: Session) -> None:
        number = next(self._count)
        self._running[session._socket] = number, session
        session.told = Told(session.told, _Ear(number, session, self._tell).told)
        session.asked = Told(session.asked, _Ear(number, session, self._tell).asked)
        session.errors = Told(session.errors, lambda error: self._tell(Complained(number, error)))
        self._tell(Opened(number, session))
        await super()._register(session)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A brain, and somebody who is told when it fails."""

    brain: Brain
    tell: TellModel

    async def reply(self, situation: Situation) -> Reply:
        """The brain's reply. Raises BrainFailed."""
        try:
            return await self.brain.reply(situation)
        except BrainFailed as failure:
            self.tell(Speechless(str(failure)))
            raise


@dataclass(frozen=True, slots=True)
class _Ear:
    """Makes happenings of what one session notes of its events."""

    number: int
    session: Session
    tell: TellModel

    def asked(self, noted: Noted) -> None:
        if noted.kind == "conversation.item.truncate" and noted.audio_end_ms is not None:
            self.tell(Cut(self.number, noted.audio_end_ms))

    def told(self, noted: Noted) -> None:
        match noted.kind:
            case "session.updated":
                self.tell(Settled(self.number, self.session))
            case "conversation.item.input_audio_transcription.completed":
                item = self._item(noted.item_id)
                text = item.text if item is not None else ""
                guessed = item is not None and any(part.guessed for part in item.content)
                self.tell(Heard(self.number, text, guessed))
            case (
                "response.output_audio_transcript.done"
                | "response.output_text.done"
                | "response.function_call_arguments.done"
            ):
                item = self._item(noted.item_id)
                if item is not None:
                    self.tell(Said(self.number, item))

    def _item(self, item_id: str) -> Item | None:
        return next((item for item in self.session.conversation.items if item.id == item_id), None)
