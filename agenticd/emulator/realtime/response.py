"""One response: from `response.created` to `response.done`, its events in the original's order and pace."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, assert_never, cast

from agenticd.emulator.realtime.brain import (
    Brain,
    BrainFailed,
    Calls,
    FunctionCall,
    Line,
    Messages,
    Reply,
    Situation,
    is_check_in,
    ordered_text,
)
from agenticd.emulator.realtime.config import RealtimeConfig
from agenticd.emulator.realtime.faults import Failure, Loss, Stall
from agenticd.emulator.realtime.formats import AudioFormat, speak
from agenticd.emulator.realtime.items import Conversation, Item, Part
from agenticd.emulator.realtime.schema import JsonObject, JsonValue
from agenticd.emulator.realtime.settings import Settings, format_of, refuse_reasoning
from agenticd.emulator.realtime.tools import Tools
from agenticd.emulator.realtime.usage import (
    AGENT_MS_PER_TOKEN,
    CHARACTERS_PER_TOKEN,
    RateLimits,
    Tokens,
    retained,
    text_tokens,
    tokens_of,
    usage_of,
)
from agenticd.emulator.voice import Voice

Outcome: TypeAlias = Literal["completed", "cancelled", "incomplete", "failed"]
CancelReason: TypeAlias = Literal["turn_detected", "client_cancelled"]

_AHEAD_MS = 600  # by which the words run ahead of the audio
_SPEAKERS = {"user": "caller", "assistant": "agent", "system": "system"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How this response is made: the session's settings, as `response.create` overrides them."""

    modality: str
    instructions: str
    order: str | None
    tools: Tools
    most_tokens: int | None
    output_format: AudioFormat
    voice: JsonValue
    metadata: JsonValue
    in_conversation: bool
    own_input: bool
    """It answers items of its own instead of the conversation."""
    items: tuple[Item, ...]
    """What it answers, as far as the model reads it."""
    cut: bool
    """The model does not read all of it."""
    idle: bool = False

    @classmethod
    def of(
        cls,
        settings: Settings,
        params: JsonObject,
        given: Sequence[Item] | None,
        conversation: Sequence[Item],
        *,
        idle: bool = False,
    ) -> Plan:
        """From a session's settings and the checked parameters of a `response.create`; ClientError if they clash."""
        refuse_reasoning(settings.model, params, "response")
        whole = conversation if given is None else given
        items = retained(whole, settings.model, settings.truncation)
        session = {**settings.to_json(), **{name: value for name, value in params.items() if name != "audio"}}
        audio = cast("dict[str, JsonObject]", params.get("audio", {})).get("output", {})
        most = session["max_output_tokens"]
        ordered = cast("str", params.get("instructions", ""))
        return cls(
            modality=cast("list[str]", session["output_modalities"])[0],
            instructions=cast("str", session["instructions"]),
            order=ordered_text(ordered),
            tools=Tools.of(session["tools"], session["tool_choice"]),
            most_tokens=most if isinstance(most, int) else None,
            output_format=format_of(audio["format"]) if "format" in audio else settings.output_format,
            voice=audio.get("voice", settings.voice),
            metadata=params.get("metadata"),
            in_conversation=params.get("conversation", "auto") == "auto",
            own_input=given is not None,
            items=items,
            cut=len(items) < len(whole),
            idle=idle or is_check_in(ordered),
        )


class Host(Protocol):
    """What a response needs of its session."""

    config: RealtimeConfig
    conversation: Conversation
    voice: Voice
    brain: Brain
    limits: RateLimits
    context: Tokens
    """What the last response had read and said: it is cached for the next one."""

    def emit(self, kind: str, **fields: JsonValue) -> None:
        """Sends an event."""

    async def room(self) -> None:
        """Waits while too much is unsent."""

    async def understood(self) -> None:
        """Waits until all that was said so far is recognised."""

    def new_id(self, prefix: str) -> str:
        """An id that was not there before."""

    def now(self) -> float:
        """Seconds, monotonic."""

    def spoke(self, audio: bytes) -> None:
        """Audio was sent."""

    def lose(self, loss: Loss) -> None:
        """The session ends from this side."""

    def finished(self, response: Response) -> None:
        """The response is over."""


class _Failed(Exception):
    """The response cannot go on; `details` are its status_details."""

    def __init__(self, details: JsonObject) -> None:
        self.details = details
        super().__init__()


class Response:
    """`open` at once, then `run` as a task; `cancel` ends it from outside, before the task is cancelled.

    `number` counts the session's responses, from 1.
    """

    def __init__(self, host: Host, plan: Plan, number: int) -> None:
        self.id = host.new_id("resp")
        self.plan = plan
        self.number = number
        self.audio_ms = 0
        self._host = host
        self._output: list[Item] = []
        self._open: Item | None = None
        self._words = ""
        self._unsaid: tuple[Part, bytes, int] | None = None  # the open item's audio, and how much of it is sent
        self._begun = host.now()
        self._left = plan.most_tokens  # of its tokens; None: there is no limit
        self._given = Tokens(text=text_tokens(plan.instructions)) + tokens_of(plan.items)

    def open(self) -> None:
        """Announces the response."""
        self._host.emit("response.created", response=self._to_json("in_progress", None, None))
        self._host.emit("rate_limits.updated", rate_limits=self._host.limits.take(self._given.total, self._begun))

    async def run(self) -> None:
        """Answers, at the pace of the config."""
        try:
            reply = await self._reply()
            await self._until(
                self._begun + self._host.config.response_delay + self._host.config.now.faults.answer_delay
            )
            complete = await self._perform(reply)
        except BrainFailed as failure:
            error: JsonObject = {"type": "server_error", "code": None, "message": str(failure)}
            self._finish("failed", {"type": "failed", "error": error})
        except _Failed as failure:
            self._finish("failed", failure.details)
        else:
            if complete:
                self._finish("completed", None)
            else:
                self._finish("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})

    def cancel(self, reason: CancelReason) -> None:
        """Ends it at once, with all the `done` events that an interrupted response has."""
        if reason == "turn_detected" and self._unsaid is not None:
            part, audio, at = self._unsaid
            late = audio[at : at + self._host.config.now.faults.late_ms * self.plan.output_format.bytes_per_ms]
            if late:
                self._play(part, late)
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    async def _perform(self, reply: Reply) -> bool:
        """Says and does it; False if the limit of tokens cut it short."""
        failure = self._host.config.now.faults.fails(self.number)
        if failure is not None and failure.after_ms is None:
            raise _Failed(failure.details())
        match reply:
            case FunctionCall():
                return await self._perform_call(reply)
            case Calls(calls):
                for call in calls:
                    if not await self._perform_call(call):
                        return False
                return True
            case Messages(texts):
                for text in texts:
                    if not await self._speak(text):
                        return False
                return True
            case str():
                return not reply or await self._speak(reply)
            case _:
                assert_never(reply)

    async def _perform_call(self, call: FunctionCall) -> bool:
        return (not call.say or await self._speak(call.say)) and await self._call(call)

    async def _reply(self) -> Reply:
        tools = self.plan.tools
        if self.plan.order is not None and not tools.must:
            return self.plan.order
        await self._host.understood()
        situation = Situation(
            self.plan.instructions,
            tuple(map(_line, self.plan.items)),
            tools.names,
            self.plan.idle,
            tools.functions,
            tools.must,
        )
        reply = await self._host.brain.reply(situation)
        calls = reply.calls if isinstance(reply, Calls) else (reply,) if isinstance(reply, FunctionCall) else ()
        for call in calls:
            if call.name not in tools.names:
                raise BrainFailed(f"The dialogue calls '{call.name}', which is none of the session's tools.")
        if tools.must and not any(call.name in tools.must for call in calls):
            return FunctionCall(*tools.example())
        return reply

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._host.now()))

    async def _speak(self, text: str) -> bool:
        """Says a text; False if the limit of tokens cut it short."""
        if self.plan.modality == "text":
            return await self._write(text)
        item = self._begin(Item(id=self._host.new_id("item"), role="assistant", status="in_progress"))
        audio_format = self.plan.output_format
        part = Part(type="output_audio", transcript="", audio_format=audio_format)
        item.content.append(part)
        self._emit("response.content_part.added", content_index=0, part={"type": "audio", "transcript": ""})
        audio, complete = self._limited(speak(self._host.voice.say(text, "agent"), audio_format))
        words = _Words(text, len(audio) // audio_format.bytes_per_ms if complete else None)
        await self._say(part, audio, words)
        if complete:
            self._say_words(part, words.until(None))
        self._end("completed" if complete else "incomplete")
        return complete

    async def _say(self, part: Part, audio: bytes, words: _Words) -> None:
        """Sends an item's audio in deltas, with what is to go wrong on the way."""
        per_ms = self.plan.output_format.bytes_per_ms
        faults = deque(self._host.config.now.faults.in_audio(self.number))
        moment, at = self._host.now(), 0
        self._unsaid = (part, audio, at)
        for size in itertools.cycle(self._host.config.chunks):
            while faults and faults[0][0] * per_ms <= at:
                moment += await self._suffer(faults.popleft()[1])
                await self._until(moment)
            end = at + size * per_ms
            chunk = audio[at : min(end, faults[0][0] * per_ms) if faults else end]
            if not chunk:
                break
            at += len(chunk)
            self._say_words(part, words.until(at // per_ms + _AHEAD_MS))
            self._play(part, chunk)
            self._unsaid = (part, audio, at)
            moment += len(chunk) / per_ms / 1000 / self._host.config.speed
            await self._until(moment)
            await self._host.room()

    async def _suffer(self, fault: Stall | Failure | Loss) -> float:
        """Lets it go wrong; the seconds that it takes."""
        match fault:
            case Stall(_, seconds):
                return seconds
            case Failure():
                raise _Failed(fault.details())
            case Loss():
                self._host.lose(fault)
                await asyncio.Event().wait()  # the session's end cancels this
                raise AssertionError("nobody sets that")
            case _:
                assert_never(fault)

    def _limited(self, audio: bytes) -> tuple[bytes, bool]:
        """As much of it as the tokens that are left allow, and whether that is all."""
        if self._left is None:
            return audio, True
        per_token = AGENT_MS_PER_TOKEN * self.plan.output_format.bytes_per_ms
        most = self._left * per_token
        self._left -= min(self._left, -(-len(audio) // per_token))
        return audio[:most], len(audio) <= most

    def _say_words(self, part: Part, words: Sequence[str]) -> None:
        for word in words:
            self._words += word
            if not part.truncated:
                part.transcript = self._words
            self._emit("response.output_audio_transcript.delta", content_index=0, delta=word)

    def _play(self, part: Part, chunk: bytes) -> None:
        self._emit("response.output_audio.delta", content_index=0, delta=base64.b64encode(chunk).decode())
        if not part.truncated:
            part.audio += chunk
        self._host.spoke(chunk)
        self.audio_ms += len(chunk) // self.plan.output_format.bytes_per_ms

    async def _write(self, text: str) -> bool:
        item = self._begin(Item(id=self._host.new_id("item"), role="assistant", status="in_progress"))
        part = Part(type="output_text", text="")
        item.content.append(part)
        self._emit("response.content_part.added", content_index=0, part={"type": "text", "text": ""})
        words = _Words(text, None).until(None)
        most = len(words) if self._left is None else self._left
        if self._left is not None:
            self._left -= min(self._left, len(words))
        for word in words[:most]:
            self._words += word
            part.text = self._words
            self._emit("response.output_text.delta", content_index=0, delta=word)
            await self._host.room()
        complete = most >= len(words)
        self._end("completed" if complete else "incomplete")
        return complete

    async def _call(self, call: FunctionCall) -> bool:
        """Calls a function; False if the limit of tokens cut its arguments short."""
        item = Item(id=self._host.new_id("item"), kind="function_call", status="in_progress", name=call.name)
        item.call_id = self._host.new_id("call")
        self._begin(item)
        most = len(call.arguments)
        if self._left is not None:
            most = min(most, self._left * CHARACTERS_PER_TOKEN)
            self._left -= min(self._left, text_tokens(call.arguments))
        for at in range(0, most, 12):
            piece = call.arguments[at : min(at + 12, most)]
            item.arguments += piece
            self._emit("response.function_call_arguments.delta", call_id=item.call_id, delta=piece)
            await asyncio.sleep(0.02 / self._host.config.speed)
        complete = most == len(call.arguments)
        self._end("completed" if complete else "incomplete")
        return complete

    def _begin(self, item: Item) -> Item:
        self._open, self._words = item, ""
        self._output.append(item)
        self._emit("response.output_item.added", item=item.to_json())
        if self.plan.in_conversation:
            before = self._host.conversation.add(item)
            self._host.emit("conversation.item.added", previous_item_id=before, item=item.to_json())
        return item

    def _end(self, status: Literal["completed", "incomplete"]) -> None:
        """Closes the open item, if there is one. Interrupted items get the same events."""
        item = self._open
        if item is None:
            return
        item.status = status
        if item.kind == "function_call":
            self._emit(
                "response.function_call_arguments.done",
                call_id=item.call_id,
                name=item.name,
                arguments=item.arguments,
            )
        elif item.content:
            self._end_content(item.content[0])
        self._unsaid = None
        items = self._host.conversation.items
        if self.plan.in_conversation and item in items:
            position = items.index(item)
            before = items[position - 1].id if position else None
            self._host.emit("conversation.item.done", previous_item_id=before, item=item.to_json())
        self._emit("response.output_item.done", item=item.to_json())
        self._open = None

    def _end_content(self, part: Part) -> None:
        if part.type == "output_text":
            self._emit("response.output_text.done", content_index=0, text=self._words)
            self._emit("response.content_part.done", content_index=0, part={"type": "text", "text": self._words})
            return
        self._emit("response.output_audio.done", content_index=0)
        self._emit("response.output_audio_transcript.done", content_index=0, transcript=self._words)
        self._emit("response.content_part.done", content_index=0, part={"type": "audio", "transcript": self._words})

    def _emit(self, kind: str, **fields: JsonValue) -> None:
        """An event of this response's open item."""
        where: JsonObject = {"response_id": self.id, "output_index": len(self._output) - 1}
        if self._open is not None and "item" not in fields:
            where["item_id"] = self._open.id
        self._host.emit(kind, **where, **fields)

    def _finish(self, status: Outcome, details: JsonObject | None) -> None:
        self._end("incomplete")
        made = Tokens(
            text=sum(text_tokens(item.text + item.name + item.arguments) for item in self._output),
            audio=-(-self.audio_ms // AGENT_MS_PER_TOKEN),
        )
        cached = Tokens() if self.plan.own_input or self.plan.cut else self._host.context
        usage = usage_of(self._given, cached, made)
        if not self.plan.own_input and self.plan.in_conversation:
            self._host.context = self._given + made
        self._host.emit("response.done", response=self._to_json(status, details, usage))
        self._host.finished(self)

    def _to_json(self, status: str, details: JsonObject | None, usage: JsonObject | None) -> JsonObject:
        plan = self.plan
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [item.to_json() for item in self._output],
            "conversation_id": self._host.conversation.id if plan.in_conversation else None,
            "output_modalities": [plan.modality],
            "max_output_tokens": "inf" if plan.most_tokens is None else plan.most_tokens,
            "audio": {"output": {"format": plan.output_format.to_json(), "voice": plan.voice}},
            "usage": usage,
            "metadata": plan.metadata,
        }


def _line(item: Item) -> Line:
    """An item as the brain reads it."""
    if item.role is not None:
        return Line(cast("Literal['caller', 'agent', 'system']", _SPEAKERS[item.role]), item.text)
    if item.kind == "function_call":
        return Line("agent", "", FunctionCall(item.name, item.arguments), item.call_id)
    return Line("tool", item.output, call_id=item.call_id)


class _Words:
    """The words of a text with the time at which each is spoken, supposing that letters take equally long."""

    def __init__(self, text: str, audio_ms: int | None) -> None:
        self._words = re.findall(r"\s*\S+", text)
        self._next = 0
        self._spoken = 0
        self._ms_per_letter = (audio_ms if audio_ms is not None else 70 * len(text)) / max(1, len(text))

    def until(self, ms: int | None) -> list[str]:
        """The words not given yet that begin before this time; None: all."""
        begin = self._next
        while self._next < len(self._words) and (ms is None or self._spoken * self._ms_per_letter < ms):
            self._spoken += len(self._words[self._next])
            self._next += 1
        return self._words[begin : self._next]
