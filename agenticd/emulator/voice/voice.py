"""Says any text in one of two voices: the clip of a known sentence, else the hum."""

from __future__ import annotations

from agenticd.emulator.voice.clips import Speaker, clip_index
from agenticd.emulator.voice.hum import hum
from agenticd.emulator.voice.texts import key_of


class Voice:
    """The emulator's mouth, agent's and caller's. It has no state: the same text gives the same bytes."""

    def say(self, text: str, speaker: Speaker) -> bytes:
        """`text` as 8 kHz mono mu-law; empty without letters or digits. Case and punctuation are ignored."""
        clip = clip_index().get((speaker, key_of(text)))
        return clip.ulaw if clip is not None else hum(text, speaker)

    def has_clip(self, text: str, speaker: Speaker) -> bool:
        """Whether `say` would answer with rendered speech, not with the hum."""
        return (speaker, key_of(text)) in clip_index()
