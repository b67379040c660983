"""Listens to the caller: the input audio buffer, where turns begin and end in it, and long silences.

What a turn means for the conversation is the session's.
"""

from __future__ import annotations

from typing import Protocol

from agenticd.emulator.realtime.buffer import InputBuffer
from agenticd.emulator.realtime.formats import Ear
from agenticd.emulator.realtime.schema import ClientError, JsonValue
from agenticd.emulator.realtime.settings import Settings
from agenticd.emulator.realtime.turns import SpeechStarted, SpeechStopped, TurnDetector, TurnEvent
from agenticd.emulator.voice import ulaw

_LEAST_COMMIT_MS = 100
_KEPT_MS = 500  # before a turn's padding, while nobody speaks


class Host(Protocol):
    """What a listener needs of its session."""

    @property
    def responding(self) -> bool:
        """Whether a response writes to the conversation."""

    def emit(self, kind: str, **fields: JsonValue) -> None:
        """Sends an event."""

    def new_id(self, prefix: str) -> str:
        """An id that was not there before."""

    def add_turn(self, item_id: str, audio: bytes) -> None:
        """The buffer was committed; `audio` is 8 kHz mu-law."""

    def interrupt(self) -> None:
        """The caller began to speak."""

    def respond_by_itself(self, *, idle: bool = False) -> None:
        """It is the model's turn."""


class Listener:
    """One session's ears."""

    def __init__(self, host: Host, settings: Settings) -> None:
        self._host = host
        self._buffer = InputBuffer()
        self._ear = Ear(settings.input_format)
        self._detector: TurnDetector | None = None
        self._turn: tuple[str, int] | None = None  # item id and start of the speech that goes on
        self._quiet_since_ms: int | None = None  # the end of the last answer
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Takes over the session's format and turn detection; what was appended before was read as it was."""
        if settings.input_format is not self._ear.format:
            self._ear = Ear(settings.input_format)
        wanted = settings.turn_detection
        if wanted is None:
            self._detector = self._turn = None
        elif self._detector is None:
            self._detector = TurnDetector(wanted, self._buffer.now_ms)
        else:
            self._detector.adopt(wanted)

    def append(self, audio: bytes) -> None:
        """Hears audio in the session's format."""
        samples = self._ear.hear(audio)
        self._buffer.append(samples)
        detector = self._detector
        if detector is None:
            return
        for event in detector.hear(samples):
            self._take(event, detector)
        if self._turn is None:
            self._buffer.forget_before(self._buffer.now_ms - _KEPT_MS - detector.settings.prefix_padding_ms)
            self._prompt_the_silent(detector.settings.idle_timeout_ms)

    def _take(self, event: TurnEvent, detector: TurnDetector) -> None:
        match event:
            case SpeechStarted(start_ms):
                item_id = self._host.new_id("item")
                self._turn = (item_id, start_ms)
                self._quiet_since_ms = None
                self._host.emit("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=item_id)
                if detector.settings.interrupt_response:
                    self._host.interrupt()
            case SpeechStopped(end_ms):
                assert self._turn is not None  # a detector stops only what it started, and both are forgotten at once
                item_id, start_ms = self._turn
                self._turn = None
                self._host.emit("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item_id)
                self._commit(item_id, start_ms, end_ms)
                if detector.settings.create_response:
                    self._host.respond_by_itself()

    def _commit(self, item_id: str, start_ms: int, end_ms: int) -> None:
        self._host.add_turn(item_id, ulaw.encode(self._buffer.take(start_ms, end_ms)))

    def commit(self) -> None:
        """The client's own commit; ClientError if there is next to nothing to commit."""
        kept_ms = self._buffer.kept_ms
        if kept_ms < _LEAST_COMMIT_MS:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {kept_ms:.2f}ms of audio."
            )
            raise ClientError("input_audio_buffer_commit_empty", message)
        item_id, start_ms = self._turn or (self._host.new_id("item"), 0)
        self._forget_turn()
        self._commit(item_id, start_ms, self._buffer.now_ms + 1)

    def clear(self) -> None:
        """Empties the buffer; a turn that goes on in it ends without a word."""
        self._buffer.clear()
        self._forget_turn()
        self._host.emit("input_audio_buffer.cleared")

    def _forget_turn(self) -> None:
        self._turn = None
        if self._detector is not None:
            self._detector.forget()

    def answered(self, audio_ms: int) -> None:
        """A response is done. It was generated faster than it plays: the caller's silence begins after it."""
        self._quiet_since_ms = None if self._turn is not None else self._buffer.now_ms + audio_ms

    def _prompt_the_silent(self, idle_timeout_ms: int | None) -> None:
        since, now = self._quiet_since_ms, self._buffer.now_ms
        if idle_timeout_ms is None or since is None or self._host.responding or now < since + idle_timeout_ms:
            return
        self._quiet_since_ms = None
        item_id = self._host.new_id("item")
        self._host.emit("input_audio_buffer.timeout_triggered", audio_start_ms=since, audio_end_ms=now, item_id=item_id)
        self._commit(item_id, since, now)
        self._host.respond_by_itself(idle=True)
