"""Is the agent speaking? Judged as a person would, by the energy of what is heard, frame by frame. Pure.

It only decides when a scripted person says the next line: the agent is not judged by it.
"""

from __future__ import annotations

import numpy as np

from agenticd.emulator.voice import ulaw

FRAME = 160
"""mu-law bytes in a frame of 20 ms."""

_LOUD = 256  # mean of |sample| (16 bit), -42 dBFS: a clear voice is far above, a line's noise below
_SHIFT = 4  # magnitudes are kept in a byte each: up to 4080, then flat, which changes no verdict
_LEVEL = bytes(np.minimum(np.abs(ulaw.decode(bytes(range(256))).astype(np.int32)) >> _SHIFT, 255).astype(np.uint8))
_LOUD_FRAME = FRAME * (_LOUD >> _SHIFT)
_SILENT_FRAME = bytes([ulaw.SILENCE]) * FRAME

_GAP = 15  # frames (0.3 s): a shorter silence is a pause inside one run of speech
_NEW_RUN = 5  # voiced frames (0.1 s) that make a run of speech out of a click
_RUN_ON = 25  # voiced frames (0.5 s) after the caller, of a run begun before: the agent was not interrupted


def is_voice(frame: bytes) -> bool:
    """Whether 20 ms of mu-law are loud enough to be speech."""
    return frame != _SILENT_FRAME and sum(frame.translate(_LEVEL)) >= _LOUD_FRAME


class Ear:
    """Listens to the agent, 20 ms at a time, and keeps what the caller's next line depends on."""

    def __init__(self) -> None:
        self._now = 0  # frames listened to
        self._caller = 0  # when the caller last made a sound
        self._voice_at = -1  # the last voiced frame
        self._quiet = _GAP  # frames without voice after it
        self._onset = 0  # where the current or last run of speech began
        self._in_run = 0  # voiced frames of that run
        self._since_caller = 0  # voiced frames since the caller's last sound
        self._unknown = 0  # late frames without voice, since the run began or the caller last sounded

    @property
    def began(self) -> int:
        """The frame in which the present or last run of speech began."""
        return self._onset

    @property
    def ended(self) -> int:
        """The frame after the agent's last sound so far."""
        return self._voice_at + 1

    @property
    def speaking(self) -> bool:
        """Whether the agent's voice sounds in this frame; a short pause inside speech does not end it."""
        return self._in_run > 0 and self._quiet < _GAP

    @property
    def answered(self) -> bool:
        """Whether the agent has spoken since the caller's last sound. Ending a sentence is not an answer."""
        fresh = self._onset >= self._caller and self._in_run >= _NEW_RUN
        return fresh or self._since_caller >= _RUN_ON

    def listen(self, frame: bytes, *, late: bool = False) -> None:
        """Hear the next 20 ms of the agent.

        The silence of a frame that is listened to late is nobody's: what belongs there may not have been read yet.
        """
        if is_voice(frame):
            if self._quiet >= _GAP:
                self._onset, self._in_run, self._unknown = self._now, 0, 0
            self._voice_at, self._quiet = self._now, 0
            self._in_run += 1
            self._since_caller += 1
        elif late:
            self._unknown += 1
        else:
            self._quiet += 1
        self._now += 1

    def caller_sounded(self) -> None:
        """The caller makes a sound in the frame that is listened to next."""
        self._caller = self._now + 1
        self._since_caller = self._unknown = 0

    def silent_for(self) -> int:
        """Frames since the agent's voice last sounded."""
        return self._quiet

    def speaking_for(self) -> int:
        """Frames since the agent began to speak, or since the caller last did if that is later; 0: silent."""
        if not (self.speaking and self.answered):
            return 0
        return self._now - max(self._onset, self._caller) - self._unknown
