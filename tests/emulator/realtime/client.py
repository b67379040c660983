"""A client for tests: a real WebSocket; the vendor's own types judge every event in both directions."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, get_args

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel
from websockets.asyncio.client import ClientConnection, connect

from agenticd.emulator.realtime import Brain, RealtimeConfig, RealtimeServer
from agenticd.emulator.voice import Voice

Event = dict[str, Any]

PCMU = {"type": "audio/pcmu"}
PCM = {"type": "audio/pcm", "rate": 24000}
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
SILENCE = b"\xff"

INSTANT = RealtimeConfig(response_delay=0, transcript_delay=0, speed=1e6)
"""All at once: for tests that are not about time."""

SLOW = RealtimeConfig(response_delay=0, transcript_delay=0, speed=1)
"""Answers take as long as they play: for tests that interrupt a long one."""


def _by_type(union: Any) -> dict[str, type[BaseModel]]:
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0]: member for member in members}


SERVER_EVENTS = _by_type(RealtimeServerEvent)
CLIENT_EVENTS = _by_type(RealtimeClientEvent)
for _model in (*SERVER_EVENTS.values(), *CLIENT_EVENTS.values()):
    _model.model_rebuild(force=True)  # the vendor puts that off to the first event: no test shall wait for it

KNOWN_EXTRAS = {"session": {"id", "object", "expires_at"}}
"""What the service sends and the vendor's types do not name."""


def _extras(value: object, path: str) -> list[str]:
    """Members that the vendor's types do not know."""
    if isinstance(value, list):
        return [extra for entry in value for extra in _extras(entry, path)]
    if not isinstance(value, BaseModel):
        return []
    known = KNOWN_EXTRAS.get(path, set())
    found = [f"{path}.{name}" for name in value.model_extra or {} if name not in known]
    return found + [extra for name in type(value).model_fields for extra in _extras(getattr(value, name), name)]


def validate(event: Event, models: dict[str, type[BaseModel]]) -> None:
    """Fails if the vendor's types do not take this event, or do not know a member of it."""
    parsed = models[event["type"]].model_validate(event, strict=True)
    assert _extras(parsed, event["type"]) == [], event


class Client:
    """Sends requests and collects events; `events` are all that came, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Event] = []

    async def send(self, kind: str, **fields: Any) -> None:
        """A request that the vendor's types accept."""
        event = {"type": kind, **fields}
        validate(event, CLIENT_EVENTS)
        await self.socket.send(json.dumps(event))

    async def send_raw(self, event: object) -> None:
        """A request, right or wrong."""
        await self.socket.send(event if isinstance(event, (str, bytes)) else json.dumps(event))

    async def next(self) -> Event:
        """The next event."""
        async with asyncio.timeout(20):
            event: Event = json.loads(await self.socket.recv())
        validate(event, SERVER_EVENTS)
        self.events.append(event)
        return event

    async def until(self, kind: str) -> Event:
        """Reads up to the next event of this type."""
        while (event := await self.next())["type"] != kind:
            pass
        return event

    async def error(self) -> Event:
        """The details of the next error."""
        details: Event = (await self.until("error"))["error"]
        return details

    async def update(self, **session: Any) -> Event:
        """Updates the session; answers with the whole of it."""
        await self.send("session.update", session={"type": "realtime", **session})
        updated: Event = (await self.until("session.updated"))["session"]
        return updated

    async def phone(self, **more: Any) -> Event:
        """The session as for a telephone call: mu-law both ways, transcripts of both sides."""
        heard = {
            "format": PCMU,
            "transcription": {"model": "gpt-transcribe"},
            "turn_detection": {**VAD, **more},
        }
        return await self.update(audio={"input": heard, "output": {"format": PCMU, "voice": "marin"}})

    async def append(self, audio: bytes, size: int = 160) -> None:
        """Sends audio in pieces, as fast as they go."""
        for at in range(0, len(audio), size):
            piece = base64.b64encode(audio[at : at + size]).decode()
            await self.socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": piece}))

    async def say(self, text: str, silence_ms: int = 1000) -> None:
        """Says a sentence in the caller's voice, as a phone does: mu-law, then silence."""
        await self.append(Voice().say(text, "caller") + SILENCE * 8 * silence_ms)

    def types(self, prefix: str = "") -> list[str]:
        """The types of the events so far, deltas that follow each other as one."""
        kinds = [event["type"] for event in self.events if event["type"].startswith(prefix)]
        return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]

    def of(self, kind: str) -> list[Event]:
        """The events of one type so far."""
        return [event for event in self.events if event["type"] == kind]

    def audio(self, item_id: str | None = None) -> bytes:
        """The audio of the deltas so far, of one item or of all."""
        deltas = self.of("response.output_audio.delta")
        return b"".join(base64.b64decode(d["delta"]) for d in deltas if item_id in (None, d["item_id"]))


@contextlib.asynccontextmanager
async def serving(config: RealtimeConfig = INSTANT, brain: Brain | None = None) -> AsyncIterator[RealtimeServer]:
    """A running server."""
    async with RealtimeServer(config, brain) as server:
        yield server


@contextlib.asynccontextmanager
async def connected(
    server: RealtimeServer, model: str = "gpt-realtime-2.1", headers: Iterable[tuple[str, str]] = ()
) -> AsyncIterator[Client]:
    """A client whose session was created."""
    key = [("Authorization", f"Bearer {server.config.api_key}"), *headers]
    async with connect(f"{server.url}?model={model}", additional_headers=key, max_size=None) as socket:
        client = Client(socket)
        created = await client.next()
        assert created["type"] == "session.created"
        yield client


@contextlib.asynccontextmanager
async def talking(
    config: RealtimeConfig = INSTANT, brain: Brain | None = None
) -> AsyncIterator[tuple[RealtimeServer, Client]]:
    """A server, and a client that is connected to it."""
    async with serving(config, brain) as server, connected(server) as client:
        yield server, client
