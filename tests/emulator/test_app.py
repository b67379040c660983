"""The whole emulator with the barest of bridges between its two halves: two strangers can talk to each other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect

from agenticd.emulator.app import Emulator
from agenticd.emulator.faultbook import Faults
from agenticd.emulator.links import LinkFaults, NetworkFaults
from agenticd.emulator.phone import Line, PhoneScript, write_wav
from agenticd.emulator.realtime import RealtimeConfig
from agenticd.emulator.twilio import TwilioConfig

PCMU = {"type": "audio/pcmu"}
SESSION = {
    "type": "realtime",
    "instructions": "You answer the phone.",
    "audio": {
        "input": {
            "format": PCMU,
            "transcription": {"model": "gpt-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        },
        "output": {"format": PCMU, "voice": "marin"},
    },
}


class Bridge:
    """Passes audio through in both directions, clears when the caller speaks, and keeps the transcripts."""

    def __init__(self, emulator: Emulator) -> None:
        self.said: list[tuple[str, str]] = []
        self._emulator = emulator
        self._sid = ""

    async def media(self, request: web.Request) -> web.WebSocketResponse:
        twilio = web.WebSocketResponse()
        await twilio.prepare(request)
        config = self._emulator.realtime.config
        url = f"{self._emulator.realtime.url}?model={config.models[0]}"
        headers = {"Authorization": f"Bearer {config.api_key}"}
        async with (
            connect(url, additional_headers=headers, compression=None, proxy=None, max_size=None) as model,
            asyncio.TaskGroup() as tasks,
        ):
            await model.send(json.dumps({"type": "session.update", "session": SESSION}))
            speaking = tasks.create_task(self._to_phone(model, twilio))
            async for message in twilio:
                await self._to_model(json.loads(message.data), model)
            speaking.cancel()
        return twilio

    async def _to_model(self, message: dict, model: ClientConnection) -> None:
        match message["event"]:
            case "start":
                self._sid = message["streamSid"]
                await model.send('{"type":"response.create"}')
            case "media":
                append = {"type": "input_audio_buffer.append", "audio": message["media"]["payload"]}
                await model.send(json.dumps(append))

    async def _to_phone(self, model: ClientConnection, twilio: web.WebSocketResponse) -> None:
        async for text in model:
            event = json.loads(text)
            match event["type"]:
                case "response.output_audio.delta":
                    media = {"event": "media", "streamSid": self._sid, "media": {"payload": event["delta"]}}
                    await twilio.send_str(json.dumps(media))
                case "input_audio_buffer.speech_started":
                    await twilio.send_str(json.dumps({"event": "clear", "streamSid": self._sid}))
                case "conversation.item.input_audio_transcription.completed":
                    self.said.append(("caller", event["transcript"]))
                case "response.output_audio_transcript.done":
                    self.said.append(("agent", event["transcript"]))
                case "error":
                    raise AssertionError(event)


CALLER = PhoneScript(
    ring=0.1,
    lines=(
        Line(say="Please tell me about the menu."),
        Line(say="Sorry, I have to stop you there.", after="over", pause=1.0),
        Line(hang_up=True),
    ),
)


async def test_a_person_and_a_model_talk_are_interrupted_and_part(tmp_path: Path):
    async with Emulator(TwilioConfig(), RealtimeConfig(), default_phone=CALLER) as emulator:
        bridge = Bridge(emulator)
        app = web.Application()
        app.router.add_get("/media", bridge.media)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        twiml = '<Response><Connect><Stream url="ws://{}:{}/media"/></Connect></Response>'
        form = {
            "To": "+15552223333",
            "From": emulator.twilio.config.numbers[0],
            "Twiml": twiml.format(*runner.addresses[0]),
        }
        account = emulator.twilio.config
        auth = aiohttp.encode_basic_auth(account.account_sid, account.auth_token)
        url = f"{emulator.twilio.api_url}/2010-04-01/Accounts/{account.account_sid}/Calls.json"
        async with (
            aiohttp.ClientSession(headers={"Authorization": auth}) as http,
            http.post(url, data=form) as response,
        ):
            call = emulator.twilio.calls[(await response.json())["sid"]]
        assert await call.ended() == "completed"
        await runner.cleanup()
        model_heard = emulator.realtime.sessions[0].audio_received
    assert call.stream is not None
    assert call.phone.lines_left == 0
    assert [text for who, text in bridge.said if who == "caller"] == [
        "Please tell me about the menu.",
        "Sorry, I have to stop you there.",
    ]
    assert bytes(call.phone.sent)[call.stream.skip :].startswith(model_heard)
    begun = [moment for moment in call.phone.timeline if moment.what == "agent"]
    assert len(begun) >= 3, "greeting, menu, and what it said when it was stopped"
    assert len(call.phone.heard) / 8000 < 25, "the menu alone takes 30 s"
    assert emulator.twilio.debugger == []
    write_wav(tmp_path / "call.wav", call.phone.sent, call.phone.heard)
    assert (tmp_path / "call.wav").stat().st_size == 44 + 4 * len(call.phone.heard)


async def test_if_one_port_is_taken_neither_half_listens():
    async with Emulator() as emulator:
        port = int(emulator.realtime.url.rpartition(":")[2].partition("/")[0])
        taken = Emulator(realtime=RealtimeConfig(port=port))
        with pytest.raises(OSError, match="address already in use"):
            await taken.start()
        with pytest.raises(RuntimeError, match="not started"):
            _ = taken.twilio.api_url


@pytest.mark.parametrize(
    "configs",
    [{"twilio": TwilioConfig(host="0.0.0.0")}, {"realtime": RealtimeConfig(host="::")}],
)
def test_links_are_not_opened_to_other_machines(configs: Any) -> None:
    Emulator(**configs)
    for bad in ({"network": True}, {"faults": Faults(network=NetworkFaults(rest=LinkFaults(latency=1)))}):
        with pytest.raises(ValueError, match=r"^network is for this machine alone, and the host '[0.:]+' is not$"):
            Emulator(**configs, **bad)
