"""A call's audio for models that take only PCM: base64 to base64, mu-law at 8 kHz to PCM16 at 24 kHz and back.

Only such calls import numpy, and the daemon does that before it is ready (app.py), not in somebody's call.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agenticd.core.resample import Downsampler, Upsampler

LAG = 0.002
"""Seconds: resample.DELAY, without its import."""


class Upwards:
    """From the phone to the model."""

    def __init__(self, resampler: Upsampler) -> None:
        self._resampler = resampler

    def convert(self, payload: str) -> str:
        """The next audio of the caller. What is no base64 is silence: nothing else can be made of it."""
        try:
            data = base64.b64decode(payload, validate=True)
        except binascii.Error:
            return ""
        return base64.b64encode(self._resampler.convert(data)).decode("ascii")


class Downwards:
    """From the model to the phone, one utterance after the other."""

    def __init__(self, resampler: Downsampler) -> None:
        self._resampler = resampler

    def convert(self, delta: str) -> str | None:
        """The next audio of the utterance; None: it is no base64."""
        try:
            data = base64.b64decode(delta, validate=True)
        except binascii.Error:
            return None
        return base64.b64encode(self._resampler.convert(data)).decode("ascii")

    def rest(self) -> str:
        """The utterance is complete: what the filter still holds of it."""
        return base64.b64encode(self._resampler.flush()).decode("ascii")

    def forget(self) -> None:
        """The utterance was cut short."""
        self._resampler.reset()


def upwards() -> Upwards:
    """For one call."""
    from agenticd.core.resample import Upsampler

    return Upwards(Upsampler())


def downwards() -> Downwards:
    """For one call."""
    from agenticd.core.resample import Downsampler

    return Downwards(Downsampler())
