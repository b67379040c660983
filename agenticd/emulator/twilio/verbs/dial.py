"""`<Dial>`: others' telephones ring, and the first that is answered is joined with this one, until somebody ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.bridge import Crossing, Leg
from agenticd.emulator.twilio.call import Call, Options
from agenticd.emulator.twilio.recording import Recording
from agenticd.emulator.twilio.steps import Fetch, Next
from agenticd.emulator.twilio.twiml import Dial, Document, Number, is_e164
from agenticd.emulator.twilio.verbs.line import Line


@dataclass(slots=True)
class _Outcome:
    """How it went, as `action` is told."""

    call: Call | None = None
    bridged: bool = False
    recording: Recording | None = None


async def perform(line: Line, dial: Dial, document: Document) -> Next:
    """Call, join, and go to `action` when it is over; without one None: the next verb follows."""
    if line.whispers:
        line.note(13201, "<Dial> cannot be used in what the called party hears before they are joined")
        return None
    outcome = _Outcome()
    try:
        if _allowed(line, dial):
            groups = [[number] for number in dial.numbers] if dial.sequential else [list(dial.numbers)]
            for group in groups:
                await _ring(line, dial, document, group, outcome)
                if outcome.bridged:
                    break
    except asyncio.CancelledError:
        if line.call.final and dial.action is not None:  # the caller hung up: `action` is told, and no more
            url = urls.resolve(document.url, dial.action)
            line.report("action", dial.method, url, _params(line, outcome))
        raise
    if dial.action is None:
        return None
    return Fetch("action", urls.resolve(document.url, dial.action), dial.method, _params(line, outcome))


def _allowed(line: Line, dial: Dial) -> bool:
    """Whether Twilio would dial at all; if not, the debugger says why and the call has failed."""
    call, caller = line.call, _caller_id(line, dial)
    if caller not in {call.from_, call.to, *line.office.config.numbers}:
        text = f"<Dial callerId> is the caller's number, the called one or one of the account's, not {caller[:40]!r}"
        line.note(13214, text)
        return False
    wrong = [number.number for number in dial.numbers if not is_e164(number.number)]
    for number in wrong:
        line.note(13223, f"<Dial> calls numbers in E.164, such as +15552223333, not {number[:40]!r}")
    return len(wrong) < len(dial.numbers)


def _caller_id(line: Line, dial: Dial) -> str:
    return dial.caller_id or line.call.from_


async def _ring(line: Line, dial: Dial, document: Document, numbers: Sequence[Number], outcome: _Outcome) -> None:
    """Let these ring, join the first who answers; all are over afterwards, but one that was sent elsewhere."""
    legs: list[tuple[Leg, Call]] = []
    try:
        for number in numbers:
            if is_e164(number.number):
                leg = Leg(line.call.phone)
                options = _options(dial, number, document)
                call = line.office.dial_leg(line.call, _caller_id(line, dial), number.number, options, leg)
                legs.append((leg, call))
                outcome.call = call
        chosen = await _first(legs)
        if chosen is not None:
            outcome.call, outcome.bridged = chosen[1], True
            for _, call in legs:
                if call is not chosen[1]:
                    line.office.end(call.sid)
            await _join(line, dial, document, *chosen, outcome)
    finally:
        for leg, call in legs:
            if not leg.left:
                line.office.end(call.sid)


async def _first(legs: Sequence[tuple[Leg, Call]]) -> tuple[Leg, Call] | None:
    """The first that is ready to be joined; None if all came to nothing."""
    waiting = {leg.settled: (leg, call) for leg, call in legs}
    while waiting:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for settled in done:
            found = waiting.pop(settled)
            if settled.result():
                return found
    return None


async def _join(line: Line, dial: Dial, document: Document, leg: Leg, call: Call, outcome: _Outcome) -> None:
    if dial.record:
        told = line.told(dial.told, document)
        outcome.recording = line.recorder.begin(
            "DialVerb", 2 if dial.record == "dual" else 1, trim=dial.trim, told=told
        )
    line.listener = _Starred(call, leg) if dial.hangup_on_star else Crossing(call.phone)
    leg.joined.set()
    try:
        async with asyncio.timeout(dial.time_limit):
            await leg.parted.wait()
    except TimeoutError:
        pass  # the called one is let go of by whom it was dialled
    finally:
        line.listener = None
        if outcome.recording is not None:
            line.recorder.finish(outcome.recording)


class _Starred(Crossing):
    """The caller's way to the called, on which * ends it."""

    def __init__(self, call: Call, leg: Leg) -> None:
        super().__init__(call.phone)
        self._star = leg.let_go

    async def send_digit(self, digit: str) -> None:
        """A key."""
        if digit == "*":
            self._star()
        else:
            await super().send_digit(digit)


def _options(dial: Dial, number: Number, document: Document) -> Options:
    def resolved(url: str) -> str:
        return urls.resolve(document.url, url) if url else ""

    return Options(
        url=resolved(number.url),
        method=number.method,
        status_callback=resolved(number.status_callback),
        status_callback_method=number.status_callback_method,
        events=number.events,
        timeout=dial.timeout,
        send_digits=number.send_digits,
    )


def _params(line: Line, outcome: _Outcome) -> dict[str, str]:
    call = outcome.call
    if call is None:
        return {"DialCallStatus": "failed", "DialBridged": "false"}
    params = {
        # Who was sent elsewhere lives on; of this call it is over all the same.
        "DialCallStatus": call.status if call.final else "completed",
        "DialCallSid": call.sid,
        "DialBridged": "true" if outcome.bridged else "false",
    }
    if outcome.bridged:
        params["DialCallDuration"] = str(call.duration)
    if outcome.recording is not None:
        params["RecordingUrl"] = line.recorder.params(outcome.recording)["RecordingUrl"]
    return params
