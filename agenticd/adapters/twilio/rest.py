"""Twilio's REST side: dial, hang up, look up, find. The Carrier of service/ports.py, by Twilio's own library.

The library is imported at first use, in a thread: it takes half a second. What comes over HTTP is judged in
transport.py, before the library sees it; what Twilio calls back, in adapters/http.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from agenticd.adapters.twilio.transport import LIBRARY_ROOT, Answer, Config, Transport, while_wanted
from agenticd.core import twiml
from agenticd.core.errors import CarrierRefused, CarrierUnanswered
from agenticd.core.tally import Tally
from agenticd.service.ports import CarrierCall, Clock, DialOrder, PeerHealth

if TYPE_CHECKING:
    from twilio.rest import Client
    from twilio.rest.api.v2010.account.call import CallInstance

__all__ = ["Config", "TwilioCarrier"]

_T = TypeVar("_T")

EVENTS = ["initiated", "ringing", "answered", "completed"]
NOT_FOUND = 20404
NOT_IN_PROGRESS = 21220
PAGE_SIZE = 50
PAGE_LIMIT = 20
"""Pages that are searched for a call; 1,000 calls between the same two numbers."""
LONGEST_RING = 600  # what Twilio takes as Timeout
LONGEST_TWIML = 4000  # characters that Twilio takes as Twiml


class TwilioCarrier:
    """Twilio, asked over REST. All methods raise CarrierRefused and CarrierUnanswered, and nothing else."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._transport = Transport(config, clock)
        self._loading = asyncio.Lock()
        self._client: Client | None = None
        self._health = PeerHealth()

    @property
    def health(self) -> PeerHealth:
        """How Twilio answered last."""
        return self._health

    @property
    def codes(self) -> Mapping[str, int]:
        """What became of the requests to Twilio since the start, by HTTP status, or by why there was none."""
        return self._transport.codes

    @property
    def seconds(self) -> Tally:
        """How long they took."""
        return self._transport.seconds

    async def warm_up(self) -> None:
        """Import the library now, without stopping the loop, so that the first call need not wait for it."""
        await self._library()

    async def close(self) -> None:
        """Close the connections to Twilio."""
        await self._transport.close()

    async def dial(self, order: DialOrder) -> CarrierCall:
        """Create the call, once, if it is still wanted."""

        async def ask(client: Client) -> CarrierCall:
            return _call(
                await client.calls.create_async(
                    to=order.to_address,
                    from_=order.from_address,
                    url=order.voice_url,
                    method="POST",
                    fallback_url=order.fallback_url,
                    fallback_method="POST",
                    status_callback=order.status_url,
                    status_callback_method="POST",
                    status_callback_event=EVENTS,
                    timeout=min(max(round(order.ring_timeout), 1), LONGEST_RING),
                )
            )

        await self._library()
        with while_wanted(order.wanted):
            return await self._ask(ask)

    async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
        """Order the call's end, with `words` first if it was answered. None: it had ended, or is not known there."""
        if words and answered:
            document = twiml.say_and_hang_up(words)
            if len(document) <= LONGEST_TWIML:  # else better no words than no end: Twilio would refuse them
                seen = await self._end(carrier_call_id, twiml=document)
                if seen is not None:
                    return seen
                # Twilio refuses to redirect a call that still rings just as it does one that has ended.
        seen = await self._end(carrier_call_id, status="completed" if answered else "canceled")
        if seen is None and not answered:
            # Twilio refuses to cancel a call that was answered meanwhile just as it does one that has ended.
            seen = await self._end(carrier_call_id, status="completed")
        return seen

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """The call as it is. None: not known there."""

        async def ask(client: Client) -> CarrierCall:
            return _call(await client.calls(carrier_call_id).fetch_async())

        try:
            return await self._ask(ask)
        except CarrierRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def find(self, to_address: str, from_address: str, since: float) -> Sequence[CarrierCall]:
        """Calls from there to there that were created at `since` or later, newest first."""

        async def ask(client: Client) -> list[CarrierCall]:
            # Not by StartTime: a call that is still queued at Twilio has none, and would be missed. Twilio
            # lists the newest first, so a page of older ones ends the search.
            found: list[CarrierCall] = []
            page = await client.calls.page_async(to=to_address, from_=from_address, page_size=PAGE_SIZE)
            for _ in range(PAGE_LIMIT):
                # Twilio's times are cut to the second.
                recent = [seen for seen in map(_call, page) if seen.created > since - 1]
                found += recent
                page = await page.next_page_async() if recent else None
                if page is None:
                    break
            return found

        return await self._ask(ask)

    async def requested(self, carrier_call_id: str) -> Sequence[str]:
        """The URLs that Twilio has asked for the call so far: its newest webhooks, as its Events resource has them."""

        async def ask(client: Client) -> list[str]:
            events = await client.calls(carrier_call_id).events.list_async(limit=PAGE_SIZE)
            return [str(event.request["url"]) for event in events]

        return await self._ask(ask)

    async def _end(self, carrier_call_id: str, **update: str) -> CarrierCall | None:
        async def ask(client: Client) -> CarrierCall:
            return _call(await client.calls(carrier_call_id).update_async(**update))

        try:
            return await self._ask(ask)
        except CarrierRefused as refusal:
            if refusal.status == 404 or refusal.code == NOT_IN_PROGRESS:
                return None
            raise

    async def _ask(self, ask: Callable[[Client], Awaitable[_T]]) -> _T:
        """The border: whatever the library makes of Twilio's answer becomes one of our errors."""
        client = await self._library()
        from twilio.base.exceptions import TwilioException

        try:
            answer = await ask(client)
        except CarrierRefused as refusal:
            knows_us = refusal.status not in (401, 403)
            self._report(knows_us, "" if knows_us else f"Twilio refused the credentials ({refusal.code})")
            raise
        except CarrierUnanswered as silence:
            self._report(False, silence.what)
            raise
        except (TwilioException, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            what = "Twilio's answer was not understood"
            self._report(False, what)
            raise CarrierUnanswered(what) from None
        self._report(True, "")
        return answer

    def _report(self, ok: bool, message: str) -> None:
        self._health = PeerHealth(ok, self._clock.wall(), message)

    async def _library(self) -> Client:
        async with self._loading:
            if self._client is None:
                self._client = await asyncio.to_thread(_load, self._config, self._transport)
        return self._client


def _load(config: Config, transport: Transport) -> Client:
    """Import the library and make its client on our transport."""
    from twilio.http import AsyncHttpClient
    from twilio.rest import Client

    class Http(AsyncHttpClient):  # type: ignore[misc]
        """What the library takes for HTTP."""

        def __init__(self) -> None:
            self.is_async = True

        async def request(
            self,
            method: str,
            uri: str,
            params: dict[str, object] | None = None,
            data: dict[str, object] | None = None,
            headers: dict[str, str] | None = None,
            **_options: Any,
        ) -> Answer:
            return await transport.request(method, uri, params, data, headers or {})

    client = Client(
        config.account_sid,
        config.auth_token,
        http_client=Http(),
        # Not the process's: TWILIO_REGION and TWILIO_EDGE there would send requests elsewhere. In place of an
        # empty one the library takes the process's again.
        environment={"TWILIO_REGION": ""},
        user_agent_extensions=[config.user_agent],
    )
    if client.api.base_url.rstrip("/") != LIBRARY_ROOT.rstrip("/"):  # also imports the rest of the library
        raise AssertionError("the library's address of Twilio has changed")
    client.calls  # noqa: B018 - imports the resource's module here, in the thread
    return client


def _call(seen: CallInstance) -> CarrierCall:
    """Raises ValueError if it is no call."""
    if not isinstance(seen.sid, str) or not seen.sid:
        raise ValueError("a call without an id")
    created = seen.date_created
    return CarrierCall(
        carrier_call_id=seen.sid,
        status=str(seen.status or ""),
        created=created.timestamp() if isinstance(created, datetime) else 0.0,
        to_address=str(seen.to or ""),
        from_address=str(seen._from or ""),
    )
