"""HTTP towards Twilio's REST API, under Twilio's own library: where requests go, and what an answer means.

What is asked is said in rest.py. Nothing is logged here: requests carry phone numbers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

import aiohttp
import msgspec

from agenticd.core.errors import CarrierRefused, CarrierUnanswered
from agenticd.core.tally import Tally
from agenticd.service.ports import Clock

LIBRARY_ROOT = "https://api.twilio.com/"
"""What the library begins each URL with."""
TOO_MANY_REQUESTS = 20429
_MESSAGE_LIMIT = 300
_KEEP_ALIVE_SECONDS = 10.0
_CREATE = "/Calls.json"
_STATUSES = frozenset(HTTPStatus)
_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 15.0)


@dataclass(frozen=True, slots=True)
class Config:
    """The account, and how Twilio is asked. Times in seconds."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_url: str = "https://api.twilio.com"
    """The root before /2010-04-01."""
    timeout: float = 15.0
    """Of one request, from its begin to the whole answer."""
    retry_delays: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Waits before a request is made again that Twilio did not process (429), give or take a half."""
    user_agent: str = "agenticd"


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer, in the form that Twilio's library wants."""

    status_code: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class _Explanation(msgspec.Struct, frozen=True, gc=False):
    """Twilio's JSON of an error; `title` and `detail` in its newer form."""

    code: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    """Of five digits; what is no number of the contract's (int32) is none of Twilio's either."""
    message: str | None = None
    title: str | None = None
    detail: str | None = None


# The library has no place for it between the order and its request.
_wanted: ContextVar[Callable[[], bool]] = ContextVar("wanted", default=lambda: True)


@contextmanager
def while_wanted(wanted: Callable[[], bool]) -> Iterator[None]:
    """What is requested in here is requested again only while `wanted()`. Raises CarrierRefused if it is not now."""
    if not wanted():
        raise CarrierRefused(0, 0, "no longer wanted")
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


_EXPLANATION = msgspec.json.Decoder(_Explanation)


class Transport:
    """Makes the library's requests. Raises CarrierRefused and CarrierUnanswered for all but 2xx."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # of the running loop, from the first request on
        self.codes: Counter[str] = Counter()
        """What became of each request, also of those that were made again: the HTTP status, or why there is none."""
        self.seconds = Tally(_SECONDS)
        """How long the answers took, those that did not come too."""

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None,
        data: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> Answer:
        """One request. Made again only when Twilio says that it was not processed (429), and while it is wanted."""
        if not url.startswith(LIBRARY_ROOT):
            raise CarrierUnanswered("Twilio's answer points to another address")
        url = f"{self._config.api_url.rstrip('/')}/{url.removeprefix(LIBRARY_ROOT)}"
        authorization = aiohttp.encode_basic_auth(self._config.account_sid, self._config.auth_token)
        headers = {**headers, "Authorization": authorization}
        status, text = await self._once(method, url, params, data, headers)
        for delay in self._config.retry_delays:
            if status != 429:
                break
            chance = int.from_bytes(self._clock.randomness(2), "big") / 65536
            await asyncio.sleep(delay * (0.5 + chance))
            if not _wanted.get()():
                break
            status, text = await self._once(method, url, params, data, headers)
        if 200 <= status < 300:
            return Answer(status, text)
        raise _failure(status, text)

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def _once(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None,
        data: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> tuple[int, str]:
        begin = self._clock.monotonic()
        code = "cancelled"
        try:
            status, body = await self._exchange(method, url, params, data, headers)
            code = _code(status)
        except aiohttp.ClientConnectorError:
            code = "unreachable"
            # Raised only while a connection is made, up to the end of its handshake; and what was asked before, and is
            # asked again now, Twilio did not process.
            raise CarrierUnanswered("Twilio cannot be reached", sent=False) from None
        except TimeoutError:
            code = "timeout"
            raise CarrierUnanswered(f"Twilio did not answer within {self._config.timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError, LookupError):  # LookupError: an unknown charset
            code = "broken"
            raise CarrierUnanswered("the connection to Twilio broke before the answer was whole") from None
        finally:
            self.codes[code] += 1
            self.seconds.add(self._clock.monotonic() - begin)
        return status, body

    async def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None,
        data: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> tuple[int, str]:
        # An idle connection may be closed by the other side in the very moment of a request. What is then lost can be
        # asked again, but not the order to dial: that one always has a connection of its own.
        session = self._session(fresh=method == "POST" and url.endswith(_CREATE))
        async with session.request(
            method,
            url,
            params=list(_pairs(params)),
            data=list(_pairs(data)) if data else None,
            headers=headers,
            allow_redirects=False,  # the password is for this server and for no other
        ) as response:
            return response.status, await response.text(errors="replace")

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        if fresh not in self._sessions:
            connector = (
                aiohttp.TCPConnector(force_close=True)
                if fresh
                else aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_SECONDS)
            )
            timeout = aiohttp.ClientTimeout(total=self._config.timeout)
            self._sessions[fresh] = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self._sessions[fresh]


def _code(status: int) -> str:
    """The status as a metric's label: of a closed set, whatever the other side makes up."""
    return str(status) if status in _STATUSES else "other"


def _pairs(values: Mapping[str, object] | None) -> Iterator[tuple[str, str]]:
    """As form fields; a list is a field for each of its values (Twilio: not joined by commas)."""
    for name, value in (values or {}).items():
        if isinstance(value, list):
            yield from ((name, str(part)) for part in value)
        elif value is not None:
            yield name, str(value)


def _failure(status: int, text: str) -> CarrierRefused | CarrierUnanswered:
    """Only a 4xx with Twilio's own explanation is Twilio's no. All else may come from anything on the way."""
    if not 400 <= status < 500:
        return CarrierUnanswered(f"Twilio answered with HTTP {status}")
    try:
        found = _EXPLANATION.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        if status == 429:
            return CarrierRefused(TOO_MANY_REQUESTS, status, "too many requests at a time")
        return CarrierUnanswered(f"HTTP {status} without an explanation of Twilio's")
    words = found.message or found.detail or found.title or "no explanation"
    return CarrierRefused(found.code, status, words[:_MESSAGE_LIMIT])
