"""The ears for callers whom nobody taught: pocketsphinx within a grammar, in a child process (`agenticd[recognition]`).

For demonstrations and tests. It has no threshold that rejects: foreign speech is forced into the grammar, so what it
says was said may be something else altogether.
"""

from __future__ import annotations

import importlib.util
import json
import struct
import threading
from collections.abc import Sequence

from agenticd.emulator.voice import ulaw
from agenticd.emulator.voice.recogniser import fingerprint
from agenticd.emulator.voice.texts import key_of
from agenticd.emulator.voice.worker import Worker, WorkerFailed

_MOST_SECONDS = 60  # of one turn; what comes later is not heard
_MOST_SENTENCES = 1000


class BadGrammar(ValueError):
    """The grammar is none; the text says why."""


class Grammar:
    """Sentences, or a JSGF grammar as text; `close` it. Its methods block, and may be called from any thread."""

    def __init__(self, sentences: Sequence[str] = (), jsgf: str = "") -> None:
        if bool(sentences) == bool(jsgf):
            raise BadGrammar("a grammar is sentences or JSGF, one of the two")
        if len(sentences) > _MOST_SENTENCES:
            raise BadGrammar(f"a grammar has {_MOST_SENTENCES} sentences at most")
        self._texts = {key_of(sentence): sentence for sentence in sentences}
        asked = {"jsgf": jsgf} if jsgf else {"sentences": list(sentences)}
        body = json.dumps(asked).encode()
        self._head = struct.pack(">I", len(body)) + body
        self._worker = Worker("agenticd.emulator.voice.hearing", seconds=30.0)
        self._lock = threading.Lock()
        self._closed = False

    @staticmethod
    def installed() -> bool:
        """Whether the extra is there."""
        return importlib.util.find_spec("pocketsphinx") is not None

    @classmethod
    def of(cls, text: str) -> Grammar:
        """From a file's text: JSGF if it begins with #JSGF, else a sentence a line, # begins a comment."""
        if text.lstrip("\ufeff \t\r\n").startswith("#JSGF"):
            return cls(jsgf=text.lstrip("\ufeff"))
        lines = (line.strip() for line in text.splitlines())
        sentences = [line for line in lines if line and not line.startswith("#")]
        if not sentences:
            raise BadGrammar("there is no sentence in it")
        return cls(sentences)

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._worker.pid

    def check(self) -> list[str]:
        """Sentences with words that no dictionary has: they are never heard. BadGrammar if there is no other."""
        answer = self._ask(b"")
        if "error" in answer:
            raise BadGrammar(str(answer["error"]))
        never = answer.get("never")
        missed = [str(sentence) for sentence in never] if isinstance(never, list) else []
        if self._texts and len(missed) >= len(self._texts):
            raise BadGrammar(f"the dictionary has not all words of any sentence, such as {missed[0]!r}")
        return missed

    def text_of(self, audio: bytes) -> str | None:
        """The sentence that this 8 kHz mu-law is most like; None for silence, and where nothing could be done."""
        if not fingerprint(ulaw.decode(audio)).any():
            return None
        try:
            words = str(self._ask(audio[: _MOST_SECONDS * ulaw.RATE]).get("text", ""))
        except BadGrammar:
            return None
        return self._texts.get(key_of(words), "" if self._texts else words) or None

    def _ask(self, audio: bytes) -> dict[str, object]:
        with self._lock:
            if self._closed:
                raise BadGrammar("no recognition: it was closed")
            try:
                answer: dict[str, object] = json.loads(self._worker.ask(self._head + audio))
            except WorkerFailed as error:
                raise BadGrammar(f"no recognition: {error}") from None
        return answer

    def close(self) -> None:
        """Ends the child, for good: a thread that comes later starts no other."""
        with self._lock:
            self._closed = True
            self._worker.close()
