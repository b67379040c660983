"""One client's session: its socket, its settings, what it may send, and what it is answered."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from agenticd.emulator.realtime.brain import Brain
from agenticd.emulator.realtime.config import RealtimeConfig
from agenticd.emulator.realtime.faults import Complaint, Loss
from agenticd.emulator.realtime.formats import FORMATS, PCMU, Ear
from agenticd.emulator.realtime.items import Conversation, Item, Part, item_from_json
from agenticd.emulator.realtime.listener import Listener
from agenticd.emulator.realtime.notes import Noted, noted
from agenticd.emulator.realtime.outbox import Outbox
from agenticd.emulator.realtime.plan import Plan
from agenticd.emulator.realtime.requests import checked as check
from agenticd.emulator.realtime.requests import parse
from agenticd.emulator.realtime.response import CancelReason, Response
from agenticd.emulator.realtime.schema import ClientError, JsonObject, JsonValue
from agenticd.emulator.realtime.settings import Settings
from agenticd.emulator.realtime.transcription import failed, transcribed
from agenticd.emulator.realtime.usage import RateLimits, Tokens
from agenticd.emulator.voice import Grammar, Recogniser, Voice, ulaw


class Session:
    """The server's side of one connection. Tests read its properties; nothing of it is for the client."""

    def __init__(
        self,
        socket: ServerConnection,
        model: str,
        config: RealtimeConfig,
        brain: Brain,
        recogniser: Recogniser,
        voice: Voice,
        grammar: Grammar | None = None,
    ) -> None:
        self.id = self.new_id("sess")
        self.config = config
        self.brain = brain
        self.voice = voice
        self.context = Tokens()
        self.limits = RateLimits()
        self.settings = Settings(self.id, model, int(time.time() + config.session_seconds))
        self.conversation = Conversation(self.new_id("conv"))
        self.errors: list[JsonObject] = []
        """What the client did wrong, and the session's expiry; not the errors of `faults.complaints`."""
        self.requests: Counter[str] = Counter()
        """How often the client sent which event."""
        self.asked: list[Noted] = []
        """What the client sent, in order, but for audio."""
        self.told: list[Noted] = []
        """What the client was sent, in order, but for deltas."""
        self.closed = False
        self.close_code: int | None = None
        self._socket = socket
        self._recogniser = recogniser
        self._grammar = grammar
        self._hearing: set[asyncio.Task[None]] = set()
        self._received = bytearray()
        self._sent = bytearray()
        self._spoken: JsonValue = None  # the voice that was heard; it stays that one
        self._adopted = False  # the client's settings were taken
        self._deltas = itertools.count()
        self._numbers = itertools.count(1)
        self._transcriptions = itertools.count(1)
        self._outbox = Outbox(socket)
        self._ended = asyncio.Event()
        self._responses: dict[str, tuple[Response, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent = asyncio.Event()  # set while no response writes to the conversation
        self._silent.set()
        self._listener = Listener(self, self.settings)
        self._handlers: dict[str, Callable[[JsonObject], None]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
            "output_audio_buffer.clear": self._clear_output,
        }

    # What tests see

    @property
    def audio_received(self) -> bytes:
        """All audio as it was appended."""
        return bytes(self._received)

    @property
    def audio_sent(self) -> bytes:
        """The audio of all deltas."""
        return bytes(self._sent)

    @property
    def instructions(self) -> str:
        """The session's instructions."""
        return self.settings.instructions

    @property
    def items(self) -> list[Item]:
        """The conversation, in its order."""
        return list(self.conversation.items)

    async def close(self, code: int = 1011, reason: str = "") -> None:
        """Closes the socket from this side, as a server that fails does, and waits for the end."""
        self._outbox.close(code, reason)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Waits until the session is over and nothing of it runs any more."""
        await self._ended.wait()

    # Life

    async def run(self) -> None:
        """Serves the client until it leaves, or the session expires."""
        if self.config.now.faults.silent != "created":
            self.emit("session.created", session=self.settings.to_json())
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._spawn(self._outbox.run())
                self._spawn(self._expire())
                try:
                    await self._read()
                finally:
                    for task in list(self._tasks):
                        task.cancel()
        finally:
            self.closed = True
            self.close_code = self._socket.close_code
            self._ended.set()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                self._handle(message)
        except ConnectionClosed:
            pass  # a client that vanishes is not an error

    async def _expire(self) -> None:
        await asyncio.sleep(self.config.session_seconds)
        self._expired()

    def _expired(self) -> None:
        message = "Your session hit the maximum duration of 60 minutes."
        self._refuse(ClientError("session_expired", message), None)
        self._outbox.close(1001, message)

    # What responses need

    def emit(self, kind: str, **fields: JsonValue) -> None:
        """Sends an event, in order, without waiting."""
        note = noted(self.now(), kind, fields)
        if note is not None:
            self.told.append(note)
        self._outbox.put(json.dumps({"type": kind, "event_id": self.new_id("event"), **fields}))

    async def room(self) -> None:
        """Waits while too much is unsent."""
        await self._outbox.room()

    def new_id(self, prefix: str) -> str:
        """Unguessable, at most 32 characters."""
        return f"{prefix}_{secrets.token_hex(11)}"[:32]

    def now(self) -> float:
        """The loop's clock."""
        return asyncio.get_running_loop().time()

    def spoke(self, audio: bytes, voice: JsonValue) -> None:
        """Remembers what was sent."""
        self._spoken = voice
        if self.config.keep_audio:
            self._sent += audio
        garbage = self.config.now.faults.rubbish(next(self._deltas))
        if garbage is not None:
            self._outbox.put(garbage)

    def lose(self, loss: Loss) -> None:
        """Ends the session from this side, as an accident does."""
        if loss.expired:
            self._expired()
        else:
            self._outbox.close(loss.code, "" if loss.code is None else "internal error")

    def finished(self, response: Response) -> None:
        """From here on another response may begin."""
        self._responses.pop(response.id, None)
        if response.plan.in_conversation:
            self._silent.set()
            self._listener.answered(response.audio_ms)
        self._go_wrong_after(response.number)

    def _go_wrong_after(self, response: int) -> None:
        for fault in self.config.now.faults.after(response):
            match fault:
                case Complaint(code, _, kind, message):
                    self._complain(ClientError(code, message, kind=kind), None)
                case Loss():
                    self.lose(fault)

    # Requests

    def _handle(self, message: str | bytes) -> None:
        event_id: JsonValue = None
        try:
            event = parse(message)
            event_id = event.get("event_id")
            checked = check(event)
            kind = cast("str", checked["type"])
            self.requests[kind] += 1
            note = noted(self.now(), kind, checked)
            if note is not None:
                self.asked.append(note)
            if self.config.now.faults.silent not in ("created", "updated"):
                self._handlers[kind](checked)
        except ClientError as error:
            self._refuse(error, event_id)

    def _refuse(self, error: ClientError, event_id: JsonValue) -> None:
        self.errors.append(self._complain(error, event_id))

    def _complain(self, error: ClientError, event_id: JsonValue) -> JsonObject:
        body: JsonObject = {
            "type": error.kind,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "event_id": event_id if isinstance(event_id, str) else None,
        }
        self.emit("error", error=body)
        return body

    def _update(self, event: JsonObject) -> None:
        change = cast("JsonObject", event["session"])
        self.settings.update(change, spoken=self._spoken, responding=self._active is not None)
        self._listener.adopt(self.settings)
        self.emit("session.updated", session=self._admitted(self.settings.to_json()))
        if not self._adopted:
            self._adopted = True
            self._go_wrong_after(0)

    def _admitted(self, session: JsonObject) -> JsonObject:
        """A session's settings as they are shown, also where others were asked for."""
        faults = self.config.now.faults
        if faults.speaks is None or not faults.admits:
            return session
        audio = cast("dict[str, JsonObject]", session["audio"])
        output: JsonValue = {**audio["output"], "format": FORMATS[faults.speaks].to_json()}
        shown: JsonValue = {**audio, "output": output}
        return {**session, "audio": shown}

    # The caller's audio

    def _append(self, event: JsonObject) -> None:
        audio = self.settings.input_format.parse(cast("str", event["audio"]), "audio")
        if self.config.keep_audio:
            self._received += audio
        self._listener.append(audio)

    def _commit(self, event: JsonObject) -> None:
        self._listener.commit()

    def _clear(self, event: JsonObject) -> None:
        self._listener.clear()

    def _clear_output(self, event: JsonObject) -> None:
        message = "output_audio_buffer.clear is for WebRTC and SIP; over a WebSocket the client holds the audio."
        raise ClientError("invalid_value", message, "type")

    @property
    def responding(self) -> bool:
        """Whether a response writes to the conversation."""
        return self._active is not None

    def interrupt(self) -> None:
        """The caller speaks: cancels the response in the conversation, if there is one."""
        if self._active is not None:
            self._cancel(self._active, "turn_detected")

    def respond_by_itself(self, *, idle: bool = False) -> None:
        """The caller's turn is over, or there was none for long."""
        try:
            self._respond({}, None, idle=idle)
        except ClientError as error:
            self._refuse(error, None)

    def add_turn(self, item_id: str, audio: bytes) -> None:
        """What the caller said becomes an item; `audio` is 8 kHz mu-law."""
        part = Part(type="input_audio", audio=bytearray(audio), audio_format=PCMU)
        self._hear(part, audio)
        item = Item(id=item_id, role="user", content=[part])
        before = self.conversation.add(item)
        self.emit("input_audio_buffer.committed", previous_item_id=before, item_id=item_id)
        self._announce(item, before)
        if self.settings.transcription_model is not None:
            self._spawn(self._transcribe(item, part, self.settings.transcription_model))

    def _hear(self, part: Part, audio: bytes) -> None:
        """What is known is known at once; what has to be recognised takes a moment, beside all else."""
        known = self._recogniser.text_of(audio)
        part.heard = known or ""
        if known is None and self._grammar is not None:
            task = self._spawn(self._recognise(part, audio, self._grammar))
            self._hearing.add(task)
            task.add_done_callback(self._hearing.discard)

    async def _recognise(self, part: Part, audio: bytes, grammar: Grammar) -> None:
        text = await asyncio.to_thread(grammar.text_of, audio)
        part.heard, part.guessed = text or "", text is not None

    async def understood(self) -> None:
        """Waits until all that was said so far is recognised, or cannot be."""
        if self._hearing:
            await asyncio.wait(set(self._hearing))

    async def _transcribe(self, item: Item, part: Part, model: str) -> None:
        """Beside the response, as the original does: it may come before it or after."""
        if math.isinf(self.config.transcript_delay):
            await self._silent.wait()
        else:
            await asyncio.sleep(self.config.transcript_delay)
        if self.config.now.faults.leaves_unwritten(next(self._transcriptions)):
            kind, fields = failed(model)
            self.emit(kind, item_id=item.id, **fields)
            return
        await self.understood()
        part.transcript = part.heard
        for kind, fields in transcribed(model, part.heard, part.audio_ms, logprobs=self.settings.logprobs):
            self.emit(kind, item_id=item.id, **fields)

    # Items

    def _create_item(self, event: JsonObject) -> None:
        item = self._new_item(cast("JsonObject", event["item"]), "item")
        before = self.conversation.add(item, cast("str | None", event.get("previous_item_id")))
        self._announce(item, before)

    def _announce(self, item: Item, before: str | None) -> None:
        self.emit("conversation.item.added", previous_item_id=before, item=item.to_json())
        self.emit("conversation.item.done", previous_item_id=before, item=item.to_json())

    def _new_item(self, checked: JsonObject, path: str) -> Item:
        item = item_from_json(checked, self.new_id("item"), self.new_id("call"), self.settings.input_format, path)
        for part in item.content:
            if part.audio_format is not None:
                self._hear(part, ulaw.encode(Ear(part.audio_format).hear(bytes(part.audio))))
        return item

    def _retrieve_item(self, event: JsonObject) -> None:
        item = self.conversation.find(cast("str", event["item_id"]), "retrieve")
        self.emit("conversation.item.retrieved", item=item.to_json(with_audio=True))

    def _truncate_item(self, event: JsonObject) -> None:
        item_id = cast("str", event["item_id"])
        index, end_ms = cast("int", event["content_index"]), cast("int", event["audio_end_ms"])
        self.conversation.truncate(item_id, index, end_ms)
        self.emit("conversation.item.truncated", item_id=item_id, content_index=index, audio_end_ms=end_ms)

    def _delete_item(self, event: JsonObject) -> None:
        item_id = cast("str", event["item_id"])
        self.conversation.delete(item_id)
        self.emit("conversation.item.deleted", item_id=item_id)

    # Responses

    @property
    def _active(self) -> Response | None:
        """The response that writes to the conversation; there is at most one."""
        for response, _ in self._responses.values():
            if response.plan.in_conversation:
                return response
        return None

    def _create_response(self, event: JsonObject) -> None:
        params = dict(cast("JsonObject", event.get("response") or {}))
        given = params.pop("input", None)
        items = None if given is None else self._input_items(cast("list[JsonObject]", given))
        self._respond(params, items)

    def _input_items(self, given: list[JsonObject]) -> list[Item]:
        items: list[Item] = []
        for index, entry in enumerate(given):
            if entry["type"] == "item_reference":
                items.append(self.conversation.find(cast("str", entry["id"]), "retrieve"))
            else:
                items.append(self._new_item(entry, f"response.input[{index}]"))
        return items

    def _respond(self, params: JsonObject, items: list[Item] | None, *, idle: bool = False) -> None:
        plan = Plan.of(self.settings, params, items, self.conversation.items, spoken=self._spoken, idle=idle)
        if plan.in_conversation and self._active is not None:
            message = (
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise ClientError("conversation_already_has_active_response", message)
        faults = self.config.now.faults
        if faults.silent == "answers":
            return
        if faults.speaks is not None:
            plan = replace(plan, output_format=FORMATS[faults.speaks])
        response = Response(self, plan, next(self._numbers))
        response.open()
        if plan.in_conversation:
            self._silent.clear()
        self._responses[response.id] = (response, self._spawn(response.run()))

    def _cancel_response(self, event: JsonObject) -> None:
        wanted = event.get("response_id")
        if wanted is None:
            response = self._active
        else:
            response, _ = self._responses.get(cast("str", wanted), (None, None))
        if response is None:
            raise ClientError("response_cancel_not_active", "Cancellation failed: no active response found")
        self._cancel(response, "client_cancelled")

    def _cancel(self, response: Response, reason: CancelReason) -> None:
        _, task = self._responses[response.id]
        response.cancel(reason)
        task.cancel()
