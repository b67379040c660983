"""A call as it is spoken: events and live words become text on a terminal, word by word. Knows nothing of
terminals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from agentctl import words
from agentctl.words import flat

if TYPE_CHECKING:
    from agentic.v1.event_pb2 import Event, LiveWords, TranscriptFinal

Style = Callable[[str, str], str]
"""Dresses a text up in a role: caller, agent, note, end."""


def plain(text: str, role: str) -> str:
    """No dress."""
    return text


class Conversation:
    """Give it what a stream gives; it answers with what to write.

    Speakers take turns on lines of their own. An utterance that continues after somebody else's words begins
    with "…". Words that were dropped on the way are never guessed: what is missing follows when the
    utterance is final. The caller's words are known only some time after the caller spoke; the agent's
    answer is held back until then.
    """

    def __init__(self, style: Style = plain) -> None:
        self._style = style
        self._line: str | None = None  # the item whose line is being written
        self._shown: dict[str, str] = {}  # what is shown of each item that is not final
        self._torn: set[str] = set()  # items of which words are missing
        self._awaited: set[str] = set()  # what the caller said and nobody knows yet
        self._held: list[LiveWords] = []  # the agent's words behind that

    def words(self, live: LiveWords) -> str:
        """Words while they are spoken."""
        if self._awaited and words.speaker(live) == "agent":
            self._held.append(live)
            return ""
        return self._show(live)

    def _show(self, live: LiveWords) -> str:
        shown = self._shown.get(live.item_id, "")
        if live.item_id in self._torn or live.offset != len(shown):
            self._torn.add(live.item_id)
            return ""
        self._shown[live.item_id] = shown + live.text
        return self._begin(live.item_id, words.speaker(live), continued=bool(shown)) + flat(live.text)

    def event(self, event: Event) -> str:
        """What happened. Empty for what a listener does not notice."""
        match event.WhichOneof("payload"):
            case "transcript_final":
                return self._transcript(event.transcript_final)
            case "speech_stopped":
                self._awaited.add(event.speech_stopped.item_id)
            case "call_queued":
                return self._note(f"call {event.call_id} to {flat(event.call_queued.to_address)} is queued")
            case "call_dialing":
                return self._note("dialling")
            case "call_ringing":
                return self._note("ringing")
            case "call_answered":
                return self._note("answered")
            case "digit_received":
                return self._note(f"the caller pressed {flat(event.digit_received.digit)}")
            case "media_lost":
                return self._note("the phone's audio was lost")
            case "model_lost":
                return self._note("the model was lost")
            case "warning":
                return self._note(f"warning {flat(event.warning.code)}: {flat(event.warning.message)}")
            case "call_ended":
                return self._note("the line is down")
        return ""

    def end(self, text: str) -> str:
        """The last line."""
        return self._close() + self._style(f"— {text}", "end") + "\n"

    def _transcript(self, said: TranscriptFinal) -> str:
        """An utterance, and what waited for it. The agent's answer does not wait for ever: some noise has no
        words."""
        if words.speaker(said) == "agent":
            self._awaited.clear()
            return self._release() + self._final(said)
        self._awaited.discard(said.item_id)
        line = self._final(said)
        return line if self._awaited else line + self._release()

    def _release(self) -> str:
        held, self._held = self._held, []
        return "".join(map(self._show, held))

    def _final(self, said: TranscriptFinal) -> str:
        shown = self._shown.pop(said.item_id, "")
        self._torn.discard(said.item_id)
        speaker = words.speaker(said)
        if shown and said.text.startswith(shown):
            rest = "" if said.interrupted else said.text[len(shown) :]
            if self._line == said.item_id or rest:
                begin = self._begin(said.item_id, speaker, continued=True)
                return begin + flat(rest) + self._cut(said) + self._close()
            return self._note(f"{speaker} was cut{self._cut(said)}") if said.interrupted else ""
        if not said.text:
            return self._close() if self._line == said.item_id else ""
        line = self._close() + self._begin(said.item_id, speaker, continued=False)
        return line + words.heard(said) + self._close()

    def _cut(self, said: TranscriptFinal) -> str:
        """Behind words that were shown as the model said them: what the phone played of them."""
        if not said.interrupted:
            return ""
        return self._style(f" [cut; heard: “{flat(said.heard_text)}”]", "note")

    def _begin(self, item_id: str, speaker: str, *, continued: bool) -> str:
        """Go to the item's line."""
        if self._line == item_id:
            return ""
        close = self._close()
        self._line = item_id
        return close + self._style(f"{speaker:>6}: ", speaker) + ("… " if continued else "")

    def _close(self) -> str:
        """End the line that is being written."""
        if self._line is None:
            return ""
        self._line = None
        return "\n"

    def _note(self, text: str) -> str:
        return self._close() + self._style(f"· {text}", "note") + "\n"
