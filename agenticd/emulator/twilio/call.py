"""One call as Twilio knows it: its resource, states and parameters, and what a test wants to see of it."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from agenticd.emulator.phone import Phone
from agenticd.emulator.twilio.twiml import Event, Method, Told, Track

if TYPE_CHECKING:
    from agenticd.emulator.twilio.recording import Recording
    from agenticd.emulator.twilio.stream import MediaStream

API_VERSION = "2010-04-01"

Status: TypeAlias = Literal[
    "queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"
]
Direction: TypeAlias = Literal["inbound", "outbound-api", "outbound-dial"]

_NEXT: Mapping[Status, frozenset[Status]] = {
    "queued": frozenset({"initiated", "canceled"}),
    "initiated": frozenset({"ringing", "busy", "failed", "canceled"}),
    "ringing": frozenset({"in-progress", "busy", "no-answer", "canceled"}),
    "in-progress": frozenset({"completed"}),
}
_SIP_CODES: Mapping[Status, int] = {
    "completed": 200,
    "failed": 404,
    "busy": 486,
    "no-answer": 487,
    "canceled": 487,
}
_SUBRESOURCES = [
    "notifications",
    "recordings",
    "payments",
    "events",
    "siprec",
    "streams",
    "transcriptions",
    "user_defined_message_subscriptions",
    "user_defined_messages",
]


@dataclass(frozen=True, slots=True)
class Recorded:
    """That the whole call is recorded, and how."""

    channels: Literal[1, 2] = 1
    track: Track = "both"
    trim: bool = True
    told: Told = Told()


@dataclass(frozen=True, slots=True)
class Options:
    """What a call was asked for, when it was created or when its number was set up. Absent texts are `""`."""

    url: str = ""
    method: Method = "POST"
    twiml: str = ""
    fallback_url: str = ""
    fallback_method: Method = "POST"
    status_callback: str = ""
    status_callback_method: Method = "POST"
    events: frozenset[Event] = frozenset({"completed"})
    timeout: int = 60
    time_limit: int = 4 * 3600
    send_digits: str = ""
    record: Recorded | None = None


Kind: TypeAlias = Literal["voice", "fallback", "redirect", "action", "status", "stream", "recording", "media"]
"""What a request was made for; "media" is the sound of a `<Play>`."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a `<Gather>` got of the caller; empty texts if nothing."""

    digits: str = ""
    speech: str = ""
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request that Twilio made. `status` is None without an answer; `error` is Twilio's code or 0."""

    kind: Kind
    method: Method
    url: str
    params: Mapping[str, str]
    status: int | None
    error: int
    seconds: float
    at: float


def new_sid(prefix: str) -> str:
    """A SID: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def rfc2822(at: float) -> str:
    """A time in s since 1970 as Twilio writes it."""
    return format_datetime(datetime.fromtimestamp(int(at), UTC))


class Call:
    """A call. Its `status` is the callbacks' word, `initiated` among them, which REST shows as `queued`."""

    def __init__(
        self,
        account_sid: str,
        from_: str,
        to: str,
        direction: Direction,
        options: Options,
        phone: Phone,
        parent: Call | None = None,
    ) -> None:
        self.sid = new_sid("CA")
        self.account_sid = account_sid
        self.from_ = from_
        self.to = to
        self.direction = direction
        self.options = options
        self.phone = phone
        self.parent = parent
        """Whose `<Dial>` made it."""
        self.queued_for = 0.0
        """s that it waits in the account's queue, as foreseen when it was made."""
        self.status: Status = "ringing" if direction == "inbound" else "queued"
        self.history: list[tuple[Status, float]] = [(self.status, time.time())]
        """Every status that it had, and since when (s since 1970)."""
        self.streams: list[MediaStream] = []
        """Its media streams that were begun, in order."""
        self.said: list[str] = []
        """What Twilio said in its own voice, by when it began, as often as it did."""
        self.played: list[str] = []
        """The sounds and tones that `<Play>` played: a URL, or the digits."""
        self.gathered: list[Gathered] = []
        """What each `<Gather>` got, in order."""
        self.recordings: list[Recording] = []
        """What was recorded of it, by when it was begun."""
        self.callbacks: list[Webhook] = []
        """Every request that was made for it, by the time of its answer."""
        self._token = secrets.token_urlsafe(48)  # CallToken, with which an inbound call could be passed on
        self.created = self.updated = time.time()
        self.started: float | None = self.created if direction == "inbound" else None
        self.answered: float | None = None
        self.ended_at: float | None = None
        self._over = False
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def stream(self) -> MediaStream | None:
        """The media stream that was begun last, live or not."""
        return self.streams[-1] if self.streams else None

    @property
    def final(self) -> bool:
        """Whether its status is one that nothing follows."""
        return self.status not in _NEXT

    @property
    def rest_status(self) -> Status:
        """Its status in REST's words, which have no `initiated`."""
        return "queued" if self.status == "initiated" else self.status

    @property
    def duration(self) -> int:
        """Seconds from the answer to the end; 0 if there was none of them."""
        if self.answered is None or self.ended_at is None:
            return 0
        return round(self.ended_at - self.answered)

    def move(self, status: Status) -> None:
        """Take the next status, at once and for all to see."""
        if status not in _NEXT.get(self.status, frozenset()):
            raise AssertionError(f"{self.sid} cannot go from {self.status} to {status}")
        self.status = status
        self.updated = time.time()
        self.history.append((status, self.updated))
        if status == "initiated":
            self.started = self.updated
        elif status == "in-progress":
            self.answered = self.updated
        elif self.final:
            self.ended_at = self.updated
        self._wake()

    def close(self) -> None:
        """Nothing more will happen: the last callback was answered, or the emulator stops."""
        self._over = True
        self._wake()

    async def wait_status(self, *statuses: Status) -> Status:
        """Wait until it has, or has had, one of these; the answer says which, the earliest first.

        Raises:
            RuntimeError: if it is over and never had one.

        """
        while True:
            for status, _ in self.history:
                if status in statuses:
                    return status
            if self.final or self._over:
                raise RuntimeError(f"call {self.sid} ended as {self.status}, it was never {statuses}")
            await self._changed()

    async def ended(self) -> Status:
        """Wait until nothing more will happen, last callback included; the answer is the final status."""
        while not self._over:
            await self._changed()
        return self.status

    async def _changed(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def params(self) -> dict[str, str]:
        """The parameters that every webhook of this call carries."""
        params = {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": self.status,
            "Direction": self.direction,
        }
        if self.parent is not None:
            params["ParentCallSid"] = self.parent.sid
        if self.direction == "inbound":
            params["CallToken"] = self._token
            # What the carrier before Twilio vouched for: a number that is one.
            params["StirVerstat"] = "TN-Validation-Passed-A" if self.from_.startswith("+") else "No-TN-Validation"
        for names, number in ((("From", "Caller"), self.from_), (("To", "Called"), self.to)):
            for name in names:
                params[name] = number
                # Best effort: what Twilio does not know is sent empty, and counts in the signature.
                params[f"{name}City"] = params[f"{name}State"] = params[f"{name}Zip"] = ""
                params[f"{name}Country"] = "US" if number.startswith("+1") else ""
        return params

    def end_params(self) -> dict[str, str]:
        """What a status callback says in addition when the call has ended."""
        params = {"CallDuration": str(self.duration), "SipResponseCode": str(_SIP_CODES[self.status])}
        if self.status == "completed":
            params["Duration"] = str(max(1, math.ceil(self.duration / 60)))  # minutes, as billed
        return params

    @property
    def uri(self) -> str:
        """Where its resource is, without `.json`."""
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}"

    def resource(self, at: float | None = None) -> dict[str, object]:
        """The Call as REST shows it: texts and None. `at`: as it was then, None: now."""
        seen = self.seen(at)
        owned = self.to if self.direction == "inbound" else self.from_
        return {
            "sid": self.sid,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(seen.updated),
            "parent_call_sid": self.parent.sid if self.parent is not None else None,
            "account_sid": self.account_sid,
            "to": self.to,
            "to_formatted": formatted(self.to),
            "from": self.from_,
            "from_formatted": formatted(self.from_),
            "phone_number_sid": number_sid(owned),
            "status": seen.status,
            "start_time": rfc2822(seen.started) if seen.started is not None else None,
            "end_time": rfc2822(seen.ended) if seen.ended is not None else None,
            "duration": str(self.duration) if seen.status == "completed" else None,
            "price": None,
            "price_unit": "USD",
            "direction": self.direction,
            "answered_by": None,
            "api_version": API_VERSION,
            "forwarded_from": None,
            "group_sid": None,
            "caller_name": None,
            "queue_time": str(round(self.queued_for * 1000)),
            "trunk_sid": None,
            "uri": f"{self.uri}.json",
            "subresource_uris": {name: f"{self.uri}/{_camel(name)}.json" for name in _SUBRESOURCES},
        }

    def seen(self, at: float | None = None) -> Seen:
        """Its state as REST had it at a time, None: now. Of what was not yet there, the first state."""
        known = [entry for entry in self.history if at is None or entry[1] <= at] or self.history[:1]
        times = dict(known)
        status, updated = known[-1]
        return Seen(
            status="queued" if status == "initiated" else status,
            updated=updated,
            started=self.created if self.direction == "inbound" else times.get("initiated"),
            ended=updated if status not in _NEXT else None,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What REST shows of a call's state; times in s since 1970."""

    status: Status
    updated: float
    started: float | None
    ended: float | None


def number_sid(number: str) -> str:
    """The SID of an IncomingPhoneNumber."""
    return "PN" + number.encode().hex().rjust(32, "0")[-32:]


def formatted(number: str) -> str:
    """A number as Twilio writes it for people."""
    if number.startswith("+1") and len(number) == 12:
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return number


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
