"""What all calls of one emulated Twilio share, and what one of them may ask of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import aiohttp

from agenticd.emulator.phone import Speech
from agenticd.emulator.twilio.bridge import Leg
from agenticd.emulator.twilio.call import Call, Options, Status
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.voice import Recogniser


class Ending(Protocol):
    """Ends a call, whoever wants it."""

    def __call__(self, sid: str, status: Status | None = None) -> None:
        """None: with what fits its state. Nothing happens if it is over."""


class DialLeg(Protocol):
    """Makes the call of a `<Dial>`."""

    def __call__(self, parent: Call, from_: str, to: str, options: Options, leg: Leg) -> Call:
        """It rings from now on."""


@dataclass(frozen=True, slots=True)
class Office:
    """Twilio, as its calls see it."""

    config: TwilioConfig
    debugger: Debugger
    voice: Speech
    recogniser: Recogniser
    connector: aiohttp.BaseConnector
    api_url: str
    dial_leg: DialLeg
    end: Ending
