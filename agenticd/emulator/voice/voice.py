"""Says any text in one of two voices: the clip of a known sentence, else espeak-ng where it is there, else the hum."""

from __future__ import annotations

from typing import Protocol

from agenticd.emulator.voice.clips import Speaker, clip_index
from agenticd.emulator.voice.hum import hum
from agenticd.emulator.voice.texts import key_of


class Synthesiser(Protocol):
    """Says what has no clip; `Espeak` is one."""

    def say(self, text: str, speaker: Speaker) -> bytes:
        """8 kHz mu-law; empty where it cannot."""


class Voice:
    """The emulator's mouth, agent's and caller's. The same text gives the same bytes."""

    def __init__(self, synthesiser: Synthesiser | None = None) -> None:
        self._synthesiser = synthesiser

    def say(self, text: str, speaker: Speaker) -> bytes:
        """`text` as 8 kHz mono mu-law; empty without letters or digits. Case and punctuation are ignored."""
        clip = clip_index().get((speaker, key_of(text)))
        if clip is not None:
            return clip.ulaw
        spoken = b"" if self._synthesiser is None else self._synthesiser.say(text, speaker)
        return spoken or hum(text, speaker)

    def has_clip(self, text: str, speaker: Speaker) -> bool:
        """Whether `say` would answer with rendered speech, not with the hum."""
        return (speaker, key_of(text)) in clip_index()
