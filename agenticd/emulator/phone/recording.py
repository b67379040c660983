"""The wav of a call, as recorded at the telephone: the caller left, the agent as heard right."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from agenticd.emulator.voice import ulaw


def write_wav(path: Path, caller: bytes | bytearray, agent: bytes | bytearray) -> None:
    """Write a stereo wav, PCM16 at 8 kHz. `caller` and `agent` are mu-law from the same moment on.

    The shorter one is filled up with silence.

    Raises:
        OSError: if the file cannot be written.

    """
    samples = max(len(caller), len(agent))
    silence = bytes([ulaw.SILENCE])
    stereo = np.empty((samples, 2), dtype="<i2")
    for channel, audio in enumerate((caller, agent)):
        stereo[:, channel] = ulaw.decode(bytes(audio).ljust(samples, silence))
    # Opened here: of a file that cannot be, wave leaves a writer behind which complains when it is collected.
    with path.open("wb") as bare, wave.open(bare, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(ulaw.RATE)
        file.writeframes(stereo.tobytes())
