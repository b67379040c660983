"""A person with a telephone: what they say and do, what they hear, and the wav of it. No Twilio here."""

from agenticd.emulator.phone.phone import Act, HangUp, Moment, Phone, Press, Speech
from agenticd.emulator.phone.playout import RATE, Playout
from agenticd.emulator.phone.recording import write_wav
from agenticd.emulator.phone.script import KEYS, Line, PhoneScript

__all__ = [
    "KEYS",
    "RATE",
    "Act",
    "HangUp",
    "Line",
    "Moment",
    "Phone",
    "PhoneScript",
    "Playout",
    "Press",
    "Speech",
    "write_wav",
]
