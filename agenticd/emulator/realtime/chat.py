"""A brain elsewhere: any server that speaks OpenAI's chat completions, a model on this machine or in the cloud."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import SplitResult, urlsplit

import aiohttp

from agenticd.emulator.realtime.brain import BrainFailed, Calls, FunctionCall, Line, Reply, Situation
from agenticd.emulator.realtime.schema import JsonObject, JsonValue

_MOST_BYTES = 1024 * 1024  # of an answer
_MOST_TOLD = 300  # characters of an endpoint's own words
_ROLES = {"caller": "user", "agent": "assistant", "system": "system"}
_BEGINS = "The call has just begun and nobody has spoken yet. Say the first thing that you say on the phone."
_SILENT = "The caller has been silent for a while. Ask whether they are still there."
_UNKNOWN = "[something that could not be understood]"
_CUT = "[what you said here was interrupted]"


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """`url` is the endpoint's base, without `/chat/completions`; without a `key` none is sent."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    """Seconds until an answer must be whole."""

    @property
    def host(self) -> str:
        """The endpoint's host."""
        return urlsplit(self.url).hostname or ""

    def __post_init__(self) -> None:
        parts = _parts(self.url)
        if parts is None:
            raise ValueError(f"{self.url!r} is no base URL such as http://127.0.0.1:8000/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a chat URL holds no password; the key comes by itself")
        if not self.model.strip():
            raise ValueError("the chat model has no name")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable() and self.key.strip()):
            raise ValueError("the chat key is no key: one line of plain characters")
        if self.timeout <= 0:
            raise ValueError("timeout must be above 0")


class ChatBrain:
    """Asks the endpoint anew for each answer, with all of the conversation; it remembers nothing."""

    def __init__(self, config: ChatConfig) -> None:
        self._config = config
        self._url = config.url.rstrip("/") + "/chat/completions"

    async def reply(self, situation: Situation) -> Reply:
        """What the endpoint answers. Raises BrainFailed where it does not."""
        headers = {} if self._config.key is None else {"Authorization": f"Bearer {self._config.key}"}
        timeout = aiohttp.ClientTimeout(total=self._config.timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as http,
                http.post(self._url, json=self._request(situation), allow_redirects=False) as answer,
            ):
                body = await _bounded(answer)
                status = answer.status
        except TimeoutError:
            raise self._failed(f"gave no answer within {self._config.timeout:g} s") from None
        except (aiohttp.ClientError, asyncio.IncompleteReadError) as error:
            raise self._failed(f"cannot be asked: {error}") from None
        if status != 200:
            raise self._failed(f"answered {status}: {_words_of(body)}")
        try:
            return _reply(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise self._failed(f"answered what is no chat completion: {error}") from None

    def _failed(self, what: str) -> BrainFailed:
        text = f"The chat endpoint {self._url} {what}"
        return BrainFailed(text if self._config.key is None else text.replace(self._config.key, "(the key)"))

    def _request(self, situation: Situation) -> JsonObject:
        request: JsonObject = {
            "model": self._config.model,
            "messages": list[JsonValue](_messages(situation)),
            "stream": False,
        }
        if situation.functions:
            request["tools"] = [
                {"type": "function", "function": {name: value for name, value in function.items() if name != "type"}}
                for function in situation.functions
            ]
        if len(situation.must_call) == 1:
            request["tool_choice"] = {"type": "function", "function": {"name": situation.must_call[0]}}
        elif situation.must_call:
            request["tool_choice"] = "required"
        return request


def _parts(url: str) -> SplitResult | None:
    """The parts of a base URL; None if it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # judged only when it is asked for
    except ValueError:
        return None
    good = parts.scheme in ("http", "https") and bool(parts.hostname) and not any(map(str.isspace, url))
    return parts if good and not parts.query and not parts.fragment else None


def _messages(situation: Situation) -> Iterator[JsonObject]:
    """The conversation in the chat's form; calls of functions stand together before what they gave."""
    if situation.instructions:
        yield {"role": "system", "content": situation.instructions}
    calls: list[JsonValue] = []
    for line in situation.lines:
        if line.call is not None:
            function: JsonObject = {"name": line.call.name, "arguments": line.call.arguments}
            calls.append({"id": line.call_id, "type": "function", "function": function})
            continue
        if calls:
            yield {"role": "assistant", "content": None, "tool_calls": calls}
            calls = []
        yield _message(line)
    if calls:
        yield {"role": "assistant", "content": None, "tool_calls": calls}
    if situation.idle:
        yield {"role": "system", "content": _SILENT}
    elif not situation.lines:
        yield {"role": "system", "content": _BEGINS}


def _message(line: Line) -> JsonObject:
    if line.speaker == "tool":
        return {"role": "tool", "tool_call_id": line.call_id, "content": line.text}
    unknown = {"caller": _UNKNOWN, "agent": _CUT}.get(line.speaker, "")
    return {"role": _ROLES[line.speaker], "content": line.text or unknown}


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_chunked(65536):
        body += piece
        if len(body) > _MOST_BYTES:
            raise aiohttp.ClientPayloadError(f"more than {_MOST_BYTES} bytes")
    return bytes(body)


def _reply(completion: object) -> Reply:
    """What a chat completion says or calls. ValueError if it is none."""
    choices = completion.get("choices") if isinstance(completion, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        raise ValueError("there is no choices[0].message")
    content, called = message.get("content"), message.get("tool_calls")
    if not isinstance(content, str | None):
        raise ValueError("the message's content is no text")
    text = " ".join((content or "").split())
    calls = [_call(entry) for entry in called] if isinstance(called, list) else []
    if not calls:
        return text
    calls[0] = FunctionCall(calls[0].name, calls[0].arguments, say=text)
    return calls[0] if len(calls) == 1 else Calls(tuple(calls))


def _call(entry: object) -> FunctionCall:
    function = entry.get("function") if isinstance(entry, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    arguments = cast("dict[str, object]", function).get("arguments") if isinstance(name, str) else None
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise ValueError("a tool call has no function with a name and arguments as text")
    return FunctionCall(name, arguments)


def _words_of(body: bytes) -> str:
    """What an endpoint says of its error: OpenAI's way, or as it is."""
    text = body.decode(errors="replace")
    try:
        error = json.loads(text).get("error")
        text = str(error.get("message")) if isinstance(error, dict) else str(error or text)
    except (ValueError, AttributeError, RecursionError):
        pass
    return " ".join(text.split())[:_MOST_TOLD] or "(nothing)"
