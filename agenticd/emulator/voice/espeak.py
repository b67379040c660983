"""The mouth for every text, where the extra `agenticd[voice]` is installed: espeak-ng, in a child process."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict

from agenticd.emulator.voice.clips import Speaker
from agenticd.emulator.voice.worker import Worker, WorkerFailed

_MOST_TEXT = 4000  # characters; at 15 a second, four minutes
_MOST_KEPT = 24 * 1024 * 1024  # bytes of audio
_LETTERS: dict[Speaker, bytes] = {"agent": b"a", "caller": b"c"}


class Espeak:
    """Says texts, and remembers what it said; `close` it. Where the child fails twice on a text, that is not said."""

    def __init__(self) -> None:
        self._worker = Worker("agenticd.emulator.voice.speaker")
        self._said: OrderedDict[tuple[Speaker, str], bytes] = OrderedDict()
        self._kept = 0

    @staticmethod
    def installed() -> bool:
        """Whether the extra is there."""
        return importlib.util.find_spec("espeakng_loader") is not None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._worker.pid

    def start(self) -> None:
        """Starts the child now, so that the first text need not wait for it."""
        try:
            self._worker.start()
        except WorkerFailed:
            return  # who speaks first will see that

    def say(self, text: str, speaker: Speaker) -> bytes:
        """8 kHz mu-law; empty for what cannot be said."""
        plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MOST_TEXT]
        if not any(map(str.isalnum, plain)):
            return b""
        key = (speaker, plain)
        if key in self._said:
            self._said.move_to_end(key)
            return self._said[key]
        try:
            audio = self._worker.ask(_LETTERS[speaker] + plain.encode(errors="ignore"))
        except WorkerFailed:
            audio = b""
        self._said[key] = audio
        self._kept += len(audio)
        while self._kept > _MOST_KEPT:
            self._kept -= len(self._said.popitem(last=False)[1])
        return audio

    def close(self) -> None:
        """Ends the child."""
        self._worker.close()
