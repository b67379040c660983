"""A Twilio that runs here: REST, webhooks, TwiML, media streams. It knows nothing of the daemon."""

from agenticd.emulator.twilio.call import Call, Options, Status, Webhook
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger, Notice
from agenticd.emulator.twilio.faults import ALL_STATUSES, CallbackFaults, Mishap, RestFaults, StreamFaults
from agenticd.emulator.twilio.server import Phones, TwilioServer
from agenticd.emulator.twilio.stream import MediaStream

__all__ = [
    "ALL_STATUSES",
    "Call",
    "CallbackFaults",
    "Debugger",
    "MediaStream",
    "Mishap",
    "Notice",
    "Options",
    "Phones",
    "RestFaults",
    "Status",
    "StreamFaults",
    "TwilioConfig",
    "TwilioServer",
    "Webhook",
]
