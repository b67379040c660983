"""What an operator sees of a daemon that has had calls: counts that fit the calls, and times that can be true."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from agentic.v1 import event_pb2
from agenticd.adapters.host.metrics import FAMILIES, Kind
from agenticd.core.events import KINDS
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.sandbox import FROM
from tests.e2e.conftest import TO, Line
from tests.e2e.operator import Scrape, admin

Make = Callable[..., Any]
GREETING = "Hello, how can I help you?"
INTERRUPTS = PhoneScript(ring=0.3, lines=(Says(say="hello", after="over", pause=0.5), Says(hang_up=True)))
GREETED = PhoneScript(ring=0.1, lines=(Says(say="hello"), Says(hang_up=True)))


async def test_a_fresh_daemon_shows_zeros_and_no_faults(line: Make) -> None:
    desk: Line = await line()
    scrape = await Scrape.of(desk.sandbox)
    assert scrape.value("agenticd_ready") == 1
    for state in ("QUEUED", "DIALING", "RINGING", "IN_PROGRESS", "ENDING"):
        assert ("agenticd_calls", state) in {
            (sample.name, sample.labels["state"]) for sample in scrape.families["agenticd_calls"].samples
        }
        assert scrape.value("agenticd_calls", state=state) == 0
    assert scrape.value("agenticd_first_audio_seconds_count") == 0
    assert not scrape.families["agenticd_peer_up"].samples, "nobody was used yet"
    assert {(f.name, f.type) for f in scrape.families.values()} >= {
        (family.name.removesuffix("_total"), family.kind.value) for family in FAMILIES
    }


async def test_after_calls_the_metrics_tell_of_them(line: Make) -> None:
    desk: Line = await line(greeting=GREETING, default_phone=INTERRUPTS)
    call_id = await desk.place()
    seen: list[Scrape] = []

    async def on(event: event_pb2.Event) -> None:
        if event.WhichOneof("payload") == "media_connected":
            seen.append(await Scrape.of(desk.sandbox))
            await desk.sandbox.twilio.ring_in(TO, FROM, GREETED)

    history = await desk.follow(call_id, on)
    (during,) = seen
    assert during.value("agenticd_calls", state="IN_PROGRESS") == 1
    assert during.value("agenticd_streams") == 1
    assert during.value("agenticd_media_sockets") == 1
    assert during.value("grpc_server_running", service="agentic.v1.CallService", method="StreamEvents") == 1

    async with desk.client.events(after=0, types=["call_closed"]) as stream:
        closed = aiter(stream)
        assert {(await anext(closed)).call_id, (await anext(closed)).call_id} > {call_id}
    after = await Scrape.of(desk.sandbox)
    _check_counts(after, history.kinds)
    _check_times(after, history.all("turn_measured"))


def _check_counts(after: Scrape, kinds: list[str]) -> None:
    assert after.value("agenticd_calls", state="IN_PROGRESS") == 0
    assert after.value("agenticd_calls_started_total", direction="OUTBOUND") == 1
    assert after.value("agenticd_calls_started_total", direction="INBOUND") == 1
    assert after.value("agenticd_calls_ended_total", reason="COMPLETED", by="CALLER") == 2
    assert after.value("agenticd_events_total", kind="agent_interrupted") == kinds.count("agent_interrupted") == 1
    assert sum(after.value("agenticd_events_total", kind=kind) for kind in KINDS.values()) == after.value(
        "agenticd_log_head_revision"
    )
    assert after.value("agenticd_twilio_requests_total", code="201") == 1, "the create"
    assert after.value("agenticd_model_connects_total", result="ok") == 2
    assert after.value("agenticd_peer_up", peer="twilio") == after.value("agenticd_peer_up", peer="openai") == 1
    assert after.value("agenticd_model_tokens_total", kind="output_audio") > 0
    rpc = {"service": "agentic.v1.CallService", "code": "OK"}
    assert after.value("grpc_server_handled_total", method="PlaceCall", **rpc) == 1
    for family in after.families.values():
        for sample in family.samples:
            assert "call_id" not in sample.labels
            assert not [value for value in sample.labels.values() if TO in value or FROM in value]


def _check_times(after: Scrape, turns: list[Any]) -> None:
    # Each bound is one that only a wrong measurement is beyond, not a slow machine.
    assert 0.2 < after.mean("agenticd_call_setup_seconds", part="ring") < 30, "the phone rang for 0.3 s"
    assert after.value("agenticd_call_setup_seconds_count", part="connect") == 1
    for part in ("queue", "dial", "media"):
        assert after.value("agenticd_call_setup_seconds_count", part=part) == 1, part
    assert after.value("agenticd_call_duration_seconds_count") == 2
    assert after.value("agenticd_call_duration_seconds_sum") > 3, "two conversations"
    assert after.value("agenticd_greeting_seconds_count") == 2
    assert 0 < after.mean("agenticd_greeting_seconds") < 5
    assert after.value("agenticd_first_audio_seconds_count") == 2
    first = turns[0].total.ToMilliseconds() / 1000
    assert 0 < first <= after.value("agenticd_first_audio_seconds_sum") + 0.001
    assert after.value("agenticd_first_audio_model_seconds_sum") < after.value("agenticd_first_audio_seconds_sum")
    assert after.value("agenticd_barge_in_clear_seconds_count") == 1
    # The emulated model's detector needs some frames of speech, and the agent spoke for seconds more.
    assert 0.02 < after.mean("agenticd_barge_in_clear_seconds") < 5
    assert after.value("agenticd_media_in_gap_seconds_count") == 2
    assert after.mean("agenticd_media_in_gap_seconds") > 0.015, "there is a frame each 20 ms"
    assert after.value("agenticd_log_append_seconds_count") > 5
    assert after.value("agenticd_model_connect_seconds_count") == 2
    for family in FAMILIES:
        if family.kind is Kind.HISTOGRAM:
            _check_histogram(after, family.name)


def _check_histogram(after: Scrape, name: str) -> None:
    by_labels: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    counts = {}
    for sample in after.families[name].samples:
        labels = frozenset((key, value) for key, value in sample.labels.items() if key != "le")
        if sample.name == f"{name}_bucket":
            by_labels.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name == f"{name}_count":
            counts[labels] = sample.value
    assert counts.keys() == by_labels.keys() != set()
    for labels, buckets in by_labels.items():
        assert buckets == sorted(buckets), name
        assert [value for _, value in buckets] == sorted(value for _, value in buckets), name
        assert buckets[-1] == (math.inf, counts[labels]), name


async def test_readyz_and_grpc_health_say_the_same_while_it_drains(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=0.1))  # it stays until it is hung up
    async with aio.insecure_channel(desk.sandbox.address) as channel, AsyncExitStack() as stack:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def health() -> int:
            return int((await stub.Check(health_pb2.HealthCheckRequest())).status)

        assert (await admin(desk.sandbox, "/readyz"))[0] == 200
        assert await health() == health_pb2.HealthCheckResponse.SERVING
        call_id = await desk.place()
        await desk.follow(call_id, until="media_connected")
        # Opened now: when the call is over, so is the daemon.
        stream = await stack.enter_async_context(desk.client.events(call_ids=[call_id], after=0))
        kinds = [(await anext(stream)).WhichOneof("payload")]
        desk.sandbox.daemon.tell(signal.SIGTERM)
        while (await admin(desk.sandbox, "/readyz"))[0] == 200:
            await health()  # it answers all along
        assert await health() == health_pb2.HealthCheckResponse.NOT_SERVING
        status, body = await admin(desk.sandbox, "/readyz")
        assert (status, body) == (503, "not ready: draining, no new calls are taken\n")
        assert (await admin(desk.sandbox, "/healthz"))[0] == 200, "it lives"
        assert (await Scrape.of(desk.sandbox)).value("agenticd_ready") == 0
        await desk.client.hang_up(call_id)
        kinds += [event.WhichOneof("payload") async for event in stream]
        assert kinds[-1] == "call_closed"
    assert await desk.sandbox.daemon.wait() == 0


async def test_rpcs_that_fail_are_counted_by_their_code_and_made_up_methods_by_no_name(line: Make) -> None:
    desk: Line = await line()
    async with aio.insecure_channel(desk.sandbox.address) as opened:
        channel: Any = opened
        for method in ("/agentic.v1.CallService/GetCall", "/agentic.v1.CallService/Made%d", "/x.Y/Up"):
            with pytest.raises(aio.AioRpcError):
                await channel.unary_unary(method)(b"", timeout=5)
        stream = channel.unary_stream("/agentic.v1.CallService/StreamEvents")(b"")
        await stream.read()
        stream.cancel()
    scrape = await Scrape.of(desk.sandbox)
    while scrape.value("grpc_server_running", service="agentic.v1.CallService", method="StreamEvents"):
        scrape = await Scrape.of(desk.sandbox)
    service = "agentic.v1.CallService"
    handled = "grpc_server_handled_total"
    assert scrape.value(handled, service=service, method="GetCall", code="INVALID_ARGUMENT") == 1
    assert scrape.value(handled, service=service, method="StreamEvents", code="CANCELLED") == 1
    assert scrape.value(handled, service="unknown", method="unknown", code="UNIMPLEMENTED") == 2
    assert scrape.value("grpc_server_handling_seconds_count", service=service, method="GetCall") == 1
    assert scrape.value("grpc_server_handling_seconds_count", service=service, method="StreamEvents") == 0
