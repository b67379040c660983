"""`agenticd demo`: a whole call on this machine, shown as a subscriber of the daemon sees it.

A real daemon in a process of its own, the emulator in this one, and the public client between the reader and the
daemon. What is shown at the end is checked: the command fails if the call was not what it should be.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click

import agentic
from agentctl.conversation import Conversation
from agentctl.options import Env
from agentctl.page import Page
from agentic.v1.event_pb2 import Event, LiveWords
from agenticd.emulator.phone import Line, PhoneScript, write_wav
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_DIALOGUE, DEMO_GREETING
from agenticd.emulator.twilio import Call
from agenticd.launch import NotReady
from agenticd.sandbox import Sandbox

CALLEE = "+15550002222"
GOODBYE = "Goodbye!"
_CALL_WITHIN = 60
_PERSON = PhoneScript(ring=0.8, lines=tuple(Line(say=text, pause=0.3) for text in DEMO_CALLER_LINES))


@dataclass
class Story:
    """What a subscriber got of the call."""

    events: list[Event] = field(default_factory=list)

    def all(self, kind: str) -> list[Event]:
        """Its events of that kind."""
        return [event for event in self.events if event.WhichOneof("payload") == kind]

    def faults(self) -> list[str]:
        """What is not as it should be."""
        found = []
        sequence = [event.call_sequence for event in self.events]
        if sequence != list(range(1, len(sequence) + 1)):
            found.append(f"call_sequence has a gap: {sequence}")
        if not self.events or self.events[-1].WhichOneof("payload") != "call_closed":
            found.append("call_closed is not the last event")
        finals = sorted((e.transcript_final for e in self.all("transcript_final")), key=lambda final: final.position)
        said = [final.text for final in finals if final.heard_text == final.text]
        wanted = [DEMO_GREETING, *DEMO_CALLER_LINES]
        found += [f"not said and heard to its end: {text!r}" for text in wanted if text not in said]
        if len(said) != 2 * len(DEMO_CALLER_LINES) + 1:
            found.append(f"{len(said)} utterances instead of {2 * len(DEMO_CALLER_LINES) + 1}")
        return found


async def run(wav: Path | None) -> int:
    """Show it. Returns the exit code: 0 when the call was what it should be."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="agenticd-demo-"))
    _say("agenticd demo: a whole call on this machine. No phone, no account, no network.", bold=True)
    _say("Starting a stand-in for Twilio, one for OpenAI Realtime, and a real daemon …")
    try:
        async with Sandbox(folder, greeting=DEMO_GREETING, brain=DEMO_DIALOGUE, default_phone=_PERSON) as sandbox:
            _say(f"  daemon    process {sandbox.daemon.pid}, gRPC on {sandbox.address}")
            _say(f"  Twilio    {sandbox.twilio.api_url}   calls back {sandbox.public_url}")
            _say(f"  OpenAI    {sandbox.realtime.url}")
            _say("")
            async with agentic.connect(sandbox.address) as client, asyncio.timeout(_CALL_WITHIN):
                story = await _call(client)
            (call,) = sandbox.twilio.calls.values()
            sound = wav or folder / "call.wav"
            write_wav(sound, call.phone.sent, call.phone.heard)
    except (NotReady, agentic.AgenticError) as error:
        click.echo(f"error: {error}", err=True)
        return 1
    except TimeoutError:
        click.echo(f"error: the call was not over within {_CALL_WITHIN} s; the daemon's log is in {folder}", err=True)
        return 1
    faults = story.faults()
    _summary(story, call, sound, time.monotonic() - began)
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    return 1 if faults else 0


async def _call(client: agentic.Client) -> Story:
    """Place the call, show it, hang up when the agent has said goodbye."""
    _say(f'PlaceCall(to_address="{CALLEE}")', bold=True)
    placed = await client.place_call(CALLEE)
    call_id = placed.call.call_id
    screen = Env()
    story, conversation = Story(), Conversation(screen.style, Page(screen.columns))
    # From before call_queued: the story is told from its first event.
    before = agentic.Cursor(placed.epoch, placed.revision - 1)
    async with client.events(call_ids=[call_id], after=before, live=True) as stream:
        async for item in stream:
            if isinstance(item, LiveWords):
                _write(conversation.words(item))
                continue
            story.events.append(item)
            _write(conversation.event(item))
            said = item.transcript_final
            if said.position > 1 and said.text.endswith(GOODBYE) and said.text not in DEMO_CALLER_LINES:
                _write(conversation.end('HangUp(reason="the demo is over")'))
                await client.hang_up(call_id, "the demo is over")
    return story


def _summary(story: Story, call: Call, sound: Path, seconds: float) -> None:
    waits = [event.turn_measured.total.ToMilliseconds() for event in story.all("turn_measured")]
    closed = story.events[-1].call_closed
    _say("")
    _say("What you saw", bold=True)
    _say(f"  a call of {closed.duration.ToMilliseconds() / 1000:.1f} s with {closed.turns} turns")
    _say(f"  an answer began {median(waits) if waits else 0:.0f} ms after the caller's last word (median)")
    count = len(story.events)
    _say(f"  {count} durable events, call_sequence 1 to {count} without a gap, call_closed last")
    stream = call.stream
    if stream is not None:
        _say(
            f"  {stream.media_sent} frames of 20 ms from the phone, {stream.media_received} media messages to it,"
            f" {stream.media_dropped} dropped"
        )
    _say(f"  the sound, caller left and agent right: {sound}")
    _say(f"  all of it in {seconds:.1f} s. What next: README.md")


def _write(text: str) -> None:
    if text:
        click.echo(text, nl=False)
        sys.stdout.flush()


def _say(text: str, *, bold: bool = False) -> None:
    click.echo(click.style(text, bold=bold))
