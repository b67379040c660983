"""The callbacks of one call on their way: one after the other, but for what the present faults say.

What a callback says is decided in `life` and `interpreter`, when it is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from agenticd.emulator.twilio.call import Call, Kind
from agenticd.emulator.twilio.debugger import NOT_BUILT, Debugger
from agenticd.emulator.twilio.faults import Present
from agenticd.emulator.twilio.twiml import Method
from agenticd.emulator.twilio.webhook import NoAnswer, Webhooks

_WAITING = 256
"""Callbacks that wait for the ones before them; more are dropped, which the debugger tells."""


@dataclass(frozen=True, slots=True)
class _Callback:
    kind: Kind
    method: Method
    url: str
    params: Mapping[str, str]

    @property
    def status(self) -> str:
        """The status that it tells of, empty for a stream's."""
        return self.params["CallStatus"] if self.kind == "status" else ""


class Callbacks:
    """Takes callbacks when they are due and sends them. Their answers are not read beyond the status."""

    def __init__(self, now: Present, debugger: Debugger, call: Call, webhooks: Webhooks) -> None:
        self._now = now
        self._debugger = debugger
        self._call = call
        self._webhooks = webhooks
        self._queue: asyncio.Queue[_Callback | None] = asyncio.Queue(_WAITING)
        self._held: list[_Callback] = []
        self._sent: set[str] = set()  # statuses

    def put(self, kind: Kind, method: Method, url: str, params: Mapping[str, str]) -> None:
        """One more is due now. It tells of now, however much later it is sent."""
        now = {} if kind in ("recording", "stream") else {"CallStatus": self._call.status}
        callback = _Callback(kind, method, url, {**params, **now})
        if callback.status in self._now.callbacks.lost:
            return
        try:
            self._queue.put_nowait(callback)
        except asyncio.QueueFull:
            text = f"{_WAITING} callbacks wait already: one more is dropped"
            self._debugger.note(NOT_BUILT, self._call.sid, text)

    async def close(self) -> None:
        """No more will be due; `run` returns when all were answered."""
        await self._queue.put(None)

    async def run(self) -> None:
        """Send them until `close`, the late ones too."""
        async with asyncio.TaskGroup() as late:
            while (callback := await self._queue.get()) is not None:
                if self._waits(callback):
                    self._held.append(callback)
                elif seconds := dict[str, float](self._now.callbacks.late.items()).get(callback.status, 0.0):
                    late.create_task(self._send_later(callback, seconds))
                else:
                    await self._send(callback)
        await self._release(self._held)  # what they waited for never came

    async def _send_later(self, callback: _Callback, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._send(callback)

    async def _send(self, callback: _Callback) -> None:
        for _ in range(self._now.callbacks.copies if callback.status else 1):
            await self._post(callback)
        if callback.status:
            self._sent.add(callback.status)
            await self._release([held for held in self._held if not self._waits(held)])

    def _waits(self, callback: _Callback) -> bool:
        """Whether it is sent only after another, which was not sent yet."""
        first = dict[str, str](self._now.callbacks.after.items()).get(callback.status)
        return first is not None and first not in self._sent

    async def _release(self, callbacks: list[_Callback]) -> None:
        for callback in list(callbacks):
            if callback in self._held:
                self._held.remove(callback)
                await self._send(callback)

    async def _post(self, callback: _Callback) -> None:
        try:
            answer = await self._webhooks.request(callback.kind, callback.method, callback.url, callback.params)
        except NoAnswer as error:
            self._debugger.note(error.code, self._call.sid, f"{callback.kind} callback: {error}")
        else:
            if not 200 <= answer.status < 300:
                text = f"{callback.kind} callback: {answer.url} answered {answer.status}"
                self._debugger.note(11200, self._call.sid, text)
