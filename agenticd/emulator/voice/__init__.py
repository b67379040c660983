"""The emulator's mouth and ears: clips of speech, a hum for all other texts, a recogniser of both."""

from agenticd.emulator.voice.clips import Clip, Speaker, load_clips
from agenticd.emulator.voice.recogniser import Recogniser
from agenticd.emulator.voice.voice import Voice

__all__ = ["Clip", "Recogniser", "Speaker", "Voice", "load_clips"]
