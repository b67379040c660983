"""Who sent this request: what is asked first of every webhook and upgrade, and what is said of those refused.

The signature itself: core/signature.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from structlog.typing import FilteringBoundLogger

from agenticd.core import signature
from agenticd.core.ids import parse_call_id
from agenticd.service.ports import Clock
from agenticd.service.urls import Urls

SIGNATURE_HEADER = "X-Twilio-Signature"
_QUIET_SECONDS = 10.0
_LOGGED_CHARACTERS = 300
_HINT = "Twilio must know us by this very URL (public_url), and auth_token must be its primary token"

_log: FilteringBoundLogger = structlog.get_logger()

Pairs = Sequence[tuple[str, str]]
"""The parameters of a request, in its order; a name may come more than once."""


@dataclass(slots=True)
class _Said:
    at: float
    held_back: int = 0


class Verifier:
    """Checks signatures against the configured public URL, and counts and tells what is refused."""

    def __init__(self, auth_token: str, urls: Urls, clock: Clock) -> None:
        self.refused: Counter[str] = Counter()
        """How many requests were refused, by reason."""
        self._auth_token = auth_token
        self._urls = urls
        self._clock = clock
        self._said: dict[str, _Said] = {}

    def webhook(self, target: str, form: Pairs, given: str | None) -> bool:
        """Whether the carrier signed this webhook: its raw path with query, its form, the header's value."""
        return self._check(target, self._urls.requested(target), form, given, websocket=False)

    def upgrade(self, target: str, given: str | None) -> bool:
        """Whether the carrier signed this upgrade to a media socket."""
        return self._check(target, self._urls.requested_media(target), (), given, websocket=True)

    def refuse(self, why: str, target: str, **fields: str) -> None:
        """Count a refusal and log it, at most once in 10 s for each reason: anyone can send such requests.

        `target`: the raw path with query. What else is shown of it is in `fields`.
        """
        self.refused[why] += 1
        now = self._clock.monotonic()
        said = self._said.get(why)
        if said is not None and now - said.at < _QUIET_SECONDS:
            said.held_back += 1
            return
        shown = about(target.partition("?")[0].rpartition("/")[2])
        shown |= {name: value[:_LOGGED_CHARACTERS] for name, value in fields.items()}
        _log.warning("request refused", why=why, held_back=said.held_back if said is not None else 0, **shown)
        self._said[why] = _Said(now)

    def _check(self, target: str, url: str, form: Pairs, given: str | None, *, websocket: bool) -> bool:
        if not given:
            self.refuse("no_signature", target, expected_url=url)
            return False
        if not signature.valid(self._auth_token, url, form, given, websocket=websocket):
            self.refuse("wrong_signature", target, expected_url=url, hint=_HINT)
            return False
        return True


def about(text: str) -> dict[str, str]:
    """The field of a log line by which it is found with its call; none where the text is no call id."""
    call_id = parse_call_id(text)
    return {} if call_id is None else {"call_id": call_id}
