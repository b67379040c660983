"""Any form that the carrier may sign, on each path, the real calls behind it: an answer that it can use, always."""

from __future__ import annotations

import asyncio
import logging
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from structlog.testing import capture_logs

from agenticd.core.events import CallState
from tests.adapters.http.port import OTHER_SID, OURS, SID, TO, Clock, Port, port
from tests.adapters.http.support import LOOPS, PUBLIC, SIGNER
from tests.service.world import Hands

# What Twilio sends, by name, and what a caller, a SIP trunk or a client of the account may have put into it.
_FIELDS = (
    "CallSid", "AccountSid", "From", "To", "Caller", "Called", "CallerName", "CallerCity", "CallStatus", "Direction",
    "ApiVersion", "ForwardedFrom", "ParentCallSid", "SequenceNumber", "Timestamp", "CallDuration", "Duration",
    "SipResponseCode", "ErrorCode", "ErrorMessage", "ErrorUrl", "StreamSid", "StreamEvent", "StreamError",
    "StirVerstat", "Digits", "SpeechResult", "SipHeader_X-Evil", "AnsweredBy",
)  # fmt: skip
_STATUSES = ("queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "canceled", "failed")
_HOSTILE = (
    "</Response><Dial>+19005550000</Dial>",
    '"/><Redirect>http://evil.example</Redirect><x a="',
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
    "]]>",
    "a\r\nX-Evil: 1\r\n\r\n",
    "\x1b[2J\x00\u202e\u2028",
    "'; DROP TABLE calls; --",
    "../../Accounts",
    "{{token}} %s %n {0}",
    "9" * 400,
    "-1",
    "1e999",
    "NaN",
)
_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_known = st.sampled_from((*_STATUSES, SID, OTHER_SID, OURS, TO, "", "0", "stream-error"))
_values = st.sampled_from(_HOSTILE) | _known | _texts
_told = st.sampled_from(("To", "From", "CallStatus")).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(_STATUSES if name == "CallStatus" else (OURS, TO)))
)
_read = ("From", "To", "CallStatus", "SequenceNumber", "SipResponseCode", "ErrorCode", "ErrorMessage", "StreamEvent")
_names = st.sampled_from(_read) | st.sampled_from(_FIELDS) | _texts
_pairs = st.lists(_told | st.tuples(_names, _values), max_size=12)
_sids = st.sampled_from((*(SID,) * 12, *(OTHER_SID,) * 6, "", None, *_HOSTILE[4:9]))
_paths = st.sampled_from(("voice", "voice/{}", "resume/{}", "status/{}", "stream/{}", "voice/" + "0" * 26, "status/x"))
_requests = st.lists(st.tuples(_paths, _sids, _pairs, st.booleans()), min_size=1, max_size=6)
_VERBS = {"Response", "Connect", "Stream", "Parameter", "Redirect", "Hangup", "Reject"}


class Runs:
    """A port that lives as long as the test, on a loop that runs only during an example."""

    def __enter__(self) -> Runs:
        self.runner = asyncio.Runner(loop_factory=LOOPS["asyncio"])
        self.failed: list[dict[str, object]] = []
        self.hands = Hands(clock=Clock())
        self.runner.get_loop().set_exception_handler(lambda _loop, context: self.failed.append(context))
        self.context = port(self.hands)
        # One task enters and leaves it, for it has a TaskGroup in it.
        self.leave = asyncio.Event()
        self.entered: asyncio.Queue[Port] = asyncio.Queue()
        self.task = self.runner.get_loop().create_task(self._live())
        self.home = self.runner.run(self.entered.get())
        return self

    async def _live(self) -> None:
        async with self.context as home:
            self.entered.put_nowait(home)
            await self.leave.wait()

    def __exit__(self, *_error: object) -> None:
        self.leave.set()
        self.runner.get_loop().run_until_complete(self.task)
        self.runner.close()


@pytest.fixture
def runs() -> Iterator[Runs]:
    with Runs() as runs:
        yield runs


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=_requests, durable=st.booleans())
@example(requests=[("voice", None, [("To", OURS)], False), ("voice", "", [("To", OURS)], False)], durable=False)
@example(requests=[("status/{}", SID, [("CallStatus", "completed")], False), ("voice/{}", SID, [], True)], durable=True)
def test_any_form_at_all(
    runs: Runs,
    caplog: pytest.LogCaptureFixture,
    requests: list[tuple[str, str | None, list[tuple[str, str]], bool]],
    durable: bool,
) -> None:
    with capture_logs() as logs, caplog.at_level(logging.WARNING):
        runs.runner.run(asyncio.wait_for(_ask(runs.home, requests, durable), 20))
    assert not runs.failed
    assert not caplog.records, "a traceback of the HTTP server's"
    assert not [line for line in logs if line["log_level"] == "error"]


async def _ask(home: Port, requests: list[tuple[str, str | None, list[tuple[str, str]], bool]], durable: bool) -> None:
    ours = await home.place()
    client = await home.connect()
    for path, sid, pairs, twice in requests:
        where = "/twilio/" + path.format(ours)
        pairs = [*pairs, *pairs[:1]] if twice else pairs
        pairs = pairs if sid is None else [*pairs, ("CallSid", sid)]
        signature = SIGNER.compute_signature(PUBLIC + where, MultiDict(pairs))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        status, answer, body = await client.request(f"POST {where}", headers, urlencode(pairs).encode())
        _check(where, status, answer, body.decode())
        if answer.get("connection") == "close":
            client = await home.connect()
        if durable:
            home.hands.log.commit()
    # Whatever was said of it: it was dialled by us, and no inbound call has taken its place.
    assert [name for name, _ in home.hands.carrier.orders if name == "dial"] == ["dial"]
    home.hands.carrier.orders.clear()
    for call_id, session in home.calls.live.items():
        assert session.record.to_address in (OURS, TO), call_id
        assert session.call.state in CallState
    await _clear(home)


def _check(where: str, status: int, answer: dict[str, str], body: str) -> None:
    asks = "voice" in where or "resume" in where
    assert (status in (200, 400)) if asks else (status in (204, 400)), (where, status)
    assert set(answer) <= {"content-type", "content-length", "date", "server", "connection"}
    if status != 200:
        assert body == ""
        return
    assert answer["content-type"] == "text/xml; charset=utf-8"
    document = ET.fromstring(body)
    assert document.tag == "Response"
    assert {element.tag for element in document.iter()} <= _VERBS
    for element in document.iter():
        for url in filter(None, (element.get("url"), element.get("action"), element.text)):
            assert url.partition("://")[2].startswith("voice.example.com/twilio/"), url
    assert len(body) < 2000


async def _clear(home: Port) -> None:
    """End what lives, so that the next example finds an empty house."""
    for client in home.clients:
        client.abort()
        await client.close()
    home.clients.clear()
    for session in list(home.calls.live.values()):
        session.abandon()
    while home.calls.live:  # noqa: ASYNC110 - they go by themselves
        await asyncio.sleep(0)
    home.hands.log.waiting.clear()
    home.hands.log.entries.clear()
    home.hands.log.events.clear()
    home.hands.clock.alarms.clear()
