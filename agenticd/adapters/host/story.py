"""The story of each call in the log: a line when it is queued or comes in, is answered, ends, and for what goes wrong.

More with the level `debug`. Numbers and words stand in pii fields (logs.py); what the daemon says itself does not.
Nothing is told of single frames.
"""

from __future__ import annotations

import logging
from typing import assert_never

import structlog
from structlog.typing import FilteringBoundLogger

from agenticd.core.events import (
    KINDS,
    AgentInterrupted,
    CallAnswered,
    CallClosed,
    CallDialing,
    CallEnded,
    CallEnding,
    CallQueued,
    CallRinging,
    DigitReceived,
    Direction,
    EndedBy,
    EndReason,
    Event,
    MediaConnected,
    MediaLost,
    ModelConnected,
    ModelLost,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TurnMeasured,
    UsageReported,
    Warning,
)
from agenticd.core.ids import CallId
from agenticd.core.log import Logged

_MILESTONES = frozenset(
    KINDS[kind]
    for kind in (CallQueued, CallRinging, CallAnswered, CallEnded, CallClosed, MediaLost, ModelLost, Warning)
)
_NOT_AS_WANTED = frozenset(
    {
        EndReason.FAILED, EndReason.MODEL_LOST, EndReason.MEDIA_LOST, EndReason.NODE_LOST,
        EndReason.DIAL_UNCONFIRMED, EndReason.REJECTED, EndReason.EXPIRED,
    }
)  # fmt: skip
"""Ends that an operator may have to do with."""

_logger: FilteringBoundLogger = structlog.get_logger()


class Story:
    """Logs what happens to calls. A Listener of observer.py."""

    def __init__(self) -> None:
        self._since: dict[CallId, float] = {}
        """When each live call was queued, came in, or was answered: whatever was last. Seconds since 1970."""
        self._answered: set[CallId] = set()

    def wants(self, logged: Logged) -> bool:
        """Whether anything would be told of it."""
        return logged.kind in _MILESTONES or _logger.is_enabled_for(logging.DEBUG)

    def heard(self, event: Event) -> None:
        """An event of a call."""
        log = _logger.bind(call_id=event.call_id)
        match event.payload:
            case CallQueued() as queued:
                self._since[event.call_id] = event.time
                log.info("call queued", to_pii=queued.to_address, from_pii=queued.from_address, agent=queued.agent)
            case CallRinging(direction=Direction.INBOUND) as ringing:
                self._since[event.call_id] = event.time
                log.info(
                    "call came in", from_pii=ringing.from_address, to_pii=ringing.to_address, agent=ringing.agent,
                    carrier_call_id=ringing.carrier_call_id,
                )  # fmt: skip
            case CallRinging(carrier_call_id=carrier_call_id):
                log.debug("call rings", carrier_call_id=carrier_call_id)
            case CallAnswered(carrier_call_id):
                log.info("call answered", carrier_call_id=carrier_call_id, **self._seconds("after", event))
                self._since[event.call_id] = event.time
                self._answered.add(event.call_id)
            case CallEnded():
                self._ended(log, event, event.payload)
            case CallClosed(duration, turns, usage):
                self._since.pop(event.call_id, None)
                self._answered.discard(event.call_id)
                log.debug(
                    "call closed", duration=round(duration, 3), turns=turns, input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                )  # fmt: skip
            case MediaLost(_, message):
                log.warning("audio was lost", **_own(message))
            case ModelLost(code, message):
                log.warning("the model was lost", code=code, **_own(message))
            case Warning(code, message):
                log.warning("call warning", code=code, **_own(message))
            case _:
                self._detail(log, event)

    def _ended(self, log: FilteringBoundLogger, event: Event, ended: CallEnded) -> None:
        end = ended.end
        fields: dict[str, object] = {"reason": end.reason.value, "by": end.ended_by.value}
        if event.call_id in self._answered:
            fields |= self._seconds("duration", event)
        if end.carrier_code:
            fields["carrier_code"] = end.carrier_code
        if end.sip_code >= 300:
            fields["sip_code"] = end.sip_code
        fields |= _what(end.reason, end.ended_by, end.message)
        log.log(logging.WARNING if end.reason in _NOT_AS_WANTED else logging.INFO, "call ended", **fields)

    def _seconds(self, name: str, event: Event) -> dict[str, float]:
        """How long it is since the last milestone, if that is known: it is not for a call of an earlier start."""
        since = self._since.get(event.call_id)
        return {} if since is None else {name: round(max(0.0, event.time - since), 3)}

    def _detail(self, log: FilteringBoundLogger, event: Event) -> None:
        """What is told on the level debug only."""
        match event.payload:
            case CallDialing():
                log.debug("the carrier is asked to dial")
            case CallEnding(reason, by, message):
                log.debug("call is being ended", reason=reason.value, by=by.value, **_what(reason, by, message))
            case MediaConnected(stream_id, attempt):
                log.debug("audio is connected", stream_id=stream_id, attempt=attempt)
            case ModelConnected(model, session_id):
                log.debug("the model is connected", model=model, session_id=session_id)
            case SpeechStarted(at=at):
                log.debug("the caller speaks", at=round(at, 3))
            case SpeechStopped(at=at):
                log.debug("the caller is silent", at=round(at, 3))
            case TranscriptFinal() as said:
                log.debug("said", speaker=said.speaker.value, text_pii=said.text, interrupted=said.interrupted)
            case AgentInterrupted(heard=heard, discarded=discarded):
                log.debug("the agent was interrupted", heard=round(heard, 3), discarded=round(discarded, 3))
            case DigitReceived(digit):
                log.debug("the caller pressed a key", digit_pii=digit)
            case TurnMeasured(total=total, detection=detection, model=model):
                log.debug("turn", total=round(total, 3), detection=round(detection, 3), model=round(model, 3))
            case UsageReported(usage=usage):
                log.debug("usage", input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
            case (
                CallQueued() | CallRinging() | CallAnswered() | CallEnded() | CallClosed() | MediaLost()
                | ModelLost() | Warning()
            ):  # fmt: skip
                raise AssertionError("told above")
            case _:
                assert_never(event.payload)


def _what(reason: EndReason, by: EndedBy, message: str) -> dict[str, str]:
    """Why a call ends. A client's reason and the carrier's words may have numbers and names in them."""
    ours = by in (EndedBy.DAEMON, EndedBy.AGENT) or (reason, by) == (EndReason.COMPLETED, EndedBy.CARRIER)
    return _own(message) if ours else _filled(what_pii=message)


def _own(message: str) -> dict[str, str]:
    """A text of the daemon's own: all of it, but for a peer's words, which stand in “ ”."""
    own, quote, _ = message.partition(" “")
    return _filled(what=own, what_pii=message if quote else "")


def _filled(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
