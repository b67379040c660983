"""`agenticd demo`: a whole call on this machine, shown as a subscriber of the daemon sees it.

A real daemon in a process of its own, the emulator in this one, and the public client between the reader and the
daemon. What is shown at the end is checked: the command fails if the call was not what it should be.
"""

from __future__ import annotations

import asyncio
import os
import shutil
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
from agenticd.emulator.phone import Line, Phone, PhoneScript, write_wav
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_DIALOGUE, DEMO_GREETING
from agenticd.emulator.twilio import Call
from agenticd.launch import NotReady
from agenticd.sandbox import LOG_NAME, Sandbox

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
    """Show it. Returns the exit code: 0 when the call was what it should be.

    Of its files only those stay that are told: the call's sound, and after a failure the daemon's log.
    """
    folder = Path(tempfile.mkdtemp(prefix="agenticd-demo-"))
    log = folder / LOG_NAME
    over = False
    try:
        problems, unwritten = await _show(folder, wav)
        over = not problems
    except asyncio.CancelledError:
        over = True
        raise
    finally:
        if over or not log.exists():
            shutil.rmtree(folder, ignore_errors=True)
    for problem in (*problems, *unwritten):
        click.echo(f"error: {problem}", err=True)
    if log.exists():
        click.echo(f"hint: the daemon's log: {log}", err=True)
    return 1 if problems or unwritten else 0


async def _show(folder: Path, wav: Path | None) -> tuple[list[str], list[str]]:
    """The call and what came of it. Returns what is not as it should be: of the call, and of its sound's file."""
    began = time.monotonic()
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
    except (NotReady, agentic.AgenticError) as error:
        return [str(error)], []
    except TimeoutError:
        return [f"the call was not over within {_CALL_WITHIN} s"], []
    _summary(story, call)
    unwritten = _keep_sound(call.phone, wav)
    _say(f"  all of it in {time.monotonic() - began:.1f} s. What next: README.md")
    return story.faults(), unwritten


def _keep_sound(phone: Phone, wav: Path | None) -> list[str]:
    """Write the sound, and say where. Returns why that cannot be done."""
    sound = wav
    try:
        if sound is None:
            descriptor, name = tempfile.mkstemp(prefix="agenticd-demo-", suffix=".wav")
            os.close(descriptor)
            sound = Path(name)
        write_wav(sound, phone.sent, phone.heard)
    except OSError as error:
        return [f"the call's sound cannot be written to {sound or tempfile.gettempdir()}: {error.strerror}"]
    _say(f"  the sound, caller left and agent right: {sound}")
    return []


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


def _summary(story: Story, call: Call) -> None:
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


def _write(text: str) -> None:
    if text:
        click.echo(text, nl=False)
        sys.stdout.flush()


def _say(text: str, *, bold: bool = False) -> None:
    click.echo(click.style(text, bold=bold))
