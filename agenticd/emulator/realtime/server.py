"""The emulated Realtime endpoint: the handshake of `wss://api.openai.com/v1/realtime`, and its sessions."""

from __future__ import annotations

import asyncio
import hmac
import http
import itertools
import json
import secrets
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from agenticd.emulator.realtime.brain import Brain
from agenticd.emulator.realtime.config import DYING, RealtimeConfig
from agenticd.emulator.realtime.demo import DEMO_DIALOGUE
from agenticd.emulator.realtime.schema import ClientError, JsonObject
from agenticd.emulator.realtime.session import Session
from agenticd.emulator.voice import Grammar, Recogniser, Voice

PATH = "/v1/realtime"
MODELS_PATH = "/v1/models"
_MODELS_CREATED = 1_756_400_000
_MOST_MESSAGE = 24 * 1024 * 1024  # 15 MiB of audio in base64, and its wrapping
_CLOSE_SECONDS = 2.0


class RealtimeServer:
    """Serves while entered, or between `start` and `stop`. One brain answers all sessions.

    `grammar` hears what callers say whom nobody taught.
    """

    def __init__(
        self,
        config: RealtimeConfig | None = None,
        brain: Brain | None = None,
        voice: Voice | None = None,
        grammar: Grammar | None = None,
    ) -> None:
        self.config = replace(config or RealtimeConfig())  # what goes wrong at present is not that of others with it
        self.brain: Brain = brain or DEMO_DIALOGUE
        self.sessions: list[Session] = []
        """In the order of their connection; of the finished ones only the last `keep_sessions`."""
        self._recogniser = Recogniser()
        self._grammar = grammar
        self._handshakes = itertools.count(1)  # that were in order
        self._arrived = asyncio.Condition()
        self._server: Server | None = None
        self._stopping = asyncio.Event()
        self._voice = voice or Voice()
        for text in self.config.learn:
            self._recogniser.learn(text, self._voice.say(text, "caller"))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """What a client connects to; it appends `?model=`. RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the Realtime server is not started")
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"ws://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    async def start(self) -> None:
        """Listens. OSError if the address cannot be had."""
        self._stopping.clear()
        self._server = await serve(
            self._serve,
            self.config.host,
            self.config.port,
            process_request=self._take,
            open_timeout=None,
            max_size=_MOST_MESSAGE,
            compression=None,
            ping_interval=None,
            close_timeout=_CLOSE_SECONDS,
        )

    async def stop(self) -> None:
        """Closes all sessions with 1001 and waits until nothing runs any more."""
        if self._server is None:
            return
        self._stopping.set()
        self._server.close()
        await self._server.wait_closed()
        self._server = None

    async def wait_for_session(self, number: int = 0) -> Session:
        """The session with this index in `sessions`, as soon as it is there."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.sessions) > number)
        return self.sessions[number]

    async def _take(self, socket: ServerConnection, request: Request) -> Response | None:
        """Judge a handshake, when its time has come."""
        delay = self.config.now.faults.handshake_delay
        if delay:
            try:
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            except TimeoutError:
                pass
        return self._check(socket, request)

    def _check(self, socket: ServerConnection, request: Request) -> Response | None:
        """Refuses a handshake with an HTTP status, or lets it pass."""
        path = urlsplit(request.path).path
        if path != PATH and path != MODELS_PATH and not path.startswith(f"{MODELS_PATH}/"):
            return _refuse(socket, http.HTTPStatus.NOT_FOUND, _error(None, f"Invalid URL (GET {request.path})"))
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not key:
            return _refuse(
                socket, http.HTTPStatus.UNAUTHORIZED, _error(None, "Missing bearer authentication in header")
            )
        if not hmac.compare_digest(key.strip().encode(), self.config.api_key.encode()):
            error = _error("invalid_api_key", "Incorrect API key provided.")
            return _refuse(socket, http.HTTPStatus.UNAUTHORIZED, error)
        if path != PATH:
            return self._models(socket, path.removeprefix(MODELS_PATH).removeprefix("/"))
        refusal = self.config.now.faults.refuses(next(self._handshakes))
        return None if refusal is None else _refuse(socket, refusal.http, refusal.error)

    def _models(self, socket: ServerConnection, wanted: str) -> Response:
        """`GET /v1/models`, or one of them: whose key this is, and which models there are until when."""
        models = {name: _model(name) for name in self.config.models}
        if not wanted:
            return _json(socket, http.HTTPStatus.OK, {"object": "list", "data": list(models.values())})
        if wanted not in models:
            error = {**_error("model_not_found", f"The model '{wanted}' does not exist"), "param": "model"}
            return _refuse(socket, http.HTTPStatus.NOT_FOUND, error)
        return _json(socket, http.HTTPStatus.OK, models[wanted])

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None  # the handshake is done
        query = parse_qs(urlsplit(socket.request.path).query)
        model = query.get("model", [""])[0]
        refused = self._refused(query, socket.request.headers.get_all("OpenAI-Beta"))
        if refused is not None:
            await _reject(socket, refused)
            return
        session = Session(socket, model, self.config, self.brain, self._recogniser, self._voice, self._grammar)
        await self._register(session)
        await session.run()

    def _refused(self, query: dict[str, list[str]], beta: list[str]) -> ClientError | None:
        model = query.get("model", [""])[0]
        if any("realtime=" in value for value in beta):
            message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
            return ClientError("beta_api_shape_disabled", message)
        elsewhere = _elsewhere(query)
        if elsewhere is not None:
            return elsewhere
        if not model:
            return ClientError("missing_model", "You must provide a model parameter.", "model")
        if model not in self.config.models:
            message = f"The model `{model}` does not exist or you do not have access to it."
            return ClientError("model_not_found", message, "model")
        return None

    async def _register(self, session: Session) -> None:
        over = [known for known in self.sessions if known.closed]
        for known in over[: max(0, len(over) - self.config.keep_sessions)]:
            self.sessions.remove(known)
        self.sessions.append(session)
        async with self._arrived:
            self._arrived.notify_all()


def _error(code: str | None, message: str) -> JsonObject:
    return {"message": message, "type": "invalid_request_error", "param": None, "code": code}


def _elsewhere(query: dict[str, list[str]]) -> ClientError | None:
    """The error for a session of a kind that is not emulated."""
    if "intent" in query:
        message = "The emulator has no transcription sessions; connect with ?model= and no intent."
        return ClientError("invalid_value", message, "intent")
    if "call_id" in query:
        message = "The emulator has no SIP or WebRTC calls to attach to; connect with ?model= and no call_id."
        return ClientError("invalid_value", message, "call_id")
    return None


def _model(name: str) -> JsonObject:
    return {
        "id": name,
        "object": "model",
        "created": _MODELS_CREATED,
        "owned_by": "system",
        "shutdown_date": DYING.get(name),
    }


def _refuse(socket: ServerConnection, status: http.HTTPStatus, error: JsonObject) -> Response:
    return _json(socket, status, {"error": error})


def _json(socket: ServerConnection, status: http.HTTPStatus, body: JsonObject) -> Response:
    response = socket.respond(status, json.dumps(body))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response


async def _reject(socket: ServerConnection, error: ClientError) -> None:
    """The socket opens, says why it will not serve, and closes."""
    body = {
        "type": error.kind,
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "event_id": None,
    }
    event = {"type": "error", "event_id": f"event_{secrets.token_hex(11)}", "error": body}
    try:
        await socket.send(json.dumps(event))
        await socket.close(4000, f"{error.kind}.{error.code}")
    except ConnectionClosed:
        return
