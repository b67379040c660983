"""`<Gather>`: keys and sentences of the person on the phone, during the prompts and after them.

Time is counted in the telephone's own frames, so that a machine that stalls changes no outcome. Speech is understood
as far as the emulator knows its sentences; of others the debugger tells, and nothing was gathered.
"""

from __future__ import annotations

import asyncio

from agenticd.emulator.phone.ear import is_voice
from agenticd.emulator.phone.phone import FRAME_SECONDS
from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.call import Gathered
from agenticd.emulator.twilio.debugger import NOT_BUILT
from agenticd.emulator.twilio.steps import Fetch, Next
from agenticd.emulator.twilio.twiml import Document, Gather
from agenticd.emulator.twilio.verbs import speech
from agenticd.emulator.twilio.verbs.line import Line

_NO_AUDIO = 13325  # of a <Play> in here
_AUTO = 1.0  # s of silence that end a sentence if speechTimeout is "auto"
_LONGEST = 60.0  # s of speech
_BEFORE = 10  # frames before the first loud one that belong to it
_ONSET = 5  # loud frames (0.1 s) that make speech out of a click


async def perform(line: Line, gather: Gather, document: Document) -> Next:
    """Ask, wait, and go to `action` with what came; None: nothing came, the next verb follows."""
    ear = _Ear(gather)
    line.listener = ear
    try:
        async with asyncio.TaskGroup() as tasks:
            prompting = tasks.create_task(_prompt(line, gather, document, ear))
            await ear.interrupted.wait()
            prompting.cancel()
            await ear.done.wait()
    finally:
        line.listener = None
    return _next(line, gather, document, _understood(line, ear))


async def _prompt(line: Line, gather: Gather, document: Document, ear: _Ear) -> None:
    try:
        for prompt in gather.prompts:
            await speech.perform(line, prompt, document, _NO_AUDIO)
    finally:
        ear.interrupt()


def _understood(line: Line, ear: _Ear) -> Gathered:
    if ear.digits or not ear.spoke:
        return Gathered(ear.digits)
    recogniser = line.office.recogniser
    # What this telephone says is a known sentence, whatever it is: its sound is what counts.
    for moment in line.call.phone.timeline:
        if moment.what == "line" and moment.text:
            recogniser.learn(moment.text, line.office.voice.say(moment.text, "caller"))
    heard = recogniser.recognise(bytes(ear.speech))
    if heard is None:
        line.note(NOT_BUILT, "<Gather>: something was said that this emulator's recogniser does not know")
        return Gathered()
    return Gathered(speech=heard.text, confidence=heard.confidence)


def _next(line: Line, gather: Gather, document: Document, got: Gathered) -> Next:
    line.call.gathered.append(got)
    if got.speech:
        extra = {"SpeechResult": got.speech, "Confidence": f"{got.confidence:.8f}"}
    elif got.digits or gather.action_on_empty_result:
        extra = {"Digits": got.digits} if gather.dtmf else {"SpeechResult": ""}
    else:
        return None
    return Fetch("action", urls.resolve(document.url, gather.action), gather.method, extra)


class _Ear:
    """Listens until there is enough: a pure machine but for its two events."""

    def __init__(self, gather: Gather) -> None:
        self.digits = ""
        self.speech = bytearray()
        self.spoke = False
        self.interrupted = asyncio.Event()
        """The prompts are over, or are to be."""
        self.done = asyncio.Event()
        self._gather = gather
        self._waited = 0  # frames since the prompts, or the last key
        self._recent: list[bytes] = []  # frames before speech
        self._loud = 0
        self._silent = 0
        pause = _AUTO if gather.speech_timeout is None else gather.speech_timeout
        self._pause = pause / FRAME_SECONDS

    def interrupt(self) -> None:
        """No more prompts: from now on the timeout runs."""
        self.interrupted.set()

    async def send_digit(self, digit: str) -> None:
        """A key: it ends the prompts, and what was said before it does not count."""
        if not self._gather.dtmf or self.done.is_set():
            return
        self.interrupt()
        self._waited = 0
        if digit == self._gather.finish_on_key:
            if self.digits:  # it ends what precedes it; alone it ends nothing
                self.done.set()
            return
        self.digits += digit
        if len(self.digits) == self._gather.num_digits:
            self.done.set()

    async def send_frame(self, frame: bytes) -> None:
        """20 ms more."""
        if self.done.is_set():
            return
        if self._gather.speech and not self.digits and (self._gather.barge_in or self.interrupted.is_set()):
            self._hear(frame)
        if self.interrupted.is_set() and (self.digits or not self.spoke):
            self._waited += 1
            if self._waited * FRAME_SECONDS >= self._gather.timeout - 1e-6:
                self.done.set()

    def _hear(self, frame: bytes) -> None:
        loud = is_voice(frame)
        if self.spoke:
            self.speech += frame
            self._silent = 0 if loud else self._silent + 1
            if self._silent >= self._pause or len(self.speech) >= _LONGEST * 8000:
                self.done.set()
            return
        self._recent = [*self._recent[-(_BEFORE + _ONSET) :], frame]
        self._loud = self._loud + 1 if loud else 0
        if self._loud >= _ONSET:
            self.spoke = True
            self.speech += b"".join(self._recent)
            self.interrupt()
