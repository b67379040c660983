"""Numbered audio: frames that are told apart, and the tracks on which their way is checked and timed.

No socket here: a track is told of each frame when it is sent and when it arrives.
"""

from __future__ import annotations

import asyncio
import os
import struct
from array import array
from base64 import b64decode
from binascii import b2a_base64
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

FRAME_BYTES = 160
FRAME_SECONDS = 0.020

_HEAD = struct.Struct(">4sII")  # 12 bytes: 16 characters of base64, so that the rest can be put behind it as text
_HEAD_TEXT = 16
_MAGIC = b"\xa5ben"
_BODIES = 8
_SHOWN = 5


class Says(Protocol):
    """Somebody who speaks."""

    def next(self) -> str:
        """The next frame, base64."""


class Voice:
    """What the caller of one call says: 160 bytes a frame (or another size), base64, no two frames the same."""

    def __init__(self, call: int, size: int = FRAME_BYTES) -> None:
        self.said = 0
        """Frames so far: the number of the next one."""
        self._call = call
        self._bodies = [b2a_base64(os.urandom(size - _HEAD.size), newline=False).decode() for _ in range(_BODIES)]

    def next(self) -> str:
        """The next frame."""
        number = self.said
        self.said += 1
        head = b2a_base64(_HEAD.pack(_MAGIC, self._call, number), newline=False)
        return head.decode() + self._bodies[number % _BODIES]


def call_of(payload: str) -> int | None:
    """The call whose voice said this frame; None for other audio."""
    head = _head_of(payload)
    return None if head is None else head[0]


def number_of(payload: str) -> int | None:
    """The frame's number in the voice that said it; None for other audio."""
    head = _head_of(payload)
    return None if head is None else head[1]


def _head_of(payload: str) -> tuple[int, int] | None:
    try:
        magic, call, number = _HEAD.unpack(b64decode(payload[:_HEAD_TEXT], validate=True))
    except (ValueError, struct.error):
        return None
    return (call, number) if magic == _MAGIC else None


@dataclass(slots=True)
class Faults:
    """What went wrong with the audio or the calls: all of it counted, the first few told."""

    count: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """One more."""
        self.count += 1
        if len(self.told) < _SHOWN:
            self.told.append(text)


class Track:
    """One call's audio in one direction. Every frame must arrive once, in its order, as it was sent.

    `name` is for people. Times are of the monotonic clock, in seconds. `delays`, which others may share,
    takes the time of each frame's way.
    """

    def __init__(self, name: str, delays: array[float], faults: Faults) -> None:
        self.name = name
        self.first = asyncio.Event()
        """Something has arrived."""
        self._begun = False
        self._delays = delays
        self._faults = faults
        self._under_way: deque[tuple[str, float]] = deque()

    @property
    def under_way(self) -> int:
        """Frames that were sent and have not arrived."""
        return len(self._under_way)

    def sent(self, payload: str, now: float) -> None:
        """The frame is being sent."""
        self._under_way.append((payload, now))

    def arrived(self, payload: str, now: float) -> None:
        """A frame is there."""
        self._begin()
        if self._under_way:
            expected, at = self._under_way.popleft()
            if payload == expected:
                self._delays.append(now - at)
                return
            self._under_way.appendleft((expected, at))
        self._explain(payload)

    def forget(self) -> None:
        """What is under way was thrown away on purpose."""
        self._under_way.clear()

    def close(self) -> None:
        """Nothing more will arrive: what has not is lost."""
        if self._under_way:
            self._faults.add(f"{self.name}: {len(self._under_way)} frames never arrived")
            self._under_way.clear()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self.first.set()

    def _explain(self, payload: str) -> None:
        """Say what is wrong with it, and go on behind it."""
        for skipped, (expected, _) in enumerate(islice(self._under_way, 1, None), 1):
            if payload == expected:
                self._faults.add(f"{self.name}: {skipped} frames before {_shown(payload)} were lost, or are late")
                for _ in range(skipped + 1):
                    self._under_way.popleft()
                return
        if self._under_way and call_of(payload) == call_of(self._under_way[0][0]):
            self._faults.add(f"{self.name}: {_shown(payload)} came again, late or changed")
        else:
            self._faults.add(f"{self.name}: {_shown(payload)} was never sent on it")


def _shown(payload: str) -> str:
    head = _head_of(payload)
    return f"{len(payload)} characters of other audio" if head is None else f"frame {head[1]} of call {head[0]}"


class Line:
    """One call: what its caller says on its way to the model, and the model's echo on its way back."""

    def __init__(self, number: int, delays: Delays, faults: Faults) -> None:
        self.number = number
        self.faults = faults
        self.voice: Says = Voice(number)
        self.to_model = Track(f"call {number}, caller to model", delays.to_model, faults)
        self.to_caller = Track(f"call {number}, model to caller", delays.to_caller, faults)

    @property
    def under_way(self) -> int:
        """Frames that were sent, in either direction, and have not arrived."""
        return self.to_model.under_way + self.to_caller.under_way

    def answer(self, payload: str) -> str:
        """What the model says to what it heard: the same."""
        return payload

    def close(self) -> None:
        """Nothing more will arrive."""
        self.to_model.close()
        self.to_caller.close()


class Delays:
    """The times of the frames' ways, in seconds, of all calls together."""

    def __init__(self) -> None:
        self.to_model = array("d")
        self.to_caller = array("d")
        self.lateness = array("d")
        """By how much the load generator itself sent its frames late."""

    def clear(self) -> None:
        """Begin anew. The arrays stay the same."""
        for each in (self.to_model, self.to_caller, self.lateness):
            del each[:]
