"""A brain at a chat endpoint: a real server that judges requests by the vendor's types, and answers in them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from agenticd.emulator.realtime import (
    BrainFailed,
    Calls,
    ChatBrain,
    ChatConfig,
    FunctionCall,
    Line,
    Situation,
)
from tests.emulator.realtime.client import talking

KEY = "sk-secret-of-the-endpoint"
BOOK: dict[str, Any] = {"type": "function", "name": "book", "description": "Books.", "parameters": {"type": "object"}}
REQUEST = TypeAdapter[Any](CompletionCreateParamsNonStreaming)


def completion(content: str | None = None, *calls: tuple[str, str]) -> dict[str, Any]:
    """A chat completion, as the vendor's types have it."""
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{nth}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for nth, (name, arguments) in enumerate(calls)
        ]
    choice = {"index": 0, "finish_reason": "tool_calls" if calls else "stop", "message": message, "logprobs": None}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "small", "choices": [choice]}
    ChatCompletion.model_validate(whole)
    return whole


class Endpoint:
    """A chat server of one path; `asked` are the requests, `keys` their Authorization."""

    def __init__(self, *answers: object) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self._answers = answers
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        REQUEST.validate_python(body)
        self.asked.append(body)
        self.keys.append(request.headers.get("Authorization"))
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, web.Response):
            return answer
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        return web.json_response(answer)


@contextlib.asynccontextmanager
async def endpoint(*answers: object) -> AsyncIterator[Endpoint]:
    served = Endpoint(*answers)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield served
    finally:
        await runner.cleanup()


def brain(served: Endpoint, **more: Any) -> ChatBrain:
    return ChatBrain(ChatConfig(served.url, "small", **more))


async def test_the_conversation_is_told_in_the_chats_words() -> None:
    lines = (
        Line("system", "It is Monday."),
        Line("agent", "Hello."),
        Line("caller", "Book a table."),
        Line("agent", "", FunctionCall("book", '{"people": 2}'), "call_1"),
        Line("agent", "", FunctionCall("book", '{"people": 3}'), "call_2"),
        Line("tool", '{"ok": true}', call_id="call_1"),
        Line("tool", "", call_id="call_2"),
        Line("caller", ""),
        Line("agent", ""),
    )
    async with endpoint(completion("It is done.")) as served:
        situation = Situation("Be brief.", lines, ("book",), functions=(BOOK,))
        assert await brain(served, key=KEY).reply(situation) == "It is done."
    (asked,) = served.asked
    assert (asked["model"], asked["stream"], served.keys) == ("small", False, [f"Bearer {KEY}"])
    assert asked["tools"] == [{"type": "function", "function": {n: v for n, v in BOOK.items() if n != "type"}}]
    assert "tool_choice" not in asked
    told = [(message["role"], message["content"]) for message in asked["messages"]]
    assert told == [
        ("system", "Be brief."),
        ("system", "It is Monday."),
        ("assistant", "Hello."),
        ("user", "Book a table."),
        ("assistant", None),
        ("tool", '{"ok": true}'),
        ("tool", ""),
        ("user", "[something that could not be understood]"),
        ("assistant", "[what you said here was interrupted]"),
    ]
    assert [call["id"] for call in asked["messages"][4]["tool_calls"]] == ["call_1", "call_2"]
    assert [message.get("tool_call_id") for message in asked["messages"][5:7]] == ["call_1", "call_2"]


async def test_without_a_word_it_is_told_to_begin_and_with_a_silent_caller_to_ask() -> None:
    async with endpoint(completion("Hello.")) as served:
        await brain(served).reply(Situation("", ()))
        await brain(served).reply(Situation("", (Line("agent", "Hello."),), idle=True))
    assert served.keys == [None, None]
    assert "just begun" in served.asked[0]["messages"][-1]["content"]
    assert "silent" in served.asked[1]["messages"][-1]["content"]
    assert "tools" not in served.asked[0]


@pytest.mark.parametrize(
    ("must", "choice"),
    [(("book",), {"type": "function", "function": {"name": "book"}}), (("book", "sell"), "required")],
)
async def test_what_must_be_called_is_passed_on(must: tuple[str, ...], choice: object) -> None:
    sell: dict[str, Any] = {"type": "function", "name": "sell"}
    async with endpoint(completion(None, ("book", "{}"))) as served:
        asked = Situation("", (), ("book", "sell"), functions=(BOOK, sell), must_call=must)
        assert await brain(served).reply(asked) == FunctionCall("book", "{}")
    assert served.asked[0]["tool_choice"] == choice


async def test_calls_come_back_as_calls_and_words_are_said_first() -> None:
    async with endpoint(completion("One\n moment.", ("book", "{}"), ("book", '{"a": 1}'))) as served:
        reply = await brain(served).reply(Situation("", (), ("book",), functions=(BOOK,)))
    assert reply == Calls((FunctionCall("book", "{}", say="One moment."), FunctionCall("book", '{"a": 1}')))


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (
            web.Response(status=401, text='{"error": {"message": "Bad key ' + KEY + '."}}'),
            "answered 401: Bad key (the key).",
        ),
        (web.Response(status=404, text="no\nsuch model"), "answered 404: no such model"),
        (web.Response(status=500), "answered 500: (nothing)"),
        (web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}), "answered 302"),
        (web.Response(text="<html>"), "no chat completion"),
        (web.Response(text="[" * 100_000), "no chat completion"),
        (web.Response(body=b"x" * 1_100_000), "more than 1048576 bytes"),
        ({"choices": []}, "no choices[0].message"),
        ({"choices": [{"message": {"content": 5}}]}, "content is no text"),
        ({"choices": [{"message": {"tool_calls": [{"function": {"name": "book"}}]}}]}, "no function with a name"),
    ],
)
async def test_a_bad_answer_is_a_clear_failure(answer: object, note: str) -> None:
    async with endpoint(answer) as served:
        with pytest.raises(BrainFailed) as failed:
            await brain(served, key=KEY).reply(Situation("", ()))
    assert note in str(failed.value)
    assert f"{served.url}/chat/completions" in str(failed.value)
    assert KEY not in str(failed.value)


async def test_an_endpoint_that_does_not_answer_or_is_not_there_is_a_clear_failure() -> None:
    never = asyncio.Event()
    async with endpoint(never) as served:
        with pytest.raises(BrainFailed, match=r"gave no answer within 0\.2 s"):
            await brain(served, timeout=0.2).reply(Situation("", ()))
        never.set()
    with pytest.raises(BrainFailed, match="cannot be asked"):
        await brain(served).reply(Situation("", ()))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"url": "localhost:8000"}, "no base URL"),
        ({"url": "http://host:99999/v1"}, "no base URL"),
        ({"url": "http://host/v1?key=1"}, "no base URL"),
        ({"url": "http://me:secret@host/v1"}, "holds no password"),
        ({"model": " "}, "no name"),
        ({"key": "two\nlines"}, "no key"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_a_config_that_makes_no_sense_says_why(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        ChatConfig(**{"url": "http://host/v1", "model": "small", **wrong})
    assert "secret" not in str(refused.value)


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(ChatConfig("http://host/v1", "small", KEY))


async def test_a_call_with_a_function_goes_through_the_endpoint() -> None:
    answers = (
        completion("Hello from the model."),
        completion(None, ("book", '{"people": 2}')),
        completion("It is booked."),
    )
    async with endpoint(*answers) as served, talking(brain=brain(served)) as (_, client):
        await client.phone()
        await client.update(instructions="You take bookings.", tools=[BOOK])
        await client.send("response.create")
        await client.until("response.done")
        await client.say("Great. I would like to book a table for two, tomorrow at seven.")
        (call,) = (await client.until("response.done"))["response"]["output"]
        assert (call["name"], json.loads(call["arguments"])) == ("book", {"people": 2})
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "yes"}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create")
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "It is booked."
    assert [message["role"] for message in served.asked[-1]["messages"]] == [
        "system", "assistant", "user", "assistant", "tool",
    ]  # fmt: skip
    assert served.asked[-1]["messages"][2]["content"].startswith("Great. I would like")


async def test_an_endpoint_that_fails_fails_the_response_with_its_words() -> None:
    async with endpoint(web.Response(status=503, text="busy")) as served, talking(brain=brain(served)) as (_, client):
        await client.send("response.create")
        done = (await client.until("response.done"))["response"]
        assert done["status"] == "failed"
        assert "answered 503: busy" in done["status_details"]["error"]["message"]


async def test_an_endpoint_that_calls_what_the_session_has_not_fails_the_response() -> None:
    async with endpoint(completion(None, ("sell", "{}"))) as served, talking(brain=brain(served)) as (_, client):
        await client.update(tools=[BOOK])
        await client.send("response.create")
        done = (await client.until("response.done"))["response"]
        assert "'sell'" in done["status_details"]["error"]["message"]
