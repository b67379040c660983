"""A telephone and the person who holds it: a pure machine, told the time, that says what leaves the phone.

It sends a frame of 20 ms for every 20 ms since the answer, on that schedule and no other, and keeps both
directions on one time line. Who it talks to, and over what, is not known here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from agenticd.emulator.phone import dtmf
from agenticd.emulator.phone.ear import FRAME, Ear, is_voice
from agenticd.emulator.phone.playout import RATE, SILENCE, Playout
from agenticd.emulator.phone.script import Line, PhoneScript
from agenticd.emulator.voice import Speaker
from agenticd.emulator.voice.texts import key_of

FRAME_SECONDS = FRAME / RATE
_KEY_FRAMES = 10  # 0.2 s for each key: pressed for half of it
_PUNCTUAL = 2  # frames at once: with more, the process that the telephone lives in stood still


class Speech(Protocol):
    """A mouth; `agenticd.emulator.voice.Voice` is one."""

    def say(self, text: str, speaker: Speaker) -> bytes:
        """`text` in that voice, as 8 kHz mono mu-law."""


@dataclass(frozen=True, slots=True)
class Press:
    """A key goes down."""

    digit: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The person hangs up; nothing follows."""


Act: TypeAlias = bytes | Press | HangUp
"""What leaves the telephone: 160 bytes of mu-law (20 ms), a key, or the end of the call."""


What: TypeAlias = Literal["line", "line-end", "press", "hang-up", "agent", "agent-end", "heard-digit"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something worth knowing about a call afterwards; `at` is in s since the answer."""

    at: float
    what: What
    text: str = ""


class Phone:
    """One person's part in one call, from the answer to the end.

    `sent` and `heard` are mu-law, byte n being sample n since the answer; `heard` is what the playout buffer
    played, silence where it had nothing. `timeline` tells when lines began and ended, the agent's speech, and the keys
    whose tones were heard.
    """

    def __init__(self, script: PhoneScript, speech: Speech) -> None:
        self.script = script
        self.playout = Playout()
        self.sent = bytearray()
        self.timeline: list[Moment] = []
        self._lines = deque((line, _audio(line, speech)) for line in script.lines)
        self._ear = Ear()
        self._keys = dtmf.Detector()
        self._answered: float | None = None
        self._frames = 0  # frames sent
        self._saying: _Saying | None = None
        self._free_since = 0  # the frame in which the previous line had ended
        self._gone = False
        self._agent_speaks = False
        self._understood: list[str] = []  # what the agent said since the last line began, as far as it is known

    @property
    def heard(self) -> bytearray:
        """What the person heard of the agent: mu-law, byte n is sample n since the answer."""
        return self.playout.heard

    @property
    def lines_left(self) -> int:
        """Lines that were not begun."""
        return len(self._lines)

    def answer(self, now: float) -> None:
        """The call begins. `now` is any clock's seconds; all later times are of the same clock."""
        assert self._answered is None, "a telephone is answered once"
        self._answered = now

    def seconds(self, now: float) -> float:
        """Where `now` is on the call's time line: s since the answer."""
        assert self._answered is not None, "the time line begins with the answer"
        return now - self._answered

    def clock(self, at: float) -> float:
        """What the clock shows at a time on the call's time line."""
        assert self._answered is not None, "the time line begins with the answer"
        return self._answered + at

    def next_due(self) -> float:
        """When `tick` has something to do next."""
        assert self._answered is not None, "the time line begins with the answer"
        return self._answered + (self._frames + 1) * FRAME_SECONDS

    def tick(self, now: float) -> list[Act]:
        """All that left the telephone since the last time: one frame for each whole 20 ms that passed.

        Where that is long ago, what the agent sent meanwhile is not in the playout yet. It is played when it comes, and
        the person does not take the gap for the agent's silence.
        """
        acts: list[Act] = []
        due = int(self.seconds(now) / FRAME_SECONDS + 1e-6)
        while self._frames < due and not self._gone:
            self._frame(acts, late=due - self._frames > _PUNCTUAL)
        return acts

    def hear_no_more(self, now: float) -> None:
        """The line is down at `now`: the time line is complete."""
        self._gone = True
        self.playout.reset(self.seconds(now))
        if self._agent_speaks:
            self._note_agent(False)

    def _frame(self, acts: list[Act], *, late: bool) -> None:
        self._begin_line(acts)
        if self._gone:
            return
        saying = self._saying is not None
        frame = self._speak(acts)
        start = self._frames * FRAME
        self._frames += 1
        if saying and is_voice(frame):
            self._ear.caller_sounded()
        self.playout.advance(self._frames * FRAME_SECONDS)
        heard = bytes(self.playout.heard[start : start + FRAME])
        self._ear.listen(heard, late=late)
        key = self._keys.listen(heard)
        if key is not None:
            self._note("heard-digit", key)
        if self._ear.speaking != self._agent_speaks:
            self._note_agent(self._ear.speaking)
        self.sent += frame
        acts.append(frame)

    def _begin_line(self, acts: list[Act]) -> None:
        if self._saying is not None:
            return
        if not self._lines:
            if self.script.at_end == "hang_up":
                self._leave(acts)
            return
        line, audio = self._lines[0]
        if not self._is_due(line):
            return
        self._lines.popleft()
        self._understood.clear()
        self._note("line", line.say or "")
        if line.hang_up:
            self._leave(acts)
        else:
            self._saying = _Saying(line, audio)

    def _is_due(self, line: Line) -> bool:
        pause = line.pause / FRAME_SECONDS - 1e-6
        match line.after:
            case "time":
                return self._frames - self._free_since >= pause
            case "agent":
                return self._ear.answered and self._ear.silent_for() >= pause
            case "over":
                spoken = self._ear.speaking_for()
                return spoken > 0 and spoken >= pause
            case "words":
                return key_of(line.words) in " ".join(self._understood) and self._ear.silent_for() >= pause

    def _speak(self, acts: list[Act]) -> bytes:
        """The next 20 ms of what the telephone sends."""
        saying = self._saying
        if saying is None:
            return self._noise()
        at = saying.frames
        saying.frames += 1
        if saying.line.press is not None and at % _KEY_FRAMES == 0:
            digit = saying.line.press[at // _KEY_FRAMES]
            self._note("press", digit)
            self._ear.caller_sounded()
            acts.append(Press(digit))
        frame = saying.audio[at * FRAME : (at + 1) * FRAME]
        if (at + 1) * FRAME >= len(saying.audio):
            self._saying = None
            self._free_since = self._frames + 1
            ended = self._frames * FRAME + len(frame)
            self.timeline.append(Moment(ended / RATE, "line-end", saying.line.say or ""))
        return frame.ljust(FRAME, SILENCE)

    def _noise(self) -> bytes:
        noise = self.script.noise
        if not noise:
            return SILENCE * FRAME
        start = len(self.sent) % len(noise)
        return (noise[start:] + noise * (FRAME // len(noise) + 1))[:FRAME]

    def _leave(self, acts: list[Act]) -> None:
        self._gone = True
        self._note("hang-up")
        acts.append(HangUp())

    def _note_agent(self, speaks: bool) -> None:
        """Noticed only now, but told from when it was: an end is known after a silence."""
        self._agent_speaks = speaks
        frame = self._ear.began if speaks else self._ear.ended
        if not speaks and self.script.understands is not None and any(line.words for line, _ in self._lines):
            text = self.script.understands(bytes(self.heard[self._ear.began * FRAME : frame * FRAME]))
            self._understood.append(key_of(text or ""))
        self.timeline.append(Moment(round(frame * FRAME_SECONDS, 3), "agent" if speaks else "agent-end"))

    def _note(self, what: What, text: str = "") -> None:
        self.timeline.append(Moment(round(self._frames * FRAME_SECONDS, 3), what, text))


@dataclass(slots=True)
class _Saying:
    line: Line
    audio: bytes
    frames: int = 0  # sent so far


def _audio(line: Line, speech: Speech) -> bytes:
    """What the telephone sends while this line lasts."""
    if line.say is not None:
        return speech.say(line.say, "caller")
    if line.press is not None:
        return SILENCE * (FRAME * _KEY_FRAMES * len(line.press))
    return line.audio or b""
