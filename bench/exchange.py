"""One call in which the caller interrupts: what was said, what the phone has played, and what should follow of it.

No socket here: an exchange is told what the model's end and the phone's end of a bridge see, and finds the faults.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from bench.audio import Delays, Faults, Line, Voice, number_of

BYTES_PER_SECOND = 8000
DELTA_BYTES = 1280
DELTA_SECONDS = DELTA_BYTES / BYTES_PER_SECOND
"""160 ms of the model's voice. One every 20 ms is eight times as fast as it is played."""
GROSS_MS = 500.0
"""A difference that no busy machine explains. (The bar is 40 ms, and is judged by people.)"""


class Playback:
    """The phone's buffer, as it is: what comes is played behind what came before, in real time, until a clear."""

    def __init__(self) -> None:
        self.end = 0.0
        """When all of it will have been played."""
        self._received = 0

    def play(self, size: int, now: float) -> None:
        """So many bytes of mu-law came."""
        self._received += size
        self.end = max(self.end, now) + size / BYTES_PER_SECOND

    def unplayed(self, now: float) -> float:
        """Seconds."""
        return max(0.0, self.end - now)

    def played(self, now: float) -> float:
        """Seconds since the last `clear` or `begin`, without those in which there was nothing to play."""
        return max(0.0, self._received / BYTES_PER_SECOND - self.unplayed(now))

    def begin(self) -> None:
        """From here on another answer is played. All before it has been."""
        self._received = 0

    def clear(self, now: float) -> None:
        """Throw away what was not played."""
        self._received = 0
        self.end = now


class Figures:
    """What the interruptions of all calls together showed, in seconds."""

    def __init__(self) -> None:
        self.delays = array("d")
        """From the model's speech_started to the phone's clear."""
        self.errors = array("d")
        """By how much the model was told of too much (or too little: no sign) that was heard."""
        self.needless = 0
        """Speech with nothing to clear, and nothing cleared."""

    def clear(self) -> None:
        """Begin anew. The arrays stay the same."""
        del self.delays[:], self.errors[:]
        self.needless = 0


@dataclass(slots=True)
class _Interruption:
    """The caller speaks. `sent` is when the model said so; `truth` and `told` are in milliseconds."""

    sent: float
    needed: bool
    cleared: bool = False
    truth: float = 0.0
    received: float = 0.0
    told: int | None = None


@dataclass(frozen=True, slots=True)
class Ids:
    """How the model names what belongs to one answer."""

    response: str
    item: str
    user: str
    previous: str


class Exchange(Line):
    """One call. `plain`: its bridge knows nothing but to clear, so it need not tell the model what was heard.

    Answers are numbered; the model's end says of each delta that it is sent, and whether it is late: said after the
    interruption, so that the phone must never get it.
    """

    def __init__(self, number: int, delays: Delays, figures: Figures, faults: Faults, *, plain: bool) -> None:
        super().__init__(number, delays, faults)
        self.playback = Playback()
        self.plain = plain
        self.settled: Callable[[], None] = lambda: None
        """Called when everything that an interruption asks for has come."""
        self._figures = figures
        self._agent = Voice(number + 500_000, DELTA_BYTES)
        self._answers = count(1)
        self._ids = Ids("", "", "", "")
        self._from = 0  # the number of the present answer's first delta
        self._until: int | None = None  # of the first that came too late for it
        self._interruption: _Interruption | None = None

    # The model's end.

    def begin(self) -> Ids:
        """The model begins an answer."""
        answer = next(self._answers)
        name = f"{self.number}_{answer}"
        self._ids = Ids(f"resp_{name}", f"item_{name}", f"user_{name}", self._ids.user)
        self._from, self._until = self._agent.said, None
        self.playback.begin()
        return self._ids

    def say(self, now: float) -> str:
        """Its next delta, on its way."""
        payload = self._agent.next()
        self.to_caller.sent(payload, now)
        return payload

    def say_late(self) -> str:
        """Its next delta, which the phone must not get."""
        return self._agent.next()

    def interrupt(self, now: float, *, needed: bool) -> None:
        """The model says that speech started; with `needed` there is something to clear."""
        self._until = self._agent.said
        self._interruption = _Interruption(now, needed)

    def truncated(self, item: str, audio_end_ms: int) -> None:
        """The model was told how much was heard."""
        found = self._interruption
        if found is None or not found.needed:
            self._fault("the model was told of a truncation although nothing was cut")
        elif item != self._ids.item:
            self._fault(f"{item or 'no item'} was truncated, and not {self._ids.item}")
        elif found.told is not None:
            self._fault(f"{item} was truncated twice")
        else:
            found.told = audio_end_ms
            self._look(found)

    def deleted(self, item: str) -> None:
        """The model was told to forget an item."""
        self._fault(f"{item} was deleted although it was heard")

    def end(self) -> None:
        """Nothing more is awaited of the interruption: what did not come is missing."""
        found, self._interruption = self._interruption, None
        if found is None:
            return
        if not found.needed:
            self._figures.needless += not found.cleared
            return
        if not found.cleared:
            self._fault("no clear came")
        if found.told is None and not self.plain:
            self._fault("the model was not told how much was heard")

    # The phone's end.

    def heard(self, payload: str, now: float) -> None:
        """The phone got audio."""
        number = number_of(payload)
        found = self._interruption
        late = number is not None and (number < self._from or (self._until is not None and number >= self._until))
        if late or (found is not None and found.cleared):
            self._fault(f"audio of an interrupted answer (its delta {number}) was sent to the phone")
            return
        self.to_caller.arrived(payload, now)
        self.playback.play(len(payload) // 4 * 3 - payload.count("=", -2), now)

    def cleared(self, now: float) -> None:
        """The phone was told to clear."""
        found = self._interruption
        if found is None:
            self._fault("the bridge cleared audio although nobody spoke")
            return
        if found.cleared or not found.needed:
            why = "twice" if found.cleared else "although everything was played"
            found.cleared = True
            self._fault(f"the bridge cleared audio {why}")
            return
        found.cleared = True
        self._figures.delays.append(now - found.sent)
        found.truth = 1000 * self.playback.played(now)
        found.received = found.truth + 1000 * self.playback.unplayed(now)
        self.playback.clear(now)
        self.to_caller.forget()  # what its ring held is gone, as it should be
        self._look(found)

    def _look(self, found: _Interruption) -> None:
        """Once both have come: compare, and go on."""
        if not found.cleared or (found.told is None and not self.plain):
            return
        if found.told is not None:
            error = found.told - found.truth
            self._figures.errors.append(error / 1000)
            if found.told > found.received + 1:
                self._fault(f"{found.told} ms were said to be heard, of {found.received:.0f} ms that the phone got")
            elif abs(error) > GROSS_MS:
                self._fault(f"{found.told} ms were said to be heard, and the phone had played {found.truth:.0f} ms")
        self.settled()

    def _fault(self, text: str) -> None:
        self.faults.add(f"call {self.number}: {text}")
