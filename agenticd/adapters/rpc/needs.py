"""What the API needs of the use cases, and no more: service/calls.py and service/watch.py give it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from agenticd.core.errors import AgenticError
from agenticd.core.events import CallRecord, TranscriptFinal
from agenticd.core.ids import CallId
from agenticd.service.calls import NodeStatus, Placed
from agenticd.service.orders import PlaceOrder
from agenticd.service.ports import CallQuery, LogCopy
from agenticd.service.watch import FollowRequest, Frame


class Calls(Protocol):
    """service.calls.Calls."""

    async def place(self, order: PlaceOrder, identity: str) -> Placed: ...

    async def hang_up(self, call_id: CallId, message: str) -> tuple[CallRecord, int]: ...

    async def get(self, call_id: CallId) -> tuple[CallRecord, int]: ...

    async def list(self, query: CallQuery) -> tuple[Sequence[CallRecord], int]: ...

    async def transcript(self, call_id: CallId) -> tuple[Sequence[TranscriptFinal], int]: ...

    def queue_positions(self) -> Mapping[CallId, int]: ...

    def status(self) -> NodeStatus: ...

    def drain(self) -> None: ...


class Watch(Protocol):
    """service.watch.Watch."""

    @property
    def count(self) -> int: ...

    def follow(self, request: FollowRequest) -> AsyncGenerator[Frame, None]: ...

    def end_all(self, error: AgenticError) -> None: ...


class Log(Protocol):
    """What the store has for the operator: adapters.store.SqliteLog."""

    def backup(self) -> AbstractAsyncContextManager[LogCopy]: ...
