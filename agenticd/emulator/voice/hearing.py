"""Understands speech within a grammar. A program of its own, `python -m agenticd.emulator.voice.hearing`.

The only place that touches pocketsphinx; nothing imports this, grammar.py starts it. A request is 4 bytes of length,
then 4 bytes of length and the grammar as JSON, then 8 kHz mu-law; the answer is 4 bytes of length and JSON. The first
answer is empty and says that it is ready. It ends when stdin does.
"""

from __future__ import annotations

import functools
import json
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pocketsphinx import Decoder

from agenticd.emulator.voice import child, ulaw
from agenticd.emulator.voice.texts import words_of

_MOST_REQUEST = 4 * 1024 * 1024
_RATE = 2 * ulaw.RATE  # what the acoustic model was trained on
# Of the band above the telephone's: the model was trained with one, and a mirror of the band below is better than none.
_IMAGE = 0.6
_TAPS = 63
_MOST_SEARCHES = 8
_QUIET = bytes([ulaw.SILENCE]) * (ulaw.RATE * 3 // 10)  # around the speech, as a microphone would have it
# Wide beams and no second pass: with pocketsphinx's own, it loses the end of half of what a synthesised voice says.
_BEAMS = {"beam": 1e-100, "wbeam": 1e-80, "pbeam": 1e-100, "bestpath": False}


@functools.cache
def _half_band() -> npt.NDArray[np.float64]:
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    kernel = np.sinc(at / 2) * np.kaiser(_TAPS, 7.0)
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


def widened(audio: bytes) -> bytes:
    """mu-law at 8 kHz as 16-bit samples at 16 kHz, with the mirrored band above."""
    samples = ulaw.decode(audio).astype(np.float64)
    spread = np.zeros(2 * len(samples))
    spread[::2] = samples * 2
    below = np.convolve(spread, _half_band(), mode="same")
    wide = below + _IMAGE * (spread - below)
    return np.clip(np.round(wide), -32768, 32767).astype(np.int16).tobytes()


class Hearing:
    """A decoder, and the grammars that it knows."""

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=_RATE, lm=None, loglevel="FATAL", **_BEAMS)
        self._names: dict[str, str] = {}

    def unknown(self, words: list[str]) -> list[str]:
        """Words that are in no dictionary."""
        return [word for word in words if self._decoder.lookup_word(word) is None]

    def hear(self, grammar: str, audio: bytes) -> dict[str, object]:
        """What is said, and which sentences of the grammar can never be. The error, if the grammar is none."""
        asked = json.loads(grammar)
        if "jsgf" in asked:
            rules = str(asked["jsgf"])
            never: list[str] = []
        else:
            rules, never = self._rules(asked["sentences"])
        try:
            self._activate(rules)
        except (RuntimeError, ValueError, KeyError) as error:
            return {"error": f"pocketsphinx does not take this grammar: {error}"}
        if not audio:
            return {"text": "", "never": never}
        self._decoder.start_utt()
        self._decoder.process_raw(widened(_QUIET + audio + _QUIET), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return {"text": found.hypstr if found is not None else "", "never": never}

    def _rules(self, sentences: list[str]) -> tuple[str, list[str]]:
        said: list[str] = []
        never: list[str] = []
        for sentence in sentences:
            words = words_of(sentence)
            (never if not words or self.unknown(words) else said).append(sentence)
        alternatives = " | ".join(" ".join(words_of(sentence)) for sentence in said)
        return f"#JSGF V1.0;\ngrammar sentences;\npublic <said> = ( {alternatives or '<NULL>'} );\n", never

    def _activate(self, rules: str) -> None:
        name = self._names.get(rules)
        if name is None:
            if len(self._names) >= _MOST_SEARCHES:
                oldest = next(iter(self._names))
                self._decoder.activate_search(self._names[next(reversed(self._names))])
                self._decoder.remove_search(self._names.pop(oldest))
            name = f"g{len(self._names)}-{hash(rules) & 0xFFFFFFFF:x}"
            self._decoder.add_jsgf_string(name, rules)
            self._names[rules] = name
        self._decoder.activate_search(name)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers until there are no more requests. ValueError if they are none."""
    hearing = Hearing()
    child.answer(answers, b"")
    while len(head := requests.read(child.LENGTH.size)) == child.LENGTH.size:
        (length,) = child.LENGTH.unpack(head)
        if not child.LENGTH.size < length <= _MOST_REQUEST:
            raise ValueError(f"a request has {length} bytes")
        request = requests.read(length)
        if len(request) < length:
            return
        (size,) = child.LENGTH.unpack_from(request)
        grammar, audio = request[child.LENGTH.size :][:size], request[child.LENGTH.size + size :]
        child.answer(answers, json.dumps(hearing.hear(grammar.decode(), audio)).encode())


if __name__ == "__main__":
    child.run(serve)
