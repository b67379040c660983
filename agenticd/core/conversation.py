"""Who said what, in which order: utterances from their first sign to their place in the transcript.

Order is the model's: the position of an utterance is given when the model adds it to its conversation, not when its
words arrive, which for the caller may be after the answer. Pure. Times are seconds since answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from agenticd.core.effects import Append, Effect
from agenticd.core.events import Speaker, TranscriptFinal, Warning

FASTEST = 18
"""Letters a second; nobody who wants to be understood speaks faster."""
LONGEST = 65_536
"""Letters of one utterance that are kept, an hour of talk: an event must fit into what a client takes at a time."""


@dataclass(slots=True)
class Utterance:
    """One utterance on its way into the transcript.

    `position` 0: not placed yet. `text` grows word by word until `whole`, and `cut` says that it did not grow by all of
    them. `heard` and `spoken` are seconds of the
    agent's audio that were played, and that the model made in all. `unsaid`: the model was told what was not heard.
    """

    item_id: str
    speaker: Speaker
    position: int = 0
    text: str = ""
    whole: bool = False
    cut: bool = False
    audio_start: float | None = None
    audio_end: float | None = None
    interrupted: bool = False
    heard: float = 0.0
    spoken: float = 0.0
    unsaid: bool = False

    def add(self, words: str) -> str:
        """More words. Returns what of them is kept."""
        kept = words[: LONGEST - len(self.text)]
        self.text += kept
        self.cut = self.cut or len(kept) < len(words)
        return kept

    def replace(self, words: str) -> None:
        """All its words, instead of those that came so far."""
        self.text, self.cut = words[:LONGEST], len(words) > LONGEST


class Conversation:
    """The utterances that are not final yet, and the count of those that are."""

    def __init__(self, leg_id: str, position: int = 0) -> None:
        self._leg_id = leg_id
        self._position = position
        self._open: dict[str, Utterance] = {}
        self._final: set[str] = set()

    def utterance(self, item_id: str, speaker: Speaker) -> Utterance | None:
        """The utterance of that item, begun if it is new. None: it is final already."""
        if item_id in self._final:
            return None
        found = self._open.get(item_id)
        if found is None:
            found = self._open[item_id] = Utterance(item_id, speaker)
        return found

    def find(self, item_id: str) -> Utterance | None:
        """The utterance of that item, if it is open."""
        return self._open.get(item_id)

    def place(self, utterance: Utterance) -> None:
        """The model added it to its conversation: it comes after everything placed before."""
        if not utterance.position:
            self._position += 1
            utterance.position = self._position

    def open(self, speaker: Speaker) -> list[Utterance]:
        """The open utterances of one side, in their order."""
        found = [utterance for utterance in self._open.values() if utterance.speaker is speaker]
        return (
            found if len(found) < 2 else sorted(found, key=lambda utterance: utterance.position or self._position + 1)
        )

    def drop(self, item_id: str) -> None:
        """Nothing was said after all."""
        if self._open.pop(item_id, None) is not None:
            self._final.add(item_id)

    def record(self, utterance: Utterance) -> list[Effect]:
        """Put the utterance on record; with a warning if that is not the whole of it."""
        final = self.finish(utterance)
        if final is None:
            return []
        if not utterance.cut:
            return [Append(final)]
        message = f"of the utterance at position {final.position} only the first {LONGEST} characters are kept"
        return [Append(final), Append(Warning("TRANSCRIPT_CUT", message))]

    def finish(self, utterance: Utterance) -> TranscriptFinal | None:
        """The utterance for the record; None when it has no words: silence is no utterance."""
        self.place(utterance)
        self.drop(utterance.item_id)
        text = utterance.text.strip()
        if not text:
            return None
        start = utterance.audio_start or 0.0
        heard = text
        if utterance.speaker is Speaker.AGENT and utterance.interrupted:
            heard = words_heard(text, utterance.heard, utterance.spoken)
        return TranscriptFinal(
            speaker=utterance.speaker,
            leg_id=self._leg_id,
            item_id=utterance.item_id,
            position=utterance.position,
            text=text,
            heard_text=heard,
            interrupted=utterance.interrupted,
            audio_start=start,
            audio_end=max(start, utterance.audio_end or start),
        )


def words_heard(text: str, heard: float, spoken: float) -> str:
    """The whole words of `text` that fit into its first `heard` of `spoken` seconds, by time. Of an answer that was cut
    while it was made there may be less audio than words."""
    if heard <= 0 or spoken <= 0:
        return ""
    spoken = max(spoken, len(text) / FASTEST)
    if heard > spoken - 1e-6:  # both are sums of parts of a second
        return text
    cut = int(len(text) * heard / spoken)
    while cut and not text[cut].isspace():
        cut -= 1
    return text[:cut].rstrip()
