"""What the phone has played: a FIFO clock over everything that was sent to it, corrected by its marks.

Twilio plays media in the order of arrival, in real time, and echoes a mark when all media before it has been played;
`clear` empties its buffer and echoes every outstanding mark at once. So a mark counts only in the generation in which
it was sent, and between two echoes the clock says how far the phone is. Pure: `now` is an argument, in seconds.

Positions are bytes of mu-law (8 a millisecond) in the present generation.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from agenticd.core.effects import Clear, Effect, Mark, Play

BYTES_PER_SECOND = 8000
FRAME = 160
"""20 ms. Twilio is sent whole frames only: partial ones were reported to jitter."""
SILENCE = b"\xff"

_MARK_WITHIN = 1600
# A mark at least every 200 ms. 1440 bytes (180 ms) are nine frames and also 480 groups of three bytes, so base64 text
# can be cut there without being decoded.
_PIECE = 1440
_PIECE_TEXT = _PIECE * 4 // 3


@dataclass(slots=True)
class Item:
    """One utterance of the agent on its way to the phone.

    `sent` counts bytes sent, `padding` those of them that only fill the last frame; `begin` is its place in the
    generation; `start` is when its first byte is played; `rest` waits for a whole frame; `complete`: the model has no
    more of it; `frozen`: what was heard of it, once that is settled.
    """

    item_id: str
    begin: int
    start: float
    sent: int = 0
    padding: int = 0
    rest: bytes = b""
    complete: bool = False
    frozen: int | None = None


class Playout:
    """The phone's buffer, as far as it can be known from here."""

    def __init__(self) -> None:
        self.generation = 0
        self._end = 0.0
        self._held = 0
        """Bytes of what was sent that still wait before the phone's stream."""
        self._sent = 0
        self._marked = 0
        self._unmarked = 0
        self._items: dict[str, Item] = {}

    def end(self, now: float) -> float:
        """When everything sent so far will have been played: what waits cannot be played before it goes out."""
        return max(self._end, now + self._held / BYTES_PER_SECOND) if self._held else self._end

    def hold(self, size: int, now: float) -> None:
        """So many bytes wait now, the last ones sent. They do so while the phone's stream takes no more."""
        self._end = self.end(now)
        self._held = size

    def play(self, item_id: str, delta: str, now: float) -> list[Effect] | None:
        """Send the item's next audio (mu-law, base64) in whole frames, with marks. None: it is no base64."""
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = Item(item_id, self._sent, max(self.end(now), now))
        if item.frozen is not None:
            return []
        size = decoded_size(delta)
        if item.rest or size % FRAME or len(delta) % 4:
            try:
                data = item.rest + base64.b64decode(delta, validate=True)
            except binascii.Error:
                return None
            whole = len(data) - len(data) % FRAME
            item.rest = data[whole:]
            delta, size = base64.b64encode(data[:whole]).decode("ascii"), whole
        effects: list[Effect] = []
        if size <= _PIECE:
            if size:
                self._send(item, delta, size, now, effects)
        else:
            for at in range(0, len(delta), _PIECE_TEXT):
                piece = delta[at : at + _PIECE_TEXT]
                self._send(item, piece, decoded_size(piece), now, effects)
        return effects

    def finish(self, item_id: str, now: float) -> list[Effect]:
        """The model has no more audio of the item: send what waits for a whole frame, and a last mark."""
        item = self._items.get(item_id)
        if item is None or item.complete:
            return []
        item.complete = True
        effects: list[Effect] = []
        if item.rest:
            padded = item.rest.ljust(FRAME, SILENCE)
            item.padding = FRAME - len(item.rest)
            item.rest = b""
            self._send(item, base64.b64encode(padded).decode("ascii"), FRAME, now, effects)
        if self._unmarked:
            effects.append(self._mark(item))
        return effects

    def echoed(self, name: str, now: float) -> bool:
        """The phone played everything before this mark. False: the mark is none of this generation's."""
        generation, _, rest = name.partition(":")
        item_id, _, millis = rest.rpartition(":")
        item = self._items.get(item_id)
        if (
            generation != f"g{self.generation}"
            or item is None
            or not (millis.isascii() and millis.isdigit() and len(millis) < 10)
        ):
            return False
        position = item.begin + min(int(millis) * 8, item.sent)
        if position <= self._marked:
            return True
        self._marked = position
        # The rest takes its time from here: where the clock thought otherwise, it was early, or an older echo late.
        self._end = now + (self._sent - position) / BYTES_PER_SECOND
        return True

    def clear(self, now: float) -> list[Effect]:
        """Throw away what the phone has not played, settle what was heard of each item, begin a new generation."""
        played = self._played(now)
        for item in self._items.values():
            item.frozen = self._heard(item, played)
            item.rest = b""
        self.generation += 1
        self._sent = self._marked = self._unmarked = self._held = 0
        self._end = now
        return [Clear()]

    def lose(self, now: float) -> None:
        """The stream is gone, and with it the phone's buffer: as `clear`, but nobody is there to be told."""
        self.clear(now)

    def unplayed(self, now: float) -> float:
        """Seconds that were sent and not yet played."""
        return max(0, self._sent - self._played(now)) / BYTES_PER_SECOND

    def heard(self, item_id: str, now: float) -> float:
        """Seconds of the item that were played. 0 for an item that was never sent."""
        item = self._items.get(item_id)
        return 0.0 if item is None else self._heard(item, self._played(now)) / BYTES_PER_SECOND

    def sent(self, item_id: str) -> float:
        """Seconds of the item that were sent, without what only fills its last frame."""
        item = self._items.get(item_id)
        return 0.0 if item is None else (item.sent - item.padding) / BYTES_PER_SECOND

    def start(self, item_id: str) -> float | None:
        """When the phone began, or will begin, to play the item; None: nothing of it was sent."""
        item = self._items.get(item_id)
        return None if item is None or not item.sent else item.start

    def played_out(self, item_id: str) -> bool:
        """The phone has confirmed the item's end."""
        item = self._items.get(item_id)
        if item is None:
            return True
        if not item.complete:
            return False
        if item.frozen is not None:
            return item.frozen >= item.sent - item.padding
        return not item.sent or self._marked >= item.begin + item.sent

    def forget(self, item_id: str) -> None:
        """The item is settled and nobody will ask again."""
        self._items.pop(item_id, None)

    def _send(self, item: Item, payload: str, size: int, now: float, effects: list[Effect]) -> None:
        if self._unmarked and self._unmarked + size > _MARK_WITHIN:
            effects.append(self._mark(item))
        if not item.sent:
            item.begin, item.start = self._sent, max(self.end(now), now)
        item.sent += size
        self._sent += size
        self._unmarked += size
        self._end = max(self.end(now), now) + size / BYTES_PER_SECOND
        effects.append(Play(payload))
        if self._unmarked >= _PIECE:
            effects.append(self._mark(item))

    def _mark(self, item: Item) -> Mark:
        self._unmarked = 0
        return Mark(f"g{self.generation}:{item.item_id}:{item.sent // 8}")

    def _played(self, now: float) -> int:
        waiting = int(max(0.0, self.end(now) - now) * BYTES_PER_SECOND + 0.5)
        return max(self._marked, self._sent - waiting)

    def _heard(self, item: Item, played: int) -> int:
        if item.frozen is not None:
            return item.frozen
        return min(max(0, played - item.begin), item.sent - item.padding)


def decoded_size(text: str) -> int:
    """The bytes that base64 text stands for."""
    return len(text) // 4 * 3 - text.count("=", -2)
