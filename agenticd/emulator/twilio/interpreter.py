"""Fetches TwiML and performs its verbs, one after the other, until there is no more to do.

It knows no telephone network: who answers, and who hangs up, is `life`. It is cancelled when the call ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias, assert_never

from agenticd.emulator.phone import RATE, Speech
from agenticd.emulator.twilio import twiml, urls
from agenticd.emulator.twilio.call import Call, Kind
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import NOT_BUILT, Debugger
from agenticd.emulator.twilio.stream import MediaStream, StreamRefused, stream_params
from agenticd.emulator.twilio.twiml import Document, Method, TwimlInvalid
from agenticd.emulator.twilio.webhook import Answer, NoAnswer, Webhooks


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask a URL for the next document."""

    kind: Kind
    url: str
    method: Method = "POST"
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inline:
    """A document given as text."""

    text: str


_LOOPS = 1000
"""Times that a `<Say>` is said that is to be said without end."""

Step: TypeAlias = Fetch | Inline | Document

StreamEvent: TypeAlias = Literal["stream-started", "stream-stopped", "stream-error"]


class Report(Protocol):
    """How a stream's events leave: in the background, in order."""

    def __call__(self, kind: Kind, method: Method, url: str, params: Mapping[str, str]) -> None:
        """Queue one callback."""


class _Failed(Exception):
    """No document came of a fetch; `code` is Twilio's."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


class Interpreter:
    """Performs the documents of one call."""

    def __init__(
        self,
        config: TwilioConfig,
        debugger: Debugger,
        call: Call,
        voice: Speech,
        webhooks: Webhooks,
        report: Report,
    ) -> None:
        self._config = config
        self._voice = voice
        self._debugger = debugger
        self._call = call
        self._webhooks = webhooks
        self._report = report
        self.stream: MediaStream | None = None
        """The stream that is open now."""

    async def run(self, step: Step) -> None:
        """Perform documents from `step` on, until one ends without naming the next: then the call is over."""
        following: Step | None = step
        while following is not None:
            document = await self.obtain(following)
            following = None if document is None else await self._perform(document)

    async def obtain(self, step: Step) -> Document | None:
        """Get the document, from the fallback URL if need be; None if there is none to be had."""
        try:
            return await self._document(step)
        except _Failed as failed:
            self._debugger.note(failed.code, self._call.sid, str(failed))
            options = self._call.options
            if not options.fallback_url:
                return None
            url = step.url if not isinstance(step, Inline) else ""
            extra = {"ErrorCode": str(failed.code), "ErrorUrl": url}
        try:
            return await self._document(Fetch("fallback", options.fallback_url, options.fallback_method, extra))
        except _Failed as failed:
            self._debugger.note(failed.code, self._call.sid, f"the fallback URL: {failed}")
            return None

    async def abandon(self) -> None:
        """The call goes another way, or ends: the stream, if one is open, is stopped."""
        stream = self._let_go()
        if stream is not None:
            await stream.stop()
            if stream.started:
                self._tell(stream, "stream-stopped")

    async def abort(self) -> None:
        """Drop the stream's socket, if one is open, without a word."""
        stream = self._let_go()
        if stream is not None:
            await stream.abort()

    async def _document(self, step: Step) -> Document:
        match step:
            case Document():
                return step
            case Inline():
                return self._parse(step.text.encode(), "")
            case Fetch():
                try:
                    answer = await self._webhooks.request(step.kind, step.method, step.url, step.extra)
                except NoAnswer as error:
                    raise _Failed(error.code, str(error)) from error
                return self._judge(answer)
            case _:
                assert_never(step)

    def _judge(self, answer: Answer) -> Document:
        """An HTTP answer as a document, by Twilio's rules for status, size and content type."""
        if not 200 <= answer.status < 300:
            raise _Failed(11200, f"{answer.url} answered {answer.status}")
        if len(answer.body) > twiml.MAX_BYTES:
            raise _Failed(11750, f"{answer.url} answered with more than 64 kB")
        content_type = answer.content_type.partition(";")[0].strip().lower()
        match content_type:
            case "text/xml" | "application/xml" | "text/html":
                return self._parse(answer.body, answer.url)
            case "":
                raise _Failed(11200, f"{answer.url} answered without a content type")
            case "text/plain":  # TwiML if it is some, else spoken
                try:
                    return self._parse(answer.body, answer.url)
                except _Failed:
                    return twiml.spoken(answer.body.decode(errors="replace"), answer.url)
            case _ if content_type.startswith("audio/"):  # played, then the call ends
                return Document((twiml.NotBuilt("Play"),), url=answer.url)
            case _:
                raise _Failed(12300, f"{answer.url} answered with content type {content_type!r}")

    def _parse(self, body: bytes, url: str) -> Document:
        try:
            document = twiml.parse(body, url)
        except TwimlInvalid as error:
            raise _Failed(12100, str(error)) from error
        for warning in document.warnings:
            self._debugger.note(warning.code, self._call.sid, warning.text)
        return document

    async def _perform(self, document: Document) -> Step | None:
        """Do the verbs in order; what comes next, None: the call is over."""
        for verb in document.verbs:
            match verb:
                case twiml.Connect():
                    following = await self._connect(verb, document)
                    if following is not None:
                        return following
                case twiml.Redirect():
                    return Fetch("redirect", urls.resolve(document.url, verb.url), verb.method)
                case twiml.Pause():
                    await asyncio.sleep(verb.length)
                case twiml.Say():
                    await self._say(verb)
                case twiml.Hangup() | twiml.Reject():
                    return None
                case twiml.NotBuilt():
                    self._debugger.note(NOT_BUILT, self._call.sid, f"this emulator cannot do <{verb.name}>: skipped")
                case _:
                    assert_never(verb)
        return None

    async def _say(self, say: twiml.Say) -> None:
        """Twilio's own voice, over the same buffer into the same ear as all that a stream plays."""
        phone, loop = self._call.phone, asyncio.get_running_loop()
        audio = self._voice.say(say.text, "agent")
        try:
            for _ in range(say.loop or _LOOPS):
                self._call.said.append(say.text)
                phone.playout.media(audio, phone.seconds(loop.time()))
                while phone.playout.buffered:
                    await asyncio.sleep(phone.playout.buffered / RATE)
                    phone.playout.advance(phone.seconds(loop.time()))
        finally:  # what is cut off in the middle is not said to its end
            phone.playout.reset(phone.seconds(loop.time()))

    async def _connect(self, connect: twiml.Connect, document: Document) -> Step | None:
        """Stream until the server ends it; what comes next, None: the next verb."""
        stream = MediaStream(self._config, self._debugger, self._call, connect.stream)
        self.stream = stream
        self._call.streams.append(stream)
        try:
            await stream.open()
        except StreamRefused as refused:
            # A stream that never was: Twilio goes on with the next verb, and does not ask `action`.
            # Its pages do not say so plainly; what is known of the field agrees.
            self.stream = None
            self._debugger.note(refused.code, self._call.sid, str(refused))
            self._tell(stream, "stream-error", str(refused))
            return None
        self._tell(stream, "stream-started")
        closed = await stream.listen()
        self._let_go()
        self._debugger.note(closed.code, self._call.sid, closed.text)  # 31921 even if it was intended
        if closed.code == 31921:
            self._tell(stream, "stream-stopped")
        else:
            self._tell(stream, "stream-error", closed.text)
        if connect.action is None:
            return None
        return Fetch("action", urls.resolve(document.url, connect.action), connect.method)

    def _let_go(self) -> MediaStream | None:
        """No stream is open any more: what it left in the telephone's buffer is not played."""
        stream, self.stream = self.stream, None
        if stream is not None and stream.started:
            phone = self._call.phone
            phone.playout.reset(phone.seconds(asyncio.get_running_loop().time()))
        return stream

    def _tell(self, stream: MediaStream, event: StreamEvent, error: str = "") -> None:
        noun = stream.noun
        if noun.status_callback:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            params = stream_params(stream, event, error, at)
            self._report("stream", noun.status_callback_method, noun.status_callback, params)
