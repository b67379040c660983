"""The yardstick: a picows server that opens a picows client per connection and passes each frame's bytes on.

Nothing else: no JSON, no state, no log. The least that a bridge in Python costs, with the same two sockets.
`python -m bench.relay URL` prints its port, and ends when its standard input does. With `--clear` it makes one
difference between messages: where the model says that speech has started, it says `clear` to the phone.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_connect, ws_create_server

_SPEECH = b'{"type":"input_audio_buffer.speech_started"'
_CLEAR = b'{"event":"clear","streamSid":"%b"}' % (b"MZ" + b"0" * 32)  # of the length of a true one
_TEXT = WSMsgType.TEXT


class _Side(WSListener):
    """One socket of a pair. What comes before the other one is open waits for it."""

    def __init__(self) -> None:
        self.other: WSTransport | None = None
        self.own: WSTransport | None = None
        self._early: list[tuple[WSMsgType, bytes]] | None = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.own = transport

    def join(self, other: WSTransport) -> None:
        """The other socket is open."""
        self.other = other
        early, self._early = self._early or [], None
        for kind, data in early:
            other.send(kind, data)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        other = self.other
        if other is not None:
            other.send(frame.msg_type, frame.get_payload_as_bytes())
        elif self._early is not None:
            self._early.append((frame.msg_type, frame.get_payload_as_bytes()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.other is not None:
            self.other.disconnect()


class _ClearingSide(_Side):
    """The model's socket of a pair, where the phone is to be cleared."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.get_payload_as_bytes().startswith(_SPEECH) and self.other is not None:
            self.other.send(_TEXT, _CLEAR)
        else:
            super().on_ws_frame(transport, frame)


async def serve(upstream: str, *, clearing: bool) -> None:
    """Relay until standard input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    pairs: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:

        def accept(_request: WSUpgradeRequest) -> WSListener:
            near = _Side()
            pair = group.create_task(_pair(near, _ClearingSide() if clearing else _Side(), upstream))
            pairs.add(pair)
            pair.add_done_callback(pairs.discard)
            return near

        server = await ws_create_server(accept, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await ended.wait()
        server.close()
        for pair in pairs:
            pair.cancel()


async def _pair(near: _Side, far: _Side, upstream: str) -> None:
    """Open the other socket of a pair, and hold both until it is closed."""
    there, _ = await ws_connect(lambda: far, upstream)
    assert near.own is not None, "connected while this one was connecting"
    near.join(there)
    far.join(near.own)
    await there.wait_disconnected()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], clearing="--clear" in sys.argv[2:]))
