"""The emulator's mouth and ears: clips of speech, espeak-ng or a hum for all other texts, recognisers of them."""

from agenticd.emulator.voice.clips import Clip, Speaker, load_clips
from agenticd.emulator.voice.espeak import Espeak
from agenticd.emulator.voice.grammar import BadGrammar, Grammar
from agenticd.emulator.voice.recogniser import Recogniser
from agenticd.emulator.voice.voice import Voice

__all__ = ["BadGrammar", "Clip", "Espeak", "Grammar", "Recogniser", "Speaker", "Voice", "load_clips"]
