"""Any bytes on a media socket: the call is told of the end once, nothing raises, nothing stays behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.adapters.http.support import (
    LOOPS,
    STREAM,
    House,
    eventually,
    frame,
    house,
    mark,
    media,
    started,
    stopped,
)

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_good = st.sampled_from([media("AAAA"), mark("m"), stopped(), started(), media("AAAA", "MZother")])
_nearly = st.builds(
    lambda event, inner: json.dumps({"event": event, "streamSid": STREAM, event: inner}),
    st.sampled_from(["media", "mark", "dtmf", "start", "stop", "connected", "new"]),
    _json,
)
_messages = st.binary(max_size=60) | (_good | _nearly | _json.map(json.dumps)).map(str.encode)
_frames = st.builds(
    frame,
    _messages,
    opcode=st.sampled_from([1, 1, 1, 1, 0, 2, 8, 9, 10, 3, 15]),
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 1, 4]),
)
_conversations = st.lists(_frames | st.binary(max_size=40), max_size=12)


class Runs:
    """A server that lives as long as the test, on a loop that runs only during an example."""

    def __init__(self, loop: str) -> None:
        self.runner = asyncio.Runner(loop_factory=LOOPS[loop])
        self.failed: list[dict[str, object]] = []
        self.context = house()

    def __enter__(self) -> Runs:
        self.runner.__enter__()
        self.runner.get_loop().set_exception_handler(lambda _loop, context: self.failed.append(context))
        self.home: House = self.runner.run(self.context.__aenter__())
        return self

    def __exit__(self, *_error: object) -> None:
        self.runner.run(self.context.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    with Runs(request.param) as runs:
        yield runs


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(begun=st.booleans(), conversation=_conversations, aborted=st.booleans())
def test_any_bytes_at_all(runs: Runs, begun: bool, conversation: list[bytes], aborted: bool):
    with capture_logs() as logs:
        runs.runner.run(asyncio.wait_for(_converse(runs.home, begun, conversation, aborted), 20))
    assert not runs.failed
    assert not [line for line in logs if line["log_level"] == "error"]


async def _converse(home: House, begun: bool, conversation: list[bytes], aborted: bool) -> None:
    home.board.inputs.clear()
    home.board.starts.clear()
    client = await home.media(start=begun)
    client.writer.write(b"".join(conversation))
    if aborted:
        client.abort()
    else:
        client.writer.write_eof()
        await client.lost()
    await client.close()
    home.clients.clear()
    await eventually(lambda: home.server.media_sockets == 0)
    kinds = home.board.kinds()
    assert kinds.count("MediaStarted") == kinds.count("MediaClosed") == len(home.board.starts) <= 1
    if kinds:
        assert (kinds[0], kinds[-1]) == ("MediaStarted", "MediaClosed")
    assert home.clock.pending == 0
