"""`<Record>`, and the recording of a whole call that `<Start>` begins and `<Stop>` ends.

As in `gather`, time is counted in the telephone's own frames.
"""

from __future__ import annotations

import asyncio
import functools

import numpy as np

from agenticd.emulator.phone.ear import FRAME, is_voice
from agenticd.emulator.phone.phone import FRAME_SECONDS
from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.steps import Fetch, Next
from agenticd.emulator.twilio.twiml import Document, Record, StartRecording, StopRecording
from agenticd.emulator.twilio.verbs.line import Line
from agenticd.emulator.voice import ulaw

_BEEP_HZ, _BEEP_SECONDS = 1000.0, 0.25


async def perform(line: Line, record: Record, document: Document) -> Next:
    """Record the caller and go to `action`; None: nothing was said, the next verb follows."""
    if record.play_beep:
        await line.play(_beep())
    recording = line.recorder.begin("RecordVerb", 1, "inbound", trim=record.trim, told=line.told(record.told, document))
    line.listener = tape = _Tape(record)
    url = urls.resolve(document.url, record.action)
    try:
        await tape.done.wait()
    finally:
        line.listener = None
        # Where the machine stood still, more of the telephone came at once than is wanted.
        line.recorder.finish(recording, tape.frames * FRAME)
        if not tape.done.is_set() and line.call.final and tape.spoken:
            # Who hangs up has finished: `action` is told, and its answer is of no use any more.
            line.report("action", record.method, url, {**line.recorder.params(recording), "Digits": "hangup"})
    if not tape.spoken:
        return None
    return Fetch("action", url, record.method, {**line.recorder.params(recording), "Digits": tape.digit})


def beside(line: Line, verb: StartRecording | StopRecording, document: Document) -> None:
    """What goes on while other verbs are done."""
    match verb:
        case StartRecording():
            told = line.told(verb.told, document)
            line.recorder.begin("StartCallRecordingTwiML", verb.channels, verb.track, trim=verb.trim, told=told)
        case StopRecording():
            line.recorder.finish_all("StartCallRecordingTwiML")


class _Tape:
    def __init__(self, record: Record) -> None:
        self.done = asyncio.Event()
        self.digit = ""
        self.spoken = False
        self._record = record
        self.frames = 0
        """How much of the caller it has: what comes once it is done is not of it."""
        self._silent = 0

    async def send_digit(self, digit: str) -> None:
        """A key, which may be one that ends it."""
        if digit in self._record.finish_on_key and not self.done.is_set():
            self.digit = digit
            self.done.set()

    async def send_frame(self, frame: bytes) -> None:
        """20 ms more."""
        if self.done.is_set():
            return
        loud = is_voice(frame)
        self.spoken = self.spoken or loud
        self._silent = 0 if loud else self._silent + 1
        self.frames += 1
        for frames, most in ((self._silent, self._record.timeout), (self.frames, self._record.max_length)):
            if frames * FRAME_SECONDS >= most - 1e-6:
                self.done.set()


@functools.cache
def _beep() -> bytes:
    at = np.arange(int(_BEEP_SECONDS * ulaw.RATE)) / ulaw.RATE
    return ulaw.encode((8000 * np.sin(2 * np.pi * _BEEP_HZ * at)).astype(np.int16))
