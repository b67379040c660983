"""The gRPC server: agentic.v1, health and reflection, on Unix sockets and on TCP."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from agentic.v1 import call_service_pb2, node_service_pb2
from agenticd.adapters.rpc import own_token, tokens
from agenticd.adapters.rpc.calls_service import CallService
from agenticd.adapters.rpc.door import Context, Door
from agenticd.adapters.rpc.interceptors import Guard, Malformed, Meter
from agenticd.adapters.rpc.listen import (
    CannotListen,
    TcpAddress,
    UnixAddress,
    check_free,
    claim,
    parse_address,
)
from agenticd.adapters.rpc.material import BadMaterial
from agenticd.adapters.rpc.needs import Calls, Log, Watch
from agenticd.adapters.rpc.node_service import NodeService
from agenticd.adapters.rpc.shown import Material, Shown, Tls, read_material
from agenticd.adapters.rpc.tokens import Tokens
from agenticd.core.errors import Draining
from agenticd.service.watch import STALL_SECONDS

_logger = structlog.get_logger(__name__)

CALL_SERVICE: ServiceDescriptor = call_service_pb2.DESCRIPTOR.services_by_name["CallService"]
NODE_SERVICE: ServiceDescriptor = node_service_pb2.DESCRIPTOR.services_by_name["NodeService"]

OPTIONS = (
    ("grpc.so_reuseport", 0),  # its default lets a second daemon share the port in silence
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_send_message_length", 4 << 20),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Below what our clients do, or their pings end their connections: ENHANCE_YOUR_CALM, "too_many_pings".
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 3),
    ("grpc.max_connection_idle_ms", 3_600_000),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.server_handshake_timeout_ms", 10_000),  # TLS; its default of two minutes is for whoever likes to hold ports
)

# The group may use the socket; the directory decides who gets to it.
_SOCKET_UMASK = 0o117
_ENDS_SOON = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class Config:
    """Where to listen, and limits in seconds.

    `tls`: of all TCP addresses; None: they are on loopback, and `token_path` has the token of this machine, made if it
    is missing. `tokens`: the file of those of other machines.
    """

    listen: tuple[str, ...]
    token_path: Path | None = None
    tls: Tls | None = None
    tokens: Path | None = None
    stall_timeout: float = STALL_SECONDS
    unary_timeout: float = 30.0


class Health(health.aio.HealthServicer):
    """The standard health service. grpc's asyncio one has no List, and fails when it is asked for one."""

    async def List(self, request: object, context: Context) -> None:
        """Not here."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "ask with Check for each service")


class RpcServer:
    """The API. After `start` it answers, but says NOT_SERVING until `set_serving`."""

    def __init__(self, config: Config, calls: Calls, watch: Watch, log: Log) -> None:
        self._config = config
        self._calls = calls
        self._watch = watch
        self._service = CallService(calls, watch, config.stall_timeout)
        self._node = NodeService(calls, watch, log, self.drain, config.stall_timeout)
        self._health = Health()
        self.serving = False
        """What the health service says."""
        self.meter = Meter()
        """What became of the RPCs."""
        self._door = Door()
        self._shown: Shown | None = None
        self._server: aio.Server | None = None
        self._claims: list[tuple[Path, int]] = []
        self._addresses: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, in the order of the configuration and with the ports that it was given."""
        return self._addresses

    async def start(self) -> None:
        """Listen on every address. Raises CannotListen and BadMaterial; then it listens on none."""
        tls = self._config.tls
        addresses = [parse_address(text, tls=tls is not None) for text in self._config.listen]
        try:
            # All before the first is bound: gRPC cannot let go of a port before its server has run.
            for address in addresses:
                self._reserve(address)
            if self._by_tcp:
                self._open_door(self.look())
            await self.set_serving(False)
            server = self._build()
            self._addresses = tuple(_bind(server, address, self._shown) for address in addresses)
        except (CannotListen, BadMaterial):
            self._release()
            raise
        self._server = server
        await server.start()
        _logger.info("gRPC listens", addresses=self._addresses, tls=self._shown is not None)

    def look(self) -> Material:
        """Read the files by which the API knows who comes by TCP, and judge them. Raises BadMaterial; blocks."""
        return read_material(self._config.tls, self._config.tokens) if self._by_tcp else Material()

    def look_for_tokens(self) -> Tokens | None:
        """Read the file of tokens alone; None: there is none. Raises BadMaterial; blocks."""
        return tokens.read(self._config.tokens) if self._by_tcp and self._config.tokens is not None else None

    def warning(self, now: float) -> str:
        """That the certificate ends, from two weeks before; else empty. `now`: seconds since 1970."""
        ends = self._shown.until if self._shown is not None else math.inf
        if ends - now > _ENDS_SOON:
            return ""
        word = "ends" if ends > now else "ended"
        when = f"{datetime.fromtimestamp(ends, UTC):%Y-%m-%d %H:%M} UTC"
        return f"the API's certificate {word} on {when}: renew it, and reload"

    @property
    def _by_tcp(self) -> bool:
        return not all(text.startswith("unix:") for text in self._config.listen)

    def renew(self, material: Material) -> None:
        """From now on these certificates and tokens. Connections stay; streams end whose token is gone."""
        if not self._by_tcp:
            return
        if self._shown is not None and material.identity is not None:
            self._shown.renew(material)
        self.renew_tokens(material.tokens)
        _tell(material, self._config)

    def renew_tokens(self, known: Tokens) -> None:
        """From now on these tokens. Streams end whose token is gone."""
        revoked = self._door.renew(known)
        if revoked:
            _logger.info("tokens are no longer good", names=revoked)

    def _open_door(self, material: Material) -> None:
        tls = self._config.tls
        if tls is None:
            self._door = Door(self._token(), material.tokens)
        else:
            self._door = Door(tokens=material.tokens, by_certificate=tls.client_ca is not None)
            self._shown = Shown(material)
        _tell(material, self._config)

    def _reserve(self, address: UnixAddress | TcpAddress) -> None:
        match address:
            case UnixAddress():
                self._claims.append((address.path, claim(address)))
            case TcpAddress():
                check_free(address)

    def _build(self) -> aio.Server:
        server = aio.server(interceptors=(self.meter, Guard(self._door, self._config.unary_timeout)), options=OPTIONS)
        services = ((CALL_SERVICE, self._service), (NODE_SERVICE, self._node))
        server.add_generic_rpc_handlers(tuple(handlers(*service) for service in services))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (CALL_SERVICE.full_name, NODE_SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        return server

    def _token(self) -> str:
        path = self._config.token_path
        if path is None:
            raise AssertionError("a TCP address without TLS needs a token_path")
        try:
            return own_token.read_or_make(path)
        except OSError as error:
            raise CannotListen(str(path), f"the token cannot be kept there: {error.strerror}") from error

    async def set_serving(self, serving: bool) -> None:
        """What the health service says of the daemon and of each service."""
        self.serving = serving
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", CALL_SERVICE.full_name, NODE_SERVICE.full_name):
            await self._health.set(name, status)

    async def drain(self) -> None:
        """Take no new calls, and say so to whoever asks for the daemon's health."""
        self._calls.drain()
        await self.set_serving(False)

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, end the streams with DRAINING, give the rest `grace` seconds, and stop."""
        self.serving = False
        await self._health.enter_graceful_shutdown()
        self._watch.end_all(Draining("the daemon is stopping"))
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None
        self._release()

    def _release(self) -> None:
        """Let others have the sockets."""
        while self._claims:
            path, lock = self._claims.pop()
            path.unlink(missing_ok=True)
            os.close(lock)


def _bind(server: aio.Server, address: UnixAddress | TcpAddress, shown: Shown | None) -> str:
    """Bind, and say where: a port that was 0 is known only now. Raises CannotListen."""
    local = grpc.LocalConnectionType
    if isinstance(address, UnixAddress):
        credentials = grpc.local_server_credentials(local.UDS)
    elif shown is None:
        credentials = grpc.local_server_credentials(local.LOCAL_TCP)
    else:
        credentials = shown.credentials()
    umask = os.umask(_SOCKET_UMASK)
    try:
        port = server.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        raise CannotListen(str(address), "gRPC cannot bind it") from error
    finally:
        os.umask(umask)
    return str(TcpAddress(address.host, port)) if isinstance(address, TcpAddress) else str(address)


def handlers(service: ServiceDescriptor, servicer: object) -> grpc.GenericRpcHandler:
    """The service's RPCs, each by the servicer's method of its name.

    Not by the generated registration: a request that cannot be parsed needs an answer of ours, and streams
    send bytes that are encoded already.
    """
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        method.name: _handler(method, getattr(servicer, method.name)) for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _handler(method: MethodDescriptor, behaviour: Callable[..., Any]) -> grpc.RpcMethodHandler[Any, Any]:
    parse = _parser(GetMessageClass(method.input_type))
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(behaviour, parse, _as_it_is)
    return grpc.unary_unary_rpc_method_handler(behaviour, parse, _serialize)


def _parser(message: type[Message]) -> Callable[[bytes], Message | Malformed]:
    def parse(data: bytes) -> Message | Malformed:
        try:
            return message.FromString(data)
        except DecodeError:
            return Malformed(message.DESCRIPTOR.full_name)

    return parse


def _serialize(response: Message) -> bytes:
    return response.SerializeToString()


def _as_it_is(frame: bytes) -> bytes:
    return frame


def _tell(material: Material, config: Config) -> None:
    """In the log: what is of no use, or not of any yet."""
    if config.tokens is None:
        return
    if config.tls is not None and config.tls.client_ca is not None:
        _logger.warning("tokens are not asked for where clients show certificates", setting="grpc.tokens")
    elif not len(material.tokens):
        _logger.warning("there is no token yet", setting="grpc.tokens", hint="agenticd token create NAME")
