"""What stands between an RPC and its handler: the meter, the door, the deadline's cap, what clients learn of errors.

Nothing of an exception that is not in status.py's table goes out: the log has it under an incident id.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NoReturn, TypeAlias

import grpc
import structlog
from grpc import aio

from agenticd.adapters.rpc.door import Context, Door
from agenticd.adapters.rpc.status import WireStatus, defect, status_of
from agenticd.core.errors import AgenticError, InvalidArgument
from agenticd.core.ids import parse_call_id
from agenticd.core.tally import Tally

# As Context is generic in messages.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_logger = structlog.get_logger(__name__)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Malformed:
    """Stands for a request that is no message of its kind. A deserializer cannot refuse by itself: gRPC would
    tell the client the text of its exception."""

    def __init__(self, expected: str) -> None:
        self.expected = expected


Behaviour: TypeAlias = Callable[..., Any]


def _wrapped(
    handler: Handler,
    method: str,
    unary: Callable[[str, Behaviour], Behaviour],
    stream: Callable[[str, Behaviour], Behaviour],
    both: Callable[[str, Behaviour], Behaviour],
) -> Handler:
    """The handler with something around its behaviour, by what kind of RPC it is."""
    if handler.unary_unary is not None:
        wrap, behaviour = grpc.unary_unary_rpc_method_handler, unary(method, handler.unary_unary)
    elif handler.unary_stream is not None:
        wrap, behaviour = grpc.unary_stream_rpc_method_handler, stream(method, handler.unary_stream)
    elif handler.stream_stream is not None:
        wrap, behaviour = grpc.stream_stream_rpc_method_handler, both(method, handler.stream_stream)
    else:
        raise AssertionError(f"{method}: nobody here has an RPC of this kind")
    return wrap(behaviour, handler.request_deserializer, handler.response_serializer)


class Meter(aio.ServerInterceptor):
    """Counts RPCs by (service, method), with the code that they end with. The outermost interceptor.

    What became of an RPC whose client went away, or whose deadline passed, is CANCELLED here.
    """

    def __init__(self) -> None:
        self.handled: Counter[tuple[str, str, str]] = Counter()
        """RPCs that have ended, by service, method and code."""
        self.running: Counter[tuple[str, str]] = Counter()
        """RPCs that have not ended, by service and method."""
        self.seconds: dict[tuple[str, str], Tally] = {}
        """How long RPCs with one answer took."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler with the meter around it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            # By no name: a client could make up any number of them.
            self.handled["unknown", "unknown", grpc.StatusCode.UNIMPLEMENTED.name] += 1
            return None  # type: ignore[return-value]  # gRPC answers by itself
        return _wrapped(handler, handler_call_details.method, self._unary, self._stream, self._both)

    def _unary(self, method: str, handle: Behaviour) -> Behaviour:
        async def unary(request: object, context: Context) -> object:
            begin = time.monotonic()
            try:
                with self._counted(method, context):
                    return await handle(request, context)
            finally:
                seconds = self.seconds.setdefault(_name(method), Tally(_SECONDS))
                seconds.add(time.monotonic() - begin)

        return unary

    def _stream(self, method: str, handle: Behaviour) -> Behaviour:
        async def stream(request: object, context: Context) -> None:
            with self._counted(method, context):
                await handle(request, context)

        return stream

    def _both(self, method: str, handle: Behaviour) -> Behaviour:
        async def both(requests: AsyncIterable[object], context: Context) -> AsyncIterator[object]:
            with self._counted(method, context):
                async for response in handle(requests, context):
                    yield response

        return both

    @contextmanager
    def _counted(self, method: str, context: Context) -> Iterator[None]:
        name = _name(method)
        self.running[name] += 1
        code = grpc.StatusCode.UNKNOWN
        try:
            yield
            code = grpc.StatusCode.OK
        except (asyncio.CancelledError, GeneratorExit):
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            told: grpc.StatusCode | None = context.code()  # what abort was given
            code = told or code
            self.running[name] -= 1
            self.handled[*name, code.name] += 1


def _name(method: str) -> tuple[str, str]:
    """The service and the method of `/agentic.v1.CallService/PlaceCall`."""
    service, _, name = method.removeprefix("/").rpartition("/")
    return service, name


class Guard(aio.ServerInterceptor):
    """Lets in whom the door knows, and lets out what they may know."""

    def __init__(self, door: Door, unary_timeout: float) -> None:
        self._door = door
        self._unary_timeout = unary_timeout

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler with the guard around it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None  # type: ignore[return-value]  # no such method: gRPC answers UNIMPLEMENTED by itself
        method = handler_call_details.method
        return _wrapped(handler, method, self._unary, self._stream, self._both)

    def _unary(self, method: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        async def unary(request: object, context: Context) -> object:
            async with self._guarded(method, context, request):
                _check_form(request)
                async with self._capped(context):
                    return await handle(request, context)

        return unary

    def _stream(self, method: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        async def stream(request: object, context: Context) -> None:
            async with self._guarded(method, context, request, stays=True):
                _check_form(request)
                await handle(request, context)

        return stream

    def _both(self, method: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        async def both(requests: AsyncIterable[object], context: Context) -> AsyncIterator[object]:
            async with self._guarded(method, context, stays=True):
                async for response in handle(requests, context):
                    yield response

        return both

    @asynccontextmanager
    async def _guarded(
        self, method: str, context: Context, request: object = None, *, stays: bool = False
    ) -> AsyncIterator[None]:
        """Lets in who may come, and tells the client what it may know of what goes wrong."""
        try:
            token = self._door.admit(context)
            async with self._door.staying(token if stays else None):
                yield
        except aio.BaseError:
            raise  # gRPC's own: the RPC was ended here, or the client is gone
        except AgenticError as error:
            await _abort(context, status_of(error) or _incident(method, request))
        except Exception:
            await _abort(context, _incident(method, request))

    @asynccontextmanager
    async def _capped(self, context: Context) -> AsyncIterator[None]:
        """Ends an RPC whose client set no deadline, or a later one. What was recorded by then goes on."""
        cap = asyncio.timeout(self._unary_timeout)
        try:
            async with cap:
                yield
        except TimeoutError:
            if not cap.expired():
                raise
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"not done within {self._unary_timeout:g} s")


def _check_form(request: object) -> None:
    if isinstance(request, Malformed):
        raise InvalidArgument.at("request", f"is no {request.expected}")


def _incident(method: str, request: object) -> WireStatus:
    """Log the exception at hand, and say no more of it than where to find it."""
    incident = secrets.token_hex(6)
    call_id = parse_call_id(getattr(request, "call_id", ""))
    about = {} if call_id is None else {"call_id": call_id}
    _logger.exception("an RPC failed by a defect", method=method, incident=incident, **about)
    return defect(incident)


async def _abort(context: Context, status: WireStatus) -> NoReturn:
    await context.abort(status.code, status.message, status.trailing_metadata)
