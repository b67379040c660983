"""Calls as they happen: events and live words become rows on a terminal, word by word. Knows nothing of terminals
(page.py does) and asks nobody anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentctl import scenes, words
from agentctl.page import Page
from agentctl.render import CALL_COLORS, Style, look, plain
from agentctl.words import flat

if TYPE_CHECKING:
    from agentic.v1.event_pb2 import AgentInterrupted, Event, LiveWords

SHORT_ID = 6
"""Characters of a call's id that tell it from others: the last ones, which are random."""


@dataclass(slots=True)
class _Call:
    """What must be known of one call to tell the rest of it."""

    answered: float | None = None
    """When; seconds since 1970, as all times here."""
    ringing: float | None = None
    speech: dict[str, float] = field(default_factory=dict)
    """When an utterance of the caller began, by item."""
    shown: dict[str, str] = field(default_factory=dict)
    """What is shown of each item that is not final."""
    torn: set[str] = field(default_factory=set)
    """Items of which words are missing."""
    awaited: set[str] = field(default_factory=set)
    """What the caller said and nobody knows yet."""
    held: list[LiveWords] = field(default_factory=list)
    """The agent's words behind that."""
    cut: dict[str, AgentInterrupted] = field(default_factory=dict)
    """Interruptions that are told when the utterance is."""
    waits: dict[str, float] = field(default_factory=dict)
    """How long the caller waited for an answer, by item."""
    all_waits: list[float] = field(default_factory=list)


class Conversation:
    """Give it what a stream gives; it answers with what to write.

    Speakers take turns in rows of their own. An utterance that continues below somebody else's words begins
    with "…". Words that were dropped on the way are never guessed: what is missing follows when the
    utterance is final. The caller's words are known only some time after the caller spoke; the agent's
    answer is held back until then.

    `everything`: also what a listener would not notice. `several`: says of each row to which call it belongs.
    """

    def __init__(
        self,
        style: Style = plain,
        page: Page | None = None,
        *,
        everything: bool = False,
        several: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._style = style
        self._page = page or Page()
        self._everything = everything
        self._several = several
        self._clock = clock
        self._calls: dict[str, _Call] = {}
        self._day = time.strftime("%Y-%m-%d", time.localtime(clock()))
        self._latest = 0.0  # the time of the latest row
        self._line: tuple[str, str] | None = None  # call and item whose row is being written

    def words(self, live: LiveWords) -> str:
        """Words while they are spoken."""
        call = self._call(live.call_id)
        if call.awaited and words.speaker(live) == "agent":
            call.held.append(live)
            return ""
        return self._show(call, live)

    def event(self, event: Event) -> str:
        """What happened. Empty for what a listener does not notice."""
        call, at = self._call(event.call_id), event.time.ToMicroseconds() / 1e6
        kind = event.WhichOneof("payload")
        match kind:
            case "transcript_final":
                return self._transcript(call, event, at)
            case "agent_interrupted":
                return self._interrupted(call, event, at)
            case "speech_started" if call.answered is not None:
                call.speech[event.speech_started.item_id] = call.answered + words.in_seconds(event.speech_started.at)
            case "speech_stopped":
                call.awaited.add(event.speech_stopped.item_id)
            case "turn_measured":
                measured = event.turn_measured
                call.waits[measured.item_id] = words.in_seconds(measured.total)
                call.all_waits.append(words.in_seconds(measured.total))
            case "call_ringing":
                call.ringing = at
            case "call_answered":
                call.answered = at
            case "call_closed":
                del self._calls[event.call_id]
        scene = scenes.of(event, kind, call.all_waits, self._rang(call))
        if scene.quiet and not self._everything:
            return ""
        text = self._row(at, event.call_id, scene.label, scene.role, scene.text, scene.text_role)
        return text.rstrip(" ") + self._close()

    def end(self, text: str) -> str:
        """A last row, of one's own."""
        return self._close() + self._style(f"— {text}", "end") + "\n"

    def pause(self) -> str:
        """Ends the row that is being written, so that somebody else can write."""
        return self._close()

    def _call(self, call_id: str) -> _Call:
        return self._calls.setdefault(call_id, _Call())

    def _rang(self, call: _Call) -> float | None:
        return call.answered - call.ringing if call.answered is not None and call.ringing is not None else None

    # Who speaks.

    def _show(self, call: _Call, live: LiveWords) -> str:
        shown = call.shown.get(live.item_id, "")
        if live.item_id in call.torn or live.offset != len(shown):
            call.torn.add(live.item_id)
            return ""
        call.shown[live.item_id] = shown + live.text
        speaker = words.speaker(live)
        at = self._since(call.speech.get(live.item_id), self._clock())
        begin = self._go_to(live.call_id, live.item_id, at, speaker, continued=bool(shown))
        return begin + self._page.add(flat(live.text))

    def _transcript(self, call: _Call, event: Event, at: float) -> str:
        """An utterance, and what waited for it. The agent's answer does not wait for ever: some noise has no
        words."""
        said = event.transcript_final
        if words.speaker(said) == "agent":
            call.awaited.clear()
            return self._release(call) + self._final(call, event, at)
        call.awaited.discard(said.item_id)
        line = self._final(call, event, at)
        return line if call.awaited else line + self._release(call)

    def _release(self, call: _Call) -> str:
        held, call.held = call.held, []
        return "".join(self._show(call, live) for live in held)

    def _final(self, call: _Call, event: Event, at: float) -> str:
        said = event.transcript_final
        shown = call.shown.pop(said.item_id, "")
        call.torn.discard(said.item_id)
        begun = call.speech.pop(said.item_id, None)
        if call.answered is not None and said.HasField("audio_start"):
            begun = call.answered + words.in_seconds(said.audio_start)
        if self._everything:
            begun = None  # a log is read by the time at which a thing was known
        speaker, row = words.speaker(said), (event.call_id, said.item_id)
        if shown and said.text.startswith(shown):
            rest = "" if said.interrupted else said.text[len(shown) :]
            text = ""
            if rest:
                text = self._go_to(*row, at, speaker, continued=True) + self._page.add(flat(rest))
            text += self._waited(call, said.item_id) if self._line == row else ""
            return text + self._close() + self._heard(event, at)
        cut = self._cut(call, event, at)
        if not said.text:
            return (self._close() if self._line == row else "") + cut
        line = self._close() + self._go_to(*row, self._since(begun, at), speaker, continued=False)
        return line + self._page.add(words.heard(said)) + self._waited(call, said.item_id) + self._close() + cut

    def _waited(self, call: _Call, item_id: str) -> str:
        """Behind an answer: how long the caller waited for it."""
        waited = call.waits.pop(item_id, None)
        if waited is None or self._everything:
            return ""
        return self._page.add(f" (after {words.latency(waited)})", look(self._style, "note"))

    # Barge-in.

    def _interrupted(self, call: _Call, event: Event, at: float) -> str:
        """At once below words that are shown; below the utterance, where that is still to come."""
        cut = event.agent_interrupted
        if cut.item_id not in call.shown and not self._everything:
            call.cut[cut.item_id] = cut
            return ""
        waited = self._waited(call, cut.item_id) if self._line == (event.call_id, cut.item_id) else ""
        return waited + self._cut_off(event.call_id, cut, at)

    def _cut(self, call: _Call, event: Event, at: float) -> str:
        cut = call.cut.pop(event.transcript_final.item_id, None)
        return "" if cut is None else self._cut_off(event.call_id, cut, at)

    def _cut_off(self, call_id: str, cut: AgentInterrupted, at: float) -> str:
        lost = words.in_seconds(cut.discarded)
        text = f"by the caller, {words.length(cut.heard)} into it"
        text += f"; {words.seconds(lost)} of it were never heard" if lost else ""
        return self._row(at, call_id, "cut off", "attention", text, "note") + self._close()

    def _heard(self, event: Event, at: float) -> str:
        """Below words that were shown as the model said them: what the phone played of them."""
        said = event.transcript_final
        if not said.interrupted:
            return ""
        text = f"“{scenes.tail(flat(said.heard_text))}”" if said.heard_text else "nothing of it"
        return self._row(at, event.call_id, "heard", "attention", text) + self._close()

    # Rows.

    def _go_to(self, call_id: str, item_id: str, at: float, speaker: str, *, continued: bool) -> str:
        """Go to the item's row."""
        if self._line == (call_id, item_id):
            return ""
        text = self._row(at, call_id, speaker, speaker, "… " if continued else "")
        self._line = (call_id, item_id)
        return text

    def _since(self, begun: float | None, known: float) -> float:
        """The time of an utterance's row: when it began, or, below what came after that, when it was known."""
        return known if begun is None or begun < int(self._latest) else begun

    def _row(self, at: float, call_id: str, label: str, role: str, text: str, text_role: str = "") -> str:
        """A row, not ended yet."""
        self._latest = max(self._latest, at)
        close = self._close() + self._turn_to(at)
        self._line = ("", "")
        head = [(time.strftime("%H:%M:%S", time.localtime(at)), "note")]
        if self._several:
            head.append((flat(call_id[-SHORT_ID:]), f"call{sum(call_id.encode()) % CALL_COLORS}"))
        head.append((f"{label:>9}", role))
        bare, dressed = "  ".join(part for part, _ in head), "  ".join(self._style(part, dress) for part, dress in head)
        row = self._page.begin(f"{bare}  ", dressed=f"{dressed}  ")
        return close + row + self._page.add(text, look(self._style, text_role))

    def _turn_to(self, at: float) -> str:
        """A line of its own where another day begins than that of the row before, or than today."""
        day = time.strftime("%Y-%m-%d", time.localtime(at))
        if day == self._day:
            return ""
        self._day = day
        return self._style(f"— {day}", "note") + "\n"

    def _close(self) -> str:
        """End the row that is being written."""
        if self._line is None:
            return ""
        self._line = None
        return "\n"
