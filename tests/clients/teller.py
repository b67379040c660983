"""A teller of the story, as a child process: orders go in, answers and the lines of its streams come out.

Whatever is waited for and does not come is a failure that shows the whole dialogue.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WITHIN = 60.0
"""Seconds until a line that does not come is given up. Long: it only bounds a test that has failed."""
_LONGEST_LINE = 1 << 20


class Stuck(AssertionError):
    """What was waited for did not come, or the teller broke the protocol."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error, as a teller tells it."""

    type: str
    code: str
    reason: str
    message: str
    metadata: dict[str, str]
    violations: list[dict[str, str]]
    retry_after: float
    request_id: str

    @property
    def says(self) -> tuple[str, str]:
        """What a program branches on: the code and the reason."""
        return self.code, self.reason

    @property
    def fields(self) -> list[str]:
        """The fields that are wrong."""
        return [violation["field"] for violation in self.violations]


class Refused(AssertionError):
    """An order that should have been done was not."""

    def __init__(self, order: str, error: Refusal) -> None:
        super().__init__(f"{order}: {error}")
        self.error = error


@dataclass(frozen=True, slots=True)
class Told:
    """An event, as a teller tells it."""

    revision: int
    call_id: str
    call_sequence: int
    kind: str
    text: str


@dataclass(eq=False)
class Stream:
    """What a stream has said so far."""

    name: str
    teller: Teller
    lines: list[dict[str, Any]] = field(default_factory=list)
    """All of it, in order."""
    events: list[Told] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)
    bookmarks: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    ended: bool = False
    error: Refusal | None = None
    cursor: str = ""
    """That of its end."""

    def take(self, line: dict[str, Any]) -> None:
        """A line more. Raises Stuck for one that is not of the protocol."""
        if self.ended:
            raise Stuck(f"{self.name} had ended, and then said {line}")
        self.lines.append(line)
        match line:
            case {"event": event}:
                self.events.append(Told(**event))
            case {"live": words}:
                self.words.append(words)
            case {"resumed": cursor}:
                self.resumed.append(cursor)
            case {"end": error, "cursor": cursor}:
                self.ended, self.cursor = True, cursor
                self.error = None if error is None else Refusal(**error)
            case {"cursor": cursor}:
                self.bookmarks.append(cursor)
            case _:
                raise Stuck(f"{self.name} said {line}")

    @property
    def kinds(self) -> list[str]:
        """Those of its events."""
        return [event.kind for event in self.events]

    async def until(self, met: Callable[[Stream], object], what: str) -> None:
        """Wait for what it says. Raises Stuck where it ends before, or is silent."""
        await self.teller.until(lambda: bool(met(self)) or self.ended, f"{self.name}: {what}")
        if not met(self):
            raise Stuck(self.teller.story(f"{self.name} ended before: {what}"))

    async def has(self, kind: str, call_id: str = "", count: int = 1) -> Told:
        """Wait for an event of that kind, of that call if it is named, and as many of them; the last of these."""

        def found(stream: Stream) -> list[Told]:
            return [one for one in stream.events if one.kind == kind and call_id in ("", one.call_id)]

        await self.until(lambda stream: len(found(stream)) >= count, f"{count} of {kind} {call_id}")
        return found(self)[count - 1]

    async def reaches(self, revision: int) -> None:
        """Wait for that event or a later one."""
        await self.until(lambda one: one.events and one.events[-1].revision >= revision, f"revision {revision}")

    async def complete(self) -> None:
        """Wait for its end, which is no error."""
        await self.until(lambda stream: stream.ended, "its end")
        if self.error is not None:
            raise Stuck(self.teller.story(f"{self.name} ended with {self.error}"))

    async def fails(self) -> Refusal:
        """Wait for its end, which is an error."""
        await self.until(lambda stream: stream.ended, "its end")
        if self.error is None:
            raise Stuck(self.teller.story(f"{self.name} ended without an error"))
        return self.error


class Teller:
    """A client in some language that does what it is told. Entered, it runs; left, it has ended."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self._command, self._folder = list(command), folder
        self._ids = itertools.count(1)
        self._orders: dict[int, str] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._streams: dict[str, Stream] = {}
        self._dialogue: list[str] = []
        self._complaints: deque[str] = deque(maxlen=200)
        self._broken = ""
        self._moved = asyncio.Condition()

    async def __aenter__(self) -> Self:
        # Nothing of this machine tells a client where a daemon is, or by what token: only its command line does.
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AGENTCTL_", "XDG_RUN"))}
        environ |= {"GRPC_VERBOSITY": "NONE", "RUNTIME_DIRECTORY": "/nonexistent"}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self._folder, limit=_LONGEST_LINE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=environ,
        )  # fmt: skip
        self._readers = asyncio.gather(self._listen(), self._overhear())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        code = await self.end()
        if kind is None and (self._broken or code != 0):
            raise Stuck(self.story(self._broken or f"it ended with {code}"))

    async def end(self) -> int:
        """Say that no more orders come, and wait until it has ended. Returns its exit code; so does a second call."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(WITHIN):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            raise Stuck(self.story("its input has ended, and it has not")) from None
        finally:
            await self._process.wait()
            await self._readers
        return await self._process.wait()

    def kill(self) -> None:
        """kill -9."""
        if self._process.returncode is None:
            self._process.kill()

    async def send(self, what: str, **fields: Any) -> int:
        """Give an order, and do not wait for what comes of it. Returns its id."""
        number = next(self._ids)
        text = self._orders[number] = json.dumps({"id": number, "do": what, **fields})
        self._dialogue.append(f"-> {text}")
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        await self._process.stdin.drain()
        return number

    async def answer(self, number: int) -> dict[str, Any]:
        """What came of that order. Raises Refused."""
        await self.until(lambda: number in self._answers, f"the answer to {self._orders[number]}")
        answer = self._answers[number]
        if "error" in answer:
            raise Refused(self._orders[number], Refusal(**answer["error"]))
        done: dict[str, Any] = answer["ok"]
        return done

    async def do(self, what: str, **fields: Any) -> dict[str, Any]:
        """Have something done; what came of it. Raises Refused."""
        return await self.answer(await self.send(what, **fields))

    async def refused(self, what: str, **fields: Any) -> Refusal:
        """Have something done that is refused; the error. Raises Stuck where it is done."""
        try:
            done = await self.do(what, **fields)
        except Refused as refused:
            return refused.error
        raise Stuck(self.story(f"{what} {fields} was done: {done}"))

    async def follow(self, name: str, **fields: Any) -> Stream:
        """Have it follow events. Raises Refused where the client says at once that it cannot."""
        return await self._begin("follow", name, fields)

    async def follow_call(self, name: str, placed: dict[str, Any]) -> Stream:
        """Have it follow the call that `place` told of, in the client's own way."""
        return await self._begin("follow_call", name, {key: placed[key] for key in ("call_id", "revision", "epoch")})

    async def _begin(self, what: str, name: str, fields: dict[str, Any]) -> Stream:
        assert name not in self._streams
        stream = self._streams[name] = Stream(name, self)
        await self.do(what, name=name, **fields)
        return stream

    async def until(self, met: Callable[[], bool], what: str) -> None:
        """Wait for a line after which it is so. Raises Stuck when the teller has ended, or is silent too long."""
        try:
            async with asyncio.timeout(WITHIN), self._moved:
                await self._moved.wait_for(lambda: met() or self._broken)
        except TimeoutError:
            raise Stuck(self.story(f"it did not come: {what}")) from None
        if self._broken and not met():
            raise Stuck(self.story(f"{self._broken}; waited for: {what}"))

    def story(self, wrong: str = "") -> str:
        """All that was said, for a person."""
        complaints = [f"   {text}" for text in self._complaints]
        return "\n".join([f"{self.name}: {wrong}", *self._dialogue, "its standard error:", *complaints])

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            self._dialogue.append(f"<- {raw.decode(errors='replace').rstrip()}")
            async with self._moved:
                try:
                    self._take(json.loads(raw))
                except (ValueError, KeyError, TypeError, Stuck) as wrong:
                    self._broken = self._broken or f"not of the protocol: {wrong!r}"
                self._moved.notify_all()
        code = await self._process.wait()
        async with self._moved:
            if self._answers.keys() != self._orders.keys() or code != 0:
                self._broken = self._broken or f"it has ended with {code}"
            self._moved.notify_all()

    def _take(self, line: dict[str, Any]) -> None:
        match line:
            case {"follow": name}:
                self._streams[name].take(line)
            case {"id": number} if number in self._orders and number not in self._answers:
                if line.keys() not in ({"id", "ok"}, {"id", "error"}):
                    raise Stuck(f"an answer is ok or error: {line}")
                self._answers[number] = line
            case _:
                raise Stuck(f"nobody asked: {line}")

    async def _overhear(self) -> None:
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            self._complaints.append(raw.decode(errors="replace").rstrip())
