"""Who may come in, and as whom: by the mode of a Unix socket, by a token, or by a certificate."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import structlog
from grpc import aio

from agenticd.adapters.rpc.status import Unauthenticated
from agenticd.adapters.rpc.tokens import Token, Tokens, kid_of

# Which messages they are for is the handler's business; gRPC's types are generic in them.
Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_logger = structlog.get_logger(__name__)
_QUIET_SECONDS = 10.0
_NAME_LENGTH = 256

_identity: ContextVar[str] = ContextVar("identity")


def identity_of(_context: Context) -> str:
    """Who asks, as the door found it: "socket", "token" for the daemon's own, "token:NAME", "certificate:NAME".
    Request ids are scoped to it."""
    return _identity.get()


@dataclass(slots=True)
class _Said:
    """A reason that is in the log: since when, and how often it was held back after that."""

    at: float
    held_back: int = 0


class Door:
    """Lets in who may come. `own`: the token of this machine, for plain TCP on loopback; None: there is none.
    `by_certificate`: whoever comes by TCP has shown one that gRPC has checked, and needs no token."""

    def __init__(self, own: str | None = None, tokens: Tokens | None = None, *, by_certificate: bool = False) -> None:
        self._own = None if own is None else own.encode()
        self._tokens = tokens or Tokens()
        self._by_certificate = by_certificate
        self._inside: dict[Token, set[asyncio.Timeout]] = defaultdict(set)
        self._said: dict[str, _Said] = {}

    def renew(self, tokens: Tokens) -> list[str]:
        """From now on these tokens. The streams of those that are gone end. Returns the names of these tokens."""
        gone = [token for token in self._tokens if token not in tokens]
        self._tokens = tokens
        for token in gone:
            for stay in self._inside.pop(token, ()):
                stay.reschedule(asyncio.get_running_loop().time())
        return [token.name for token in gone]

    def admit(self, context: Context) -> Token | None:
        """Find out who asks, for identity_of; the token that they came by. Raises Unauthenticated."""
        identity, token = self._known(context)
        _identity.set(identity)
        return token

    @asynccontextmanager
    async def staying(self, token: Token | None) -> AsyncIterator[None]:
        """For an RPC that stays: raises Unauthenticated in it when its token is taken away."""
        if token is None:
            yield
            return
        stay = asyncio.timeout(None)
        try:
            async with stay:
                self._inside[token].add(stay)
                try:
                    yield
                finally:
                    self._leave(token, stay)
        except TimeoutError:
            if stay.expired():
                raise Unauthenticated from None
            raise

    def _leave(self, token: Token, stay: asyncio.Timeout) -> None:
        there = self._inside.get(token)
        if there is not None:
            there.discard(stay)
            if not there:
                del self._inside[token]

    def _known(self, context: Context) -> tuple[str, Token | None]:
        if context.peer().startswith("unix:"):
            # The file's mode has decided who may come this way; all that gRPC says of such a peer is "unix:".
            return "socket", None
        if self._by_certificate:
            name = certificate_name(context.auth_context())
            if name:
                return f"certificate:{name}", None
            self._refuse(context, "a certificate without a name: neither a common name nor an alternative one")
        given = bearer(value for key, value in context.invocation_metadata() or () if key == "authorization")
        if given is None:
            self._refuse(context, "no token")
        if self._own is not None and hmac.compare_digest(given.encode(), self._own):
            return "token", None
        token = self._tokens.find(given)
        if token is None:
            kid = kid_of(given)
            self._refuse(context, "an unknown token" if kid else "no token of ours", kid)
        return f"token:{token.name}", token

    def _refuse(self, context: Context, why: str, kid: str = "") -> NoReturn:
        """Say in the log, and not to the client, what was wrong: of each reason one line in 10 s, as anybody can come.
        Raises Unauthenticated."""
        now = time.monotonic()
        said = self._said.get(why)
        if said is not None and now - said.at < _QUIET_SECONDS:
            said.held_back += 1
        else:
            about = {"kid": kid} if kid else {}
            held_back = said.held_back if said is not None else 0
            _logger.warning("an RPC was refused", why=why, peer=context.peer(), held_back=held_back, **about)
            self._said[why] = _Said(now)
        raise Unauthenticated


def bearer(values: Iterable[str | bytes]) -> str | None:
    """The token of a request's one `authorization: Bearer <token>`; None for whatever else was sent."""
    found = tuple(values)
    if len(found) != 1:
        return None
    text = found[0].decode("latin-1") if isinstance(found[0], bytes) else found[0]
    scheme, space, token = text.partition(" ")
    if not space or scheme.lower() != "bearer" or not token.isascii() or not token.isprintable() or " " in token:
        return None
    return token or None


def certificate_name(auth: Mapping[str, Iterable[bytes]]) -> str:
    """The name in a client's certificate: its common name, else its first alternative name; empty if it has none."""
    for field in ("x509_common_name", "x509_subject_alternative_name"):
        for value in auth.get(field, ()):
            if value:
                return value.decode("utf-8", "replace")[:_NAME_LENGTH]
    return ""
