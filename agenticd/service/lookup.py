"""Which of the carrier's calls is ours, when the order to dial was not answered.

A call is taken for ours when the carrier asked one of our URLs for it, which carry our call's id; else only when it was
created since then, is the only one that it can be, and can be nobody else's. A wrong guess would hang up on a stranger,
and leave our own call to itself.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from agenticd.core.errors import CarrierRefused
from agenticd.core.ids import CallId
from agenticd.service.ports import CarrierCall

CANDIDATES = 20
"""So many are looked into; more calls between two numbers at one time are not told apart by asking."""


class Sign(enum.Enum):
    """What the URLs that the carrier asked for a call say of it."""

    OURS = "ours"
    ANOTHER = "another's"
    NONE = "nothing was asked yet"


def sign(urls: Sequence[str], call_id: CallId) -> Sign:
    """Whose call it is, by the URLs that the carrier asked for it."""
    if any(call_id in urlsplit(url).path.split("/") for url in urls):
        return Sign.OURS
    return Sign.ANOTHER if urls else Sign.NONE


async def choose(
    candidates: Sequence[CarrierCall],
    call_id: CallId,
    requested: Callable[[str], Awaitable[Sequence[str]]],
    *,
    since: float,
    rival: bool,
) -> CarrierCall | None:
    """The one that is this call; None: none, or none for sure. Raises CarrierUnanswered.

    `requested`: the URLs that the carrier asked for a call. `since`: when ours was dialled, by our clock, which may be
    wrong; what the carrier created before that is taken only by its URLs. `rival`: whether another call of ours,
    between the same numbers, was not found either.
    """
    begin = since - 1  # the carrier's times are cut to the second
    late = [seen for seen in candidates if seen.created > begin]
    early = [seen for seen in candidates if seen.created <= begin]
    silent: list[CarrierCall] = []
    for seen in (late + early)[:CANDIDATES]:
        try:
            urls = await requested(seen.carrier_call_id)
        except CarrierRefused:
            urls = ()
        match sign(urls, call_id):
            case Sign.OURS:
                return seen
            case Sign.NONE if seen.created > begin:
                silent.append(seen)
            case Sign.NONE | Sign.ANOTHER:
                pass
    if len(silent) != 1 or len(late) > CANDIDATES or rival:
        return None
    return silent[0]
