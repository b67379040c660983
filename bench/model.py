"""A model that echoes: an OpenAI Realtime server that says at once what it hears, in one answer without end.

Behind the relay it hears and says the same audio, in messages of the same kind and size, without a session.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import urlsplit

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from bench import wire
from bench.audio import Faults, Line, call_of

_TEXT = WSMsgType.TEXT
REALTIME_PATH = "/v1/realtime"
RELAY_PATH = "/relayed"


class ModelServer(ABC):
    """A server at OpenAI's place, and at the relay's. What it does with a connection is its subclass's."""

    def __init__(self) -> None:
        self._port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve on a free port for as long as the context lasts."""
        server = await ws_create_server(self._accept, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            await asyncio.sleep(0)

    @property
    def realtime_url(self) -> str:
        """For a bridge that speaks to OpenAI."""
        return f"ws://127.0.0.1:{self._port}{REALTIME_PATH}"

    @property
    def relay_url(self) -> str:
        """For a bridge that passes on what it gets."""
        return f"ws://127.0.0.1:{self._port}{RELAY_PATH}"

    @abstractmethod
    def session(self, *, realtime: bool) -> WSListener:
        """One more connection: of a bridge that speaks to OpenAI, or of one that passes on what it gets."""

    def _accept(self, request: WSUpgradeRequest) -> WSListener:
        return self.session(realtime=urlsplit(request.path.decode()).path == REALTIME_PATH)


class EchoModel(ModelServer):
    """The server. `lines` are the calls that there are, by number; others may be added at any time.

    `audio` is what it speaks and hears: pcmu or pcm24.
    """

    def __init__(self, lines: Mapping[int, Line], faults: Faults, audio: str = "pcmu") -> None:
        super().__init__()
        self.lines = lines
        self.faults = faults
        self.audio = audio
        self.open = 0
        """Connections."""

    def session(self, *, realtime: bool) -> WSListener:
        """One more connection."""
        return _Session(self, realtime=realtime)


class _Session(WSListener):
    """One connection: the model's end of one call, known by its instructions or by the first frame that comes."""

    def __init__(self, model: EchoModel, *, realtime: bool) -> None:
        self._model = model
        self._realtime = realtime
        self._line: Line | None = None
        self._number: int | None = None
        self._count = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._model.open += 1
        if self._realtime:
            transport.send(_TEXT, wire.SESSION_CREATED)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._model.open -= 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = monotonic()
        if frame.msg_type is not _TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()
            return
        message = wire.decode(frame.get_payload_as_bytes())
        payload = message.audio or (message.media.payload if message.media is not None else "")
        if payload:
            line = self._line or self._find(transport, payload)
            if line is not None:
                self._echo(transport, line, payload, now)
        elif message.type == "session.update":
            self._number = wire.line_in(message)
            transport.send(_TEXT, wire.SESSION_UPDATED[self._model.audio])

    def _echo(self, transport: WSTransport, line: Line, payload: str, now: float) -> None:
        line.to_model.arrived(payload, now)
        self._count += 1
        answer = line.answer(payload)
        message = wire.DELTA % (self._count, answer.encode())
        line.to_caller.sent(answer, monotonic())
        transport.send(_TEXT, message)

    def _find(self, transport: WSTransport, payload: str) -> Line | None:
        number = self._number if self._number is not None else call_of(payload)
        line = self._line = None if number is None else self._model.lines.get(number)
        if line is None:
            self._model.faults.add("the model got audio that no caller has said")
        elif self._realtime:
            for message in wire.answer_begins():
                transport.send(_TEXT, message)
        return line
