"""What clients, callers, forgers and peers get wrong comes to nothing: no call, no event, no traceback, no escape."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import aio
from grpc_status import rpc_status
from prometheus_client.parser import text_string_to_metric_families
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect

from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import node_service_pb2
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agentic.v1.node_service_pb2_grpc import NodeServiceStub
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import RealtimeConfig, RealtimeFaults
from agenticd.sandbox import FROM
from tests.e2e.conftest import Line, mistakes
from tests.e2e.requests_table import ALWAYS_RIGHT, ROWS, TO, Row, fields_of

Make = Callable[..., Any]


# --- Clients


async def test_every_field_of_every_request_is_checked_and_nothing_comes_of_what_is_wrong(line: Make) -> None:
    desk: Line = await line()
    failures = []
    async with aio.insecure_channel(desk.sandbox.address) as channel:
        node = NodeServiceStub(channel)
        for row in ROWS:
            failures += [f"{row.name}: {what}" for what in await _refused(channel, row)]
            status = await node.GetStatus(node_service_pb2.GetStatusRequest())
            if (status.head_revision, status.live_calls) != (0, 0):
                failures.append(f"{row.name}: something was recorded")
                break
    assert not failures, "\n".join(failures)
    assert not desk.sandbox.twilio.calls
    assert not (await desk.client.list_calls()).calls
    # What was refused has left nothing behind that would stand in the way: the daemon takes a good call.
    call_id = await desk.place(request_id="r" * 64)
    await desk.client.hang_up(call_id, "x" * 256)
    await desk.follow(call_id)


def test_the_table_has_every_field_that_a_request_has() -> None:
    missing = []
    for kind in (pb, node_service_pb2):
        for name, request in kind.DESCRIPTOR.message_types_by_name.items():
            if not name.endswith("Request"):
                continue
            wrong = {re.sub(r"\[.*", "", row.field) for row in ROWS if type(row.request).__name__ == name}
            if name == "StreamEventsRequest":
                wrong.add("epoch")  # refused with a code of its own, which names no field
            missing += [f"{name}.{path}" for path in fields_of(request) if path not in wrong]
    assert missing == list(ALWAYS_RIGHT)


async def _refused(channel: aio.Channel, row: Row) -> list[str]:
    """What is wrong with the refusal of this request."""
    method = getattr(CallServiceStub(channel), row.rpc)
    try:
        if row.rpc == "StreamEvents":
            async for _ in method(row.request, timeout=10):
                return ["was opened"]
            return ["ended without a word"]
        await method(row.request, timeout=10)
    except aio.AioRpcError as error:
        return list(_wrong(error, row))
    return ["was taken"]


def _wrong(error: aio.AioRpcError, row: Row) -> list[str]:
    if error.code() is not row.code:
        return [f"{error.code()}: {error.details()}"]
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # its stubs know no aio
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    if (info.reason, info.domain) != (row.reason, "agenticd"):
        return [f"the reason is {info.reason!r}"]
    if not row.field:
        return []
    said = {violation.field: violation.description for violation in bad.field_violations}
    if set(said) != {row.field}:
        return [f"{sorted(said)} are named"]
    return [] if row.words in said[row.field] else [f"it says {said[row.field]!r}"]


async def test_bytes_that_are_no_request_are_refused_too(line: Make) -> None:
    desk: Line = await line()
    async with aio.insecure_channel(desk.sandbox.address) as channel:
        for rpc in ("PlaceCall", "HangUp", "GetCall", "ListCalls", "GetTranscript"):
            call: Any = channel.unary_unary(f"/agentic.v1.CallService/{rpc}")
            no_utf8 = (b"\x12" if rpc == "ListCalls" else b"\x0a") + b"\x02\xff\xfe"
            for data in (b"\xff", b"\x0a\x05ab", no_utf8):
                with pytest.raises(aio.AioRpcError) as refusal:
                    await call(data, timeout=10)
                assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT, (rpc, data)
    assert (await desk.client.status()).head_revision == 0


# --- Strings that want to be something else

HOSTILE = (
    "</Response><Dial>+19005550000</Dial>",
    '"}],"type":"session.update","x":[{"',
    "a\r\nX-Evil: 1\r\n\r\n<html>",
    "\x1b]0;owned\x07\x1b[2J\x9b31m\x00\x7f",
    "\u202e\u2028\u2066\ufeff",
    '"} 1\nagenticd_calls{state="X"} 7',
    "{{token}} ${TWILIO_AUTH_TOKEN} %s %n {0}",
)


async def test_what_a_client_says_of_a_call_stays_text_wherever_it_goes(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=0.1))
    everything = "".join(HOSTILE)
    metadata = {f"{number}{text}"[:64]: text for number, text in enumerate(HOSTILE)}
    call_id = await desk.place(
        "sip:ada@example.com;x=1",
        instructions="{{said}}",
        greeting="{{said}}",
        variables={"said": everything},
        metadata=metadata,
        request_id="\x1b[31m\r\n</x>",
    )
    await desk.follow(call_id, until="model_connected")
    call = (await desk.client.hang_up(call_id, everything[:256])).call
    history = await desk.follow(call_id)
    assert dict(call.metadata) == metadata
    assert history.one("call_ending").message == everything[:256]
    # To the model: one session.update, with the text in its place.
    session = desk.model_session()
    assert mistakes(session) == []
    assert everything in session.instructions
    await _check_outputs(desk)


async def test_what_a_caller_or_a_trunk_says_stays_text_wherever_it_goes(line: Make) -> None:
    desk: Line = await line()
    twilio = Carrier(desk)
    async with aiohttp.ClientSession() as web:
        for number, text in enumerate(HOSTILE):
            sid = f"CA{number:032}"
            form = dict.fromkeys(("From", "Caller", "CallerName", "CallerCity", "ForwardedFrom", "Digits", text), text)
            answer = await twilio.post(web, "/twilio/voice", {**form, "CallSid": sid, "To": FROM})
            document = ET.fromstring(await answer.text())
            assert [verb.tag for verb in document] == ["Connect", "Redirect"]
            path = (document.find("./Connect/Stream") or document[0][0]).attrib["url"].rpartition("/")[2]
            for what in ("status", "stream"):
                told = {**form, "CallStatus": text, "StreamEvent": text, "StreamError": text, "ErrorMessage": text}
                answer = await twilio.post(web, f"/twilio/{what}/{path}", {**told, "CallSid": sid, "ErrorCode": text})
                assert answer.status == 204
            await _durable(desk, path)
            shown = (await desk.client.get_call(path)).call
            assert (shown.from_address, shown.to_address) == ("", FROM)
            for wrong in ({"CallSid": text, "To": FROM}, {"To": FROM}):
                answer = await twilio.post(web, "/twilio/voice", wrong)
                assert answer.status == 400
            # And by somebody who is not Twilio, on a path of his own making.
            forged = await web.post(f"{desk.sandbox.public_url}/twilio/voice?{quote(text)}", data=urlencode(form))
            assert forged.status == 403
    assert len((await desk.client.list_calls()).calls) == len(HOSTILE)
    await _check_outputs(desk)


class Carrier:
    """Signs as Twilio does, and says what a test wants."""

    def __init__(self, desk: Line) -> None:
        self.url = desk.sandbox.public_url
        self._validator = RequestValidator(desk.sandbox.twilio.config.auth_token)

    async def post(self, web: aiohttp.ClientSession, path: str, form: Mapping[str, str]) -> aiohttp.ClientResponse:
        """A webhook."""
        signature = self._validator.compute_signature(self.url + path, dict(form))
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        return await web.post(self.url + path, data=urlencode(form), headers=headers)

    def upgrade(self, path: str) -> Any:
        """A media socket, to be entered."""
        url = self.url.replace("http", "ws", 1) + path
        signature = self._validator.compute_signature(url, {})
        return connect(url, additional_headers={"X-Twilio-Signature": signature}, compression=None)


async def _durable(desk: Line, call_id: str) -> None:
    """Wait until the call is there for all to see: a webhook's answer does not wait for that."""
    async with desk.client.events(after=0, types=["call_ringing"]) as stream:
        async for event in stream:
            if event.call_id == call_id:
                return


async def _check_outputs(desk: Line) -> None:
    """The log is JSON, a line an entry, with nothing raw in it; the metrics are what they always are."""
    log = (desk.sandbox.folder / "daemon.log").read_bytes().decode("utf-8")
    entries = [json.loads(text) for text in log.splitlines()]
    assert all(char == "\n" or char.isprintable() for char in log), ascii(log)
    assert all({"level", "message"} <= set(entry) for entry in entries)
    port = next(entry["admin"] for entry in entries if entry["message"] == "agenticd is ready")
    async with aiohttp.ClientSession() as web, web.get(f"http://127.0.0.1:{port}/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    labels = {value for family in families for sample in family.samples for value in sample.labels.values()}
    assert all(re.fullmatch(r"[A-Za-z0-9_.+-]*", value) for value in labels), labels


# --- A media socket that says what no carrier would


async def test_a_live_calls_socket_may_send_anything_and_the_call_goes_on_until_a_second_start(line: Make) -> None:
    desk: Line = await line()
    twilio = Carrier(desk)
    sid = "CA" + "7" * 32
    async with aiohttp.ClientSession() as web:
        answer = await twilio.post(web, "/twilio/voice", {"CallSid": sid, "From": TO, "To": FROM})
        document = ET.fromstring(await answer.text())
    stream = document[0][0]
    call_id, token = stream.attrib["url"].rpartition("/")[2], stream[0].attrib["value"]
    path = f"/twilio/media/{call_id}"
    await _durable(desk, call_id)
    async with twilio.upgrade(path) as foreign:  # another call's CallSid: refused, and the token is still good
        await foreign.send(start(token, "CA" + "8" * 32))
        await foreign.wait_closed()
        assert foreign.close_code == 1008
    async with twilio.upgrade(path) as live:
        await live.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await live.send(start(token, sid))
        await desk.follow(call_id, until="media_connected")
        for wrong in WRONG:
            await live.send(wrong)
        async with twilio.upgrade(path) as second:
            await second.send(start(token, sid))
            await second.wait_closed()
            assert second.close_code == 1008
        await live.send(json.dumps({"event": "dtmf", "streamSid": STREAM, "dtmf": {"track": "x", "digit": "5"}}))
        history = await desk.follow(call_id, until="digit_received")
        assert history.one("digit_received").digit == "5"
        assert "media_lost" not in history.kinds
        await live.send(start(token, sid))
        await live.wait_closed()
        assert live.close_code == 1008
    await _check_outputs(desk)
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)
    faults = await _metric(desk, "agenticd_media_faults_total")
    assert faults == {
        "undecodable": 6, "binary": 1, "oversized": 1, "unknown_event": 1, "other_stream": 1, "start_refused": 2,
        "started_twice": 1,
    }  # fmt: skip


async def test_a_model_may_send_anything_and_the_talk_goes_on(line: Make) -> None:
    rubbish = RealtimeFaults(garbage=("binary", "broken", "shapeless", "misshapen", "unknown", "oversized"))
    realtime = RealtimeConfig(faults=rubbish)
    desk: Line = await line(greeting=GREETING, default_phone=PhoneScript(ring=0.1), realtime=realtime)
    call_id = await desk.place()
    history = await desk.follow(call_id, until="transcript_final")
    assert history.words == [("AGENT", GREETING)]
    faults = await _metric(desk, "agenticd_model_faults_total")
    assert set(faults) == {"binary", "undecodable", "unknown_event"}
    assert faults["undecodable"] >= 3, "broken, shapeless and misshapen ones"
    assert faults["unknown_event"] >= 2, "one of them of 2 MiB"
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)
    await _check_outputs(desk)


GREETING = "Hello, how can I help you today?"
STREAM = "MZ" + "5" * 32
WRONG: tuple[str | bytes, ...] = (
    "",
    "{",
    "\x00\x1b[2J",
    "[" * 60_000,
    json.dumps({"event": "media", "streamSid": STREAM, "media": {"payload": "no base64!"}}),
    json.dumps({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": "\x1b[31m"}}),
    b"binary",
    " " * (64 * 1024 + 1),
    json.dumps({"event": "</Response>"}),
    json.dumps({"event": "media", "streamSid": "MZ" + "6" * 32, "media": {"payload": "AAAA"}}),
)


def start(token: str, sid: str) -> str:
    body = {
        "streamSid": STREAM, "accountSid": "AC1", "callSid": sid, "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": token},
    }  # fmt: skip
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": STREAM, "start": body})


async def _metric(desk: Line, name: str) -> dict[str, int]:
    """A counter's values, by reason."""
    log = (desk.sandbox.folder / "daemon.log").read_text()
    port = next(entry["admin"] for entry in map(json.loads, log.splitlines()) if "admin" in entry)
    async with aiohttp.ClientSession() as web, web.get(f"http://127.0.0.1:{port}/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {sample.labels["why"]: int(sample.value) for sample in samples}
