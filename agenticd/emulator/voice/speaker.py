"""Speaks: texts in, 8 kHz mu-law out. A program of its own, `python -m agenticd.emulator.voice.speaker`.

The only place that touches espeak-ng, which is GPL-3; nothing imports this, espeak.py starts it. On stdin, each request
is 4 bytes of length, a letter for the voice and a text; on stdout, each answer is 4 bytes of length and the audio. The
first answer is empty and says that it is ready. It ends when stdin does.
"""

from __future__ import annotations

import ctypes
import os
from typing import BinaryIO

import espeakng_loader
import numpy as np

from agenticd.emulator.voice import child, ulaw
from agenticd.emulator.voice.telephone import as_heard

# As <espeak-ng/speak_lib.h> has them.
_SYNCHRONOUS, _UTF_8, _DONT_EXIT = 2, 1, 0x8000
_RATE, _PITCH = 1, 3
_OK = 0

_VOICES = {b"a": (b"en-us+f3", 165, 75), b"c": (b"en-us+m3", 165, 35)}  # voice, words a minute, pitch
_MOST_SECONDS = 180
_MOST_REQUEST = 64 * 1024


class Synthesiser:
    """espeak-ng, loaded and ready. RuntimeError if it cannot be."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._heard: list[bytes] = []
        self._left = 0
        samples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = samples(self._take)  # kept: the library keeps only its address
        data = os.fsencode(espeakng_loader.get_data_path())
        self._rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT))
        if self._rate <= 0:
            raise RuntimeError("espeak-ng cannot be initialised")
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: int | None) -> int:
        if count > 0:  # else it is a null pointer: the end
            self._heard.append(ctypes.string_at(wave, count * 2))
            self._left -= count
        return 0 if self._left > 0 else 1  # 1: enough

    def say(self, voice: bytes, text: bytes) -> bytes:
        """A UTF-8 text as mu-law."""
        name, rate, pitch = _VOICES[voice]
        if self._library.espeak_SetVoiceByName(name) != _OK:
            raise RuntimeError(f"espeak-ng has no voice {name.decode()}")
        self._library.espeak_SetParameter(_RATE, rate, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        self._heard, self._left = [], _MOST_SECONDS * self._rate
        whole = text + b"\0"
        size = ctypes.c_size_t(len(whole))
        if self._library.espeak_Synth(whole, size, 0, 0, 0, _UTF_8, None, None) != _OK:
            raise RuntimeError("espeak-ng does not speak")
        samples = np.frombuffer(b"".join(self._heard), dtype=np.int16).astype(np.float64) / 32768
        return ulaw.encode(as_heard(samples, self._rate))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers until there are no more requests. ValueError if they are none."""
    synthesiser = Synthesiser()
    child.answer(answers, b"")
    while len(head := requests.read(child.LENGTH.size)) == child.LENGTH.size:
        (length,) = child.LENGTH.unpack(head)
        if not 1 < length <= _MOST_REQUEST:
            raise ValueError(f"a request has {length} bytes")
        request = requests.read(length)
        if len(request) < length:
            return
        # espeak-ng says a text a little differently after another one. In a process that says one only, it never does.
        speaking = os.fork()
        if not speaking:
            try:
                child.answer(answers, synthesiser.say(request[:1], request[1:]))
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(speaking, 0)[1]:
            raise RuntimeError("espeak-ng could not say this")


if __name__ == "__main__":
    child.run(serve)
