"""The requests that Twilio makes: signed by the vendor's own code, patient as Twilio is, kept on the call.

What the answers mean is not judged here, beyond whether one came.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import parse_qs, urldefrag, urlencode, urlsplit

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.call import Call, Kind, Webhook
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.twiml import MAX_BYTES, Method

MAX_SOUND = 40 * 1024 * 1024
"""Bytes of an answer that is audio."""
_MAX_REDIRECTS = 10
_FLAWS: Mapping[int, tuple[int, str]] = {
    62: (11235, "is for another host"),
    64: (11235, "is for another address"),
    9: (11236, "is not valid yet"),
    10: (11236, "has expired"),
}
"""Twilio's codes for certificates, by OpenSSL's; any other flaw is one of the chain."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP answer, of which at most 64 kB and a byte were read; of audio 40 MB."""

    status: int
    content_type: str
    body: bytes
    url: str
    """Where it came from in the end; relative URLs in it are relative to this."""
    chunked: bool = False
    """Whether it came in chunks, of which there may be none."""


class NoAnswer(Exception):
    """No answer came that could be judged; `code` is Twilio's."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


def signature(token: str, url: str, params: Mapping[str, str]) -> str:
    """X-Twilio-Signature, as the vendor's own library computes it."""
    computed: str = RequestValidator(token).compute_signature(url, params)
    return computed


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long to wait and how often to try: Twilio's connection overrides, `#ct=…&rt=…&tt=…&rc=…&rp=…`."""

    connect: float
    read: float
    """From the connection to the end of the answer."""
    total: float = math.inf
    """For all tries together."""
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})

    @property
    def whole(self) -> float:
        """The longest that one try can take."""
        return min(self.connect + self.read, self.total)

    def again(self, attempt: int, code: int, status: int | None) -> bool:
        """Whether to try once more after this outcome."""
        if attempt >= self.retries:
            return False
        reason = "ct" if code == 11205 else "rt" if code else f"{(status or 0) // 100}xx"
        return reason in self.policy or ("all" in self.policy and reason in ("ct", "rt", "4xx", "5xx"))


def _patience(url: str, config: TwilioConfig) -> _Patience:
    overrides = {name: values[-1] for name, values in parse_qs(urlsplit(url).fragment).items()}

    def number(name: str, default: float, low: float, high: float) -> float:
        text = overrides.get(name, "")
        return min(max(float(text), low), high) if text.isdecimal() else default

    return _Patience(
        connect=number("ct", config.connect_timeout * 1000, 100, 10_000) / 1000,
        read=number("rt", config.read_timeout * 1000, 100, 15_000) / 1000,
        total=number("tt", math.inf, 100, math.inf) / 1000,
        retries=int(number("rc", 1, 0, 5)),
        policy=frozenset(overrides.get("rp", "ct").split(",")),
    )


class Webhooks:
    """Makes the requests of one call. Cookies are kept for it, and for no other."""

    def __init__(self, config: TwilioConfig, call: Call, connector: aiohttp.BaseConnector) -> None:
        self._config = config
        self._call = call
        connected = aiohttp.TraceConfig()
        connected.on_connection_create_end.append(_connected)
        self._session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            trace_configs=[connected],
        )

    async def close(self) -> None:
        """Let go of what is held."""
        await self._session.close()

    async def request(self, kind: Kind, method: Method, url: str, extra: Mapping[str, str]) -> Answer:
        """Ask `url`, with the call's parameters and `extra`; redirects are followed, failures tried again.

        Raises:
            NoAnswer: if there is no answer in the end.

        """
        _demand_web(url)
        params = {**self._standard(kind), **extra}
        patience = _patience(url, self._config)
        loop = asyncio.get_running_loop()
        last = loop.time() + patience.total
        attempt = 0
        while True:
            began, answer, failure = time.time(), None, None
            try:
                async with asyncio.timeout_at(last):
                    await self._on_its_way(kind, url, patience)
                    answer = await self._follow(method, url, params, patience)
                    await self._on_its_way_back(kind, url, patience, began)
            except NoAnswer as error:
                answer, failure = None, error
            except TimeoutError:
                answer, failure = None, NoAnswer(11200, f"no answer from {url} in time")
            status, code = (answer.status if answer else None), (failure.code if failure else 0)
            record = Webhook(kind, method, url, params, status, code, time.time() - began, began)
            self._call.callbacks.append(record)
            if loop.time() >= last or not patience.again(attempt, code, status):
                if failure is not None:
                    raise failure
                assert answer is not None
                return answer
            attempt += 1

    def _standard(self, kind: Kind) -> Mapping[str, str]:
        """What a request of this kind says besides what it is about."""
        match kind:
            case "media":  # a file is fetched, and told nothing
                return {}
            case "recording" | "stream":
                return {"AccountSid": self._call.account_sid, "CallSid": self._call.sid}
            case _:
                return self._call.params()

    async def _on_its_way(self, kind: Kind, url: str, patience: _Patience) -> None:
        """A request that is slow arrives late, or when nobody waits for its answer any more."""
        slow = self._config.now.callbacks.slow.get(kind, 0.0)
        await asyncio.sleep(min(slow, patience.whole))
        if slow >= patience.whole:
            raise NoAnswer(11200, f"no answer from {url} in time")

    async def _on_its_way_back(self, kind: Kind, url: str, patience: _Patience, began: float) -> None:
        """An answer may be lost."""
        now = self._config.now
        count = now.callbacks.unanswered.get(kind, 0)
        if count and now.strikes(f"unanswered {kind}", self._call.sid, count):
            await asyncio.sleep(began + patience.whole - time.time())
            raise NoAnswer(11200, f"no answer from {url} in time")

    async def _follow(self, method: Method, url: str, params: Mapping[str, str], patience: _Patience) -> Answer:
        url = urldefrag(url).url
        if method == "GET":
            url, params = _with_query(url, params), {}
        for _ in range(_MAX_REDIRECTS + 1):
            answer, location = await self._once(method, url, params, patience)
            if answer.status == 401 and (known := _known(url)) is not None:
                answer, location = await self._once(method, url, params, patience, known)
            if location is None:
                return answer
            url = urls.resolve(url, location)
            _demand_web(url)
            if answer.status not in (307, 308):  # as any HTTP client: the others become a GET without a body
                method, params = "GET", {}
        raise NoAnswer(11215, f"more than {_MAX_REDIRECTS} redirects from {url}")

    async def _once(
        self, method: Method, url: str, params: Mapping[str, str], patience: _Patience, known: str | None = None
    ) -> tuple[Answer, str | None]:
        """One exchange: the answer, and where it redirects to. `known` is who asks, once that was asked for."""
        headers = {
            "Accept": "*/*",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
            "X-Twilio-Signature": signature(self._config.auth_token, urls.signed(url), params),
        }
        if known is not None:
            headers["Authorization"] = known
        data = None
        if method == "POST":
            data = urlencode(params)
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        patient = _Patient(asyncio.get_running_loop(), patience)
        try:
            # Not re-quoted: what is signed and what is sent are the text that was given.
            target, server_name = URL(url, encoded=True).with_user(None), None
            if self._config.now.road is not None:
                headers["Host"], server_name = target.host_port_subcomponent or "", target.host
                host, port = await self._config.now.road(target.host or "", target.port or 80)
                target = target.with_host(host).with_port(port)
            async with (
                patient.limit,
                self._session.request(
                    method,
                    target,
                    data=data,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(sock_connect=patience.connect),
                    allow_redirects=False,
                    server_hostname=server_name,
                    trace_request_ctx=patient,
                ) as response,
            ):
                audio = response.content_type.startswith("audio/")
                body = await _read(response, MAX_SOUND if audio else MAX_BYTES + 1)
                location = response.headers.get("Location") if 300 <= response.status < 400 else None
                content_type = response.headers.get("Content-Type", "")
                chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
                return Answer(response.status, content_type, body, url, chunked), location
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _no_answer(error, url) from error


class _Patient:
    """The time of one exchange: `limit` moves when the connection is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, patience: _Patience) -> None:
        self._loop = loop
        self._read = patience.read
        self.limit = asyncio.timeout(patience.whole)

    def connected(self) -> None:
        """Twilio waits for the answer from now on, however it drips."""
        self.limit.reschedule(self._loop.time() + self._read)


async def _connected(session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    """aiohttp tells that a connection is there."""
    patient: _Patient = context.trace_request_ctx
    patient.connected()


def _known(url: str) -> str | None:
    """The header for the name and password in a URL; None if there are none."""
    given = URL(url, encoded=True)
    if given.user is None or ":" in given.user:  # which no header can say
        return None
    return aiohttp.encode_basic_auth(given.user, given.password or "", "utf-8")


def _demand_web(url: str) -> None:
    if not urls.is_web(url):
        raise NoAnswer(11100, f"{url!r} is no absolute http or https URL")


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or its first `limit` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])


def _with_query(url: str, params: Mapping[str, str]) -> str:
    if not params:
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(params)}"


def _no_answer(error: Exception, url: str) -> NoAnswer:
    """Twilio's code for what went wrong."""
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return NoAnswer(11100, f"{url!r} is no absolute http or https URL")
        case aiohttp.ClientConnectorDNSError():
            return NoAnswer(11210, f"the host of {url} has no address")
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as why):
            code, flaw = _FLAWS.get(why.verify_code, (11237, "is signed by nobody who is trusted"))
            return NoAnswer(code, f"the certificate of {url} {flaw}")
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return NoAnswer(11220, f"no TLS with {url}")
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError():
            return NoAnswer(11205, f"cannot connect to {url}")
        case TimeoutError():
            return NoAnswer(11200, f"no answer from {url} in time")
        case _:
            return NoAnswer(11200, f"no whole answer from {url}")
