"""Inputs without rhyme or reason: one maker for each kind that can come from outside, fed with names seen lately."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from agenticd.core import inputs, mediastream, realtime
from agenticd.core.events import EndedBy, EndReason, Usage
from tests.explore.model import AUDIO, WORDS

FRAME = AUDIO[0]
STATUSES = (
    *("queued", "initiated", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"),
    *("", "new-word"),
)
ORDERS = (
    (EndReason.COMPLETED, EndedBy.API),
    (EndReason.COMPLETED, EndedBy.API),
    (EndReason.DRAINED, EndedBy.DAEMON),
    (EndReason.MEDIA_LOST, EndedBy.DAEMON),
    (EndReason.FAILED, EndedBy.DAEMON),
)
SIDS = ("CA1", "CA1", "CA1", "CA2", "")
CODES = ("", "response_cancel_not_active", "rate_limit_exceeded", "insufficient_quota", "item_not_found")


class Names:
    """Names that were used lately, for whoever wants to use them wrongly."""

    def __init__(self) -> None:
        self.items = ["a0"]
        self.responses = ["r0"]
        self.streams = ["MZ0"]
        self.marks = ["g0:a0:20", "g0:a0:999999", "nonsense", "g1:a0:x"]


Maker = Callable[[Random, Names], inputs.Input]

MAKERS: Mapping[type, Maker] = {
    inputs.CallPlaced: lambda c, n: inputs.CallPlaced(),
    inputs.CallArrived: lambda c, n: inputs.CallArrived(),
    inputs.CallRecovered: lambda c, n: inputs.CallRecovered(c.choice((0.0, 3.0, 59.0, 4000.0))),
    inputs.DialGranted: lambda c, n: inputs.DialGranted(),
    inputs.DialAnswered: lambda c, n: inputs.DialAnswered(c.choice(SIDS), c.choice(STATUSES)),
    inputs.DialRefused: lambda c, n: inputs.DialRefused(c.choice((0, 21211)), "no"),
    inputs.DialUnanswered: lambda c, n: inputs.DialUnanswered("timeout"),
    inputs.CallSeen: lambda c, n: inputs.CallSeen(c.choice(SIDS), c.choice(STATUSES)),
    inputs.CallNotSeen: lambda c, n: inputs.CallNotSeen(c.random() < 0.3),
    inputs.LookUpFailed: lambda c, n: inputs.LookUpFailed("timeout"),
    inputs.StatusReported: lambda c, n: inputs.StatusReported(
        c.choice(SIDS), c.choice(STATUSES), c.randrange(5), c.choice((0, 486, 603)), c.choice((0, 13224))
    ),
    inputs.VoiceRequested: lambda c, n: inputs.VoiceRequested(c.choice(SIDS)),
    inputs.MediaStarted: lambda c, n: inputs.MediaStarted(c.choice(n.streams) + "x", c.randrange(4)),
    inputs.MediaClosed: lambda c, n: inputs.MediaClosed(c.choice(n.streams), c.random() < 0.5),
    inputs.MediaHeld: lambda c, n: inputs.MediaHeld(c.choice((0, 160, 1600, 80_000))),
    inputs.ModelClosed: lambda c, n: inputs.ModelClosed(c.choice((0, 1000, 1006, 429)), "gone"),
    inputs.HangUpRequested: lambda c, n: inputs.HangUpRequested(*c.choice(ORDERS)),
    inputs.LegHungUp: lambda c, n: inputs.LegHungUp(c.choice((None, *STATUSES))),
    inputs.LegHangUpFailed: lambda c, n: inputs.LegHangUpFailed("timeout"),
    inputs.DeadlinePassed: lambda c, n: inputs.DeadlinePassed(),
    mediastream.MediaReceived: lambda c, n: mediastream.MediaReceived(c.choice(n.streams), FRAME),
    mediastream.MarkEchoed: lambda c, n: mediastream.MarkEchoed(c.choice(n.streams), c.choice(n.marks)),
    mediastream.DigitPressed: lambda c, n: mediastream.DigitPressed(c.choice(n.streams), c.choice("0123456789*#")),
    realtime.SessionCreated: lambda c, n: realtime.SessionCreated("sess", "m", 0),
    realtime.SessionUpdated: lambda c, n: realtime.SessionUpdated("s", "m", "audio/pcmu", c.choice(("", "audio/pcmu"))),
    realtime.SpeechStarted: lambda c, n: realtime.SpeechStarted(c.choice(n.items), c.randrange(9000)),
    realtime.SpeechStopped: lambda c, n: realtime.SpeechStopped(c.choice(n.items), c.randrange(9000)),
    realtime.InputCommitted: lambda c, n: realtime.InputCommitted(c.choice(n.items), None),
    realtime.ItemAdded: lambda c, n: realtime.ItemAdded(
        c.choice(n.items), None, c.choice(("message", "message", "?")), c.choice(("user", "assistant", "system"))
    ),
    realtime.InputTranscriptDelta: lambda c, n: realtime.InputTranscriptDelta(c.choice(n.items), c.choice(WORDS)),
    realtime.InputTranscriptDone: lambda c, n: realtime.InputTranscriptDone(c.choice(n.items), c.choice(WORDS)),
    realtime.InputTranscriptFailed: lambda c, n: realtime.InputTranscriptFailed(c.choice(n.items), "", ""),
    realtime.ResponseCreated: lambda c, n: realtime.ResponseCreated(c.choice(n.responses)),
    realtime.OutputItemAdded: lambda c, n: realtime.OutputItemAdded(
        c.choice(n.responses), c.choice(n.items), "message", "assistant"
    ),
    realtime.AudioDelta: lambda c, n: realtime.AudioDelta(c.choice(n.responses), c.choice(n.items), 0, c.choice(AUDIO)),
    realtime.AudioDone: lambda c, n: realtime.AudioDone(c.choice(n.responses), c.choice(n.items)),
    realtime.OutputTranscriptDelta: lambda c, n: realtime.OutputTranscriptDelta(c.choice(n.items), c.choice(WORDS)),
    realtime.OutputTranscriptDone: lambda c, n: realtime.OutputTranscriptDone(c.choice(n.items), c.choice(WORDS)),
    realtime.FunctionCalled: lambda c, n: realtime.FunctionCalled(
        c.choice(n.responses), c.choice(n.items), "call", c.choice(("end_call", "?")), "{}", c.random() < 0.7
    ),
    realtime.OutputItemDone: lambda c, n: realtime.OutputItemDone(
        c.choice(n.responses), c.choice(n.items), "completed"
    ),
    realtime.ResponseDone: lambda c, n: realtime.ResponseDone(
        c.choice(n.responses), c.choice(("completed", "failed", "cancelled")), "", "", "", Usage(c.randrange(3))
    ),
    realtime.ItemTruncated: lambda c, n: realtime.ItemTruncated(c.choice(n.items), 100),
    realtime.ItemDeleted: lambda c, n: realtime.ItemDeleted(c.choice(n.items)),
    realtime.ModelFault: lambda c, n: realtime.ModelFault("invalid_request_error", c.choice(CODES), "", "", ""),
    realtime.Ignored: lambda c, n: realtime.Ignored("rate_limits.updated"),
}
ALL = tuple(MAKERS.values())
