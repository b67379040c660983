"""What TwiML's verbs do, a module for each family:

    speech    <Say>, <Play>, <Pause>, an answer that is audio
    gather    <Gather>
    record    <Record>, <Start> and <Stop> of a <Recording>
    dial      <Dial>
    connect   <Connect> with a <Stream>

Each takes the call's `Line`, the verb and its document, and says what comes next; <Redirect>, <Hangup> and <Reject>
only say that. All are cancelled when the call ends or is sent elsewhere.
"""

from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.debugger import NOT_BUILT
from agenticd.emulator.twilio.steps import Fetch, HangUp, Next
from agenticd.emulator.twilio.twiml import (
    Connect,
    Dial,
    Document,
    Gather,
    Hangup,
    NotBuilt,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
    Sound,
    StartRecording,
    StopRecording,
    Verb,
)
from agenticd.emulator.twilio.verbs import connect, dial, gather, record, speech
from agenticd.emulator.twilio.verbs.line import Line

__all__ = ["Line", "perform"]


async def perform(line: Line, verb: Verb, document: Document) -> Next:
    """Do one verb to its end; what comes then."""
    match verb:
        case Say() | Play() | Pause():
            await speech.perform(line, verb, document)
            return None
        case Sound():
            await speech.sound(line, verb)
            return HangUp()
        case Gather():
            return await gather.perform(line, verb, document)
        case Record():
            return await record.perform(line, verb, document)
        case StartRecording() | StopRecording():
            record.beside(line, verb, document)
            return None
        case Dial():
            return await dial.perform(line, verb, document)
        case Connect():
            return await connect.perform(line, verb, document)
        case Redirect(url=url, method=method):
            return Fetch("redirect", urls.resolve(document.url, url), method)
        case Hangup() | Reject():
            return HangUp()
        case NotBuilt(name=name):
            line.note(NOT_BUILT, f"this emulator cannot do <{name}>: skipped")
            return None
