"""Holds what came of a scenario against what must be true of every call, and of this one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentctl import words
from agentic.v1.event_pb2 import TranscriptFinal
from agenticd.scenario.patterns import fits
from agenticd.scenario.stage import Take
from agenticd.scenario.story import Utterance
from agenticd.scenario.timings import measure

_SHOWN = 80  # characters of each end of a long text


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing that is not as it should be. `line` of the file that demands it; 0: every call must."""

    text: str
    path: str = ""
    line: int = 0


def judge(take: Take) -> list[Miss]:
    """All that is not as it should be. A call that was not played to its end is not judged further."""
    if take.wrong:
        return [Miss(text) for text in take.wrong]
    broken = list(_every_call(take))
    if not take.all("call_ended"):
        return broken
    return [*broken, *_end(take), *_words(take), *_events(take), *_reports(take), *_timings(take)]


def _every_call(take: Take) -> Iterator[Miss]:
    """What is promised of all calls, whatever the file says."""
    sequence = [event.call_sequence for event in take.events]
    if sequence != list(range(1, len(sequence) + 1)):
        yield Miss(f"call_sequence has a gap or a repetition: {sequence}")
    if len(take.all("call_ended")) != 1 or len(take.all("call_closed")) != 1:
        yield Miss("call_ended and call_closed must be there once each")
    revisions = [event.revision for event in take.events]
    if revisions != sorted(set(revisions)):
        yield Miss(f"revisions must rise: {revisions}")
    if len(take.calls) > 1:
        yield Miss(f"Twilio was asked to dial {len(take.calls)} times")


def _end(take: Take) -> Iterator[Miss]:
    expect = take.scenario.expect
    end = take.all("call_ended")[0].call_ended.end
    found = {"reason": words.name(end, "reason"), "by": words.name(end, "ended_by"), "carrier_code": end.carrier_code}
    wanted = {"reason": expect.reason, "by": expect.by, "carrier_code": expect.carrier_code}
    for name, value in wanted.items():
        if value is not None and value != found[name]:
            path = f"expect.end.{name}"
            yield Miss(f"{value} was expected, and the call ended {words.ending(end)}", path, expect.lines.get(path, 0))
    status = take.call.status if take.call is not None else "none"
    if expect.carrier_status is not None and status != expect.carrier_status:
        yield _miss(take, "twilio", f"{expect.carrier_status} was expected of the call at Twilio; it is {status}")


# The conversation.


def _words(take: Take) -> Iterator[Miss]:
    """The utterances one by one; the first that differs is told, as all behind it may only be shifted."""
    wanted = take.scenario.expect.words
    if wanted is None:
        return
    said = sorted((event.transcript_final for event in take.all("transcript_final")), key=lambda final: final.position)
    for at, expected in enumerate(wanted):
        path = f"expect.words[{at}]"
        if at >= len(said):
            yield Miss(f"was not said: {_quoted(expected)}; the conversation ends before it", path, expected.line)
            return
        final = said[at]
        if words.speaker(final) != expected.speaker or not fits(final.text, expected.text):
            yield Miss(f"was not said: {_quoted(expected)}; instead {_said(final)}", path, expected.line)
            return
        yield from _heard(final, expected, path)
    for final in said[len(wanted) :]:
        yield _miss(take, "words", f"was said, and is not expected: {_said(final)}")


def _heard(final: TranscriptFinal, expected: Utterance, path: str) -> Iterator[Miss]:
    wanted = expected.heard
    if isinstance(wanted, str):
        good, shown = fits(final.heard_text, wanted), f"“{wanted}”"
    elif wanted:
        good, shown = final.heard_text == final.text, "all of it"
    else:
        good, shown = wanted is None or not final.heard_text, "nothing of it"
    if not good:
        heard = f"“{_short(final.heard_text)}”" if final.heard_text else "nothing"
        text = f"{shown} was expected to be heard; it was {heard} of “{_short(final.text)}”"
        yield Miss(text, f"{path}.heard", expected.line)


def _quoted(expected: Utterance) -> str:
    return f"{expected.speaker}: “{expected.text}”"


def _said(final: TranscriptFinal) -> str:
    return f"{words.speaker(final)}: “{_short(final.text)}”"


def _short(text: str) -> str:
    """A text in a message: of a long one the beginning and the end."""
    flat = words.flat(text)
    if len(flat) <= 2 * _SHOWN:
        return flat
    return f"{flat[:_SHOWN].rpartition(' ')[0]} … {flat[-_SHOWN:].partition(' ')[2]}"


# What happened.


def _events(take: Take) -> Iterator[Miss]:
    expect = take.scenario.expect
    kinds = [event.WhichOneof("payload") or "" for event in take.events]
    rest = kinds
    for kind in expect.events:
        if kind in rest:
            rest = rest[rest.index(kind) + 1 :]
        else:
            where = "not behind the one before it" if kind in kinds else "not at all"
            yield _miss(take, "events", f"{kind} did not happen in this order, {where}: {' '.join(kinds)}")
            break
    for kind in expect.never:
        if kind in kinds:
            event = take.all(kind)[0]
            yield _miss(take, "never", f"{kind} happened: {words.describe(event)[1]}")
    digits = "".join(event.digit_received.digit for event in take.all("digit_received"))
    if expect.digits is not None and digits != expect.digits:
        yield _miss(take, "digits", f"{expect.digits} was expected; received were {digits or 'none'}")


def _reports(take: Take) -> Iterator[Miss]:
    """What the daemon, Twilio and the model complain of."""
    expect = take.scenario.expect
    warnings = [event.warning.code for event in take.all("warning")]
    if expect.warnings is not None and sorted(warnings) != sorted(expect.warnings):
        yield _miss(take, "warnings", f"expected were {_listed(expect.warnings)}; there were {_listed(warnings)}")
    for code, text in dict(take.notices).items():
        if code not in expect.notices:
            yield Miss(f"Twilio's debugger has {code}: {text}" if code else text)
    for code in expect.notices:
        if code not in dict(take.notices):
            yield _miss(take, "notices", f"Twilio's debugger does not have {code}")
    errors = {str(error.get("code")): str(error.get("message")) for each in take.sessions for error in each.errors}
    for name, text in errors.items():
        if name not in expect.model_errors:
            yield Miss(f"the model complains, {name}: {text}")
    for name in expect.model_errors:
        if name not in errors:
            yield _miss(take, "model_errors", f"the model did not complain of {name}")


def _timings(take: Take) -> Iterator[Miss]:
    found = measure(take.call) if take.call is not None else {}
    for name, span in take.scenario.expect.timings.items():
        path = f"expect.timings.{name}"
        times = found.get(name, [])
        if not times:
            yield Miss("there was nothing of the kind to be timed", path, span.line)
        for seconds in times:
            if span.most is not None and seconds > span.most:
                yield Miss(f"at most {span.most:g} s was expected; it took {seconds:.2f} s", path, span.line)
            if seconds < span.least:
                yield Miss(f"at least {span.least:g} s was expected; it took {seconds:.2f} s", path, span.line)


def _miss(take: Take, name: str, text: str) -> Miss:
    path = f"expect.{name}"
    return Miss(text, path, take.scenario.expect.lines.get(path, 0))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "none"
