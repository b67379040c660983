"""One call as its verbs have it in hand: an ear to speak into, what leaves the telephone, and whom to ask and tell."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agenticd.emulator.phone import RATE
from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.bridge import Listener
from agenticd.emulator.twilio.call import Call
from agenticd.emulator.twilio.office import Office
from agenticd.emulator.twilio.recording import Recorder, Report
from agenticd.emulator.twilio.stream import MediaStream
from agenticd.emulator.twilio.twiml import Document, Told
from agenticd.emulator.twilio.webhook import Webhooks

_LOOPS = 1000
"""Times that something is said or played that is to be without end."""


class Line:
    """What the verbs of one call share."""

    def __init__(self, office: Office, call: Call, webhooks: Webhooks, report: Report) -> None:
        self.office = office
        self.call = call
        self.webhooks = webhooks
        self.report = report
        self.recorder = Recorder(call, report, office.api_url)
        self.listener: Listener | None = None
        """Who gets what leaves the telephone now."""
        self.stream: MediaStream | None = None
        """The media stream that is open now."""
        self.whispers = False
        """Whether this is a dialled call that is not joined yet."""

    def note(self, code: int, text: str) -> None:
        """Tell the debugger of this call."""
        self.office.debugger.note(code, self.call.sid, text)

    def now(self) -> float:
        """s since the answer."""
        return self.call.phone.seconds(asyncio.get_running_loop().time())

    async def play(self, audio: bytes) -> None:
        """Into the ear, over the same buffer as all that a stream plays, until it was heard or is cut off."""
        playout = self.call.phone.playout
        try:
            playout.media(audio, self.now())
            while playout.buffered:
                await asyncio.sleep(playout.buffered / RATE)
                playout.advance(self.now())
        finally:  # what is cut off in the middle is not heard to its end
            playout.reset(self.now())

    def told(self, told: Told, document: Document) -> Told:
        """Whom to tell of a recording, as seen from the document."""
        return replace(told, url=urls.resolve(document.url, told.url)) if told.url else told


def rounds(loop: int) -> range:
    """For something that is said or played `loop` times; 0: without end, which is a thousand times."""
    return range(loop or _LOOPS)
