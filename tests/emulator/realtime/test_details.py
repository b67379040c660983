"""The rest of the Realtime API: formats, limits, manners of transcription, tools that must be called, models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from openai.types import Model
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agenticd.emulator.realtime import (
    DEMO_GREETING,
    Calls,
    Dialogue,
    FunctionCall,
    Line,
    Messages,
    RealtimeConfig,
    RealtimeFaults,
    Reply,
    Situation,
)
from agenticd.emulator.realtime.usage import RateLimits, input_limit
from agenticd.emulator.voice import Voice, alaw, ulaw
from tests.emulator.realtime.client import (
    CLIENT_EVENTS,
    INSTANT,
    SERVER_EVENTS,
    SLOW,
    Client,
    serving,
    talking,
    validate,
)
from tests.emulator.realtime.conftest import Judge

PCMA = {"type": "audio/pcma"}
GREETING = {"instructions": f'Say: "{DEMO_GREETING}"'}
TRANSCRIPTION = "conversation.item.input_audio_transcription"
BOOK = {
    "type": "function",
    "name": "book",
    "parameters": {
        "type": "object",
        "properties": {
            "people": {"type": "integer", "minimum": 1},
            "day": {"enum": ["today", "tomorrow"]},
            "guest": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "note": {"type": "string"},
        },
        "required": ["people", "day", "guest"],
    },
}
SELL = {"type": "function", "name": "sell"}


async def answered(client: Client, **response: Any) -> dict[str, Any]:
    await client.send("response.create", response=response)
    done: dict[str, Any] = (await client.until("response.done"))["response"]
    return done


class Noting:
    """A brain that remembers what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.asked: list[Situation] = []
        self._replies: Sequence[Reply] = replies

    async def reply(self, situation: Situation) -> Reply:
        self.asked.append(situation)
        return self._replies[min(len(self.asked), len(self._replies)) - 1]


# Formats and settings


async def test_a_law_goes_both_ways() -> None:
    async with talking() as (server, client):
        await client.phone()
        await client.update(audio={"input": {"format": PCMA}, "output": {"format": PCMA}})
        await answered(client, **GREETING)
        spoken = ulaw.decode(Voice().say(DEMO_GREETING, "agent"))
        assert client.audio() == alaw.encode(spoken)
        await client.append(alaw.encode(ulaw.decode(Voice().say("What is your address?", "caller"))) + b"\xd5" * 8000)
        await client.until("response.done")
        assert server.sessions[0].items[1].text == "What is your address?"


async def test_noise_reduction_keeps_the_strength_that_is_not_named() -> None:
    async with talking() as (_, client):

        async def reduced(**reduction: Any) -> dict[str, Any]:
            session = await client.update(audio={"input": {"noise_reduction": reduction}})
            return dict(session["audio"]["input"]["noise_reduction"])

        assert await reduced(type="near_field") == {"type": "near_field", "strength": 1.0}
        assert await reduced(type="near_field", strength=0.25) == {"type": "near_field", "strength": 0.25}
        assert await reduced(type="far_field") == {"type": "far_field", "strength": 0.25}


# Transcription


async def heard(client: Client, model: str) -> dict[str, Any]:
    await client.update(audio={"input": {"transcription": {"model": model}}})
    await client.say("What is your address?")
    completed = await client.until(f"{TRANSCRIPTION}.completed")
    if not client.of("response.done"):
        await client.until("response.done")
    return completed


async def test_each_model_writes_down_in_its_manner() -> None:
    async with talking() as (_, client):
        await client.phone()
        assert (await heard(client, "gpt-transcribe"))["languages"] == [{"code": "en"}]
        assert len(client.of(f"{TRANSCRIPTION}.delta")) == 4
    async with talking() as (_, client):
        await client.phone()
        whisper = await heard(client, "whisper-1")
        assert whisper["usage"]["type"] == "duration"
        assert [event["delta"] for event in client.of(f"{TRANSCRIPTION}.delta")] == ["What is your address?"]
    async with talking() as (_, client):
        await client.phone()
        assert "languages" not in await heard(client, "gpt-4o-transcribe-diarize")
        (segment,) = client.of(f"{TRANSCRIPTION}.segment")
        assert (segment["text"], segment["start"]) == ("What is your address?", 0.0)


async def test_a_transcription_says_how_sure_it_is_where_that_is_included() -> None:
    async with talking() as (_, client):
        await client.phone()
        await client.update(include=["item.input_audio_transcription.logprobs"])
        sure = (await heard(client, "gpt-4o-transcribe"))["logprobs"]
        assert "".join(entry["token"] for entry in sure) == "What is your address?"
        assert bytes(sure[0]["bytes"]) == b"What"
        assert all(-1 < entry["logprob"] < 0 for entry in sure)
        assert all(event["logprobs"] for event in client.of(f"{TRANSCRIPTION}.delta"))


async def test_a_transcription_can_fail_and_the_caller_is_understood_all_the_same() -> None:
    async with talking(replace(INSTANT, faults=RealtimeFaults(unwritten=1))) as (_, client):
        await client.phone()
        await client.say("What is your address?")
        failed = await client.until(f"{TRANSCRIPTION}.failed")
        assert failed["error"]["type"] == "server_error"
        done = (await client.until("response.done"))["response"]
        assert "Garden Street" in done["output"][0]["content"][0]["transcript"]
        await client.say("What is your address?")
        await client.until(f"{TRANSCRIPTION}.completed")
        assert len(client.of(f"{TRANSCRIPTION}.failed")) == 1


# Tools


async def test_a_function_that_must_be_called_is_called_with_what_its_schema_takes() -> None:
    async with talking(brain=Dialogue(opening="Certainly.")) as (_, client):
        await client.update(tools=[SELL, BOOK], tool_choice={"type": "function", "name": "book"})
        (call,) = (await answered(client))["output"]
        assert call["name"] == "book"
        assert json.loads(call["arguments"]) == {"people": 1, "day": "today", "guest": {"name": ""}}
        (call,) = (await answered(client, tool_choice="required", tools=[SELL]))["output"]
        assert (call["name"], call["arguments"]) == ("sell", "{}")
        assert (await answered(client, tool_choice="none"))["output"][0]["type"] == "message"


async def test_a_brain_that_calls_what_must_be_called_says_with_what() -> None:
    brain = Noting(FunctionCall("book", '{"people": 2}'))
    async with talking(brain=brain) as (_, client):
        await client.update(tools=[SELL, BOOK], tool_choice="required")
        (call,) = (await answered(client))["output"]
        assert (call["name"], call["arguments"]) == ("book", '{"people": 2}')
        assert brain.asked[0].must_call == ("sell", "book")
        assert brain.asked[0].functions == (SELL, BOOK)


async def test_several_functions_are_called_in_one_answer_and_the_brain_reads_what_they_gave() -> None:
    brain = Noting(Calls((FunctionCall("sell", "{}", say="Of course."), FunctionCall("book", "{}"))), "All done.")
    async with talking(brain=brain) as (_, client):
        await client.update(tools=[SELL, BOOK])
        output = (await answered(client))["output"]
        assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
        for item in output[1:]:
            given = {"type": "function_call_output", "call_id": item["call_id"], "output": item["name"]}
            await client.send("conversation.item.create", item=given)
        assert (await answered(client))["output"][0]["content"][0]["transcript"] == "All done."
        ids = [item["call_id"] for item in output[1:]]
        assert brain.asked[1].lines == (
            Line("agent", "Of course."),
            Line("agent", "", FunctionCall("sell", "{}"), ids[0]),
            Line("agent", "", FunctionCall("book", "{}"), ids[1]),
            Line("tool", "sell", call_id=ids[0]),
            Line("tool", "book", call_id=ids[1]),
        )


# Limits


@pytest.mark.parametrize(("modality", "most"), [("audio", 40), ("text", 10)])
async def test_the_limit_of_tokens_holds_for_all_items_together(modality: str, most: int) -> None:
    async with talking(brain=Noting(Messages(("Of course.", DEMO_GREETING, "Never said.")))) as (_, client):
        await client.phone()
        done = await answered(client, max_output_tokens=most, output_modalities=[modality])
        assert (done["status"], done["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
        assert [item["status"] for item in done["output"]] == ["completed", "incomplete"]
        assert done["usage"]["output_tokens"] == most
        texts = [item["content"][0] for item in done["output"]]
        assert DEMO_GREETING.startswith(texts[1].get("text") or texts[1]["transcript"])
        assert done["usage"]["output_token_details"]["audio_tokens"] == -(-len(client.audio()) // 8 // 50)


async def test_the_limit_cuts_the_arguments_of_a_call() -> None:
    async with talking(brain=Noting(FunctionCall("sell", '{"what": "everything that there is"}'))) as (_, client):
        await client.update(tools=[SELL])
        done = await answered(client, max_output_tokens=6)  # one of them for the name
        (call,) = done["output"]
        assert (done["status"], call["status"], call["arguments"]) == (
            "incomplete",
            "incomplete",
            '{"what": "everything',
        )
        assert client.of("response.function_call_arguments.done")[0]["arguments"] == call["arguments"]


@pytest.mark.parametrize("modality", ["audio", "text"])
@pytest.mark.parametrize("most", [1, 2, 3, 17])
async def test_no_answer_has_more_tokens_than_the_limit(modality: str, most: int) -> None:
    async with talking(brain=Noting(DEMO_GREETING)) as (_, client):
        done = await answered(client, max_output_tokens=most, output_modalities=[modality])
        assert (done["status"], done["usage"]["output_tokens"]) == ("incomplete", most)


async def test_a_call_whose_name_is_more_than_the_limit_is_none() -> None:
    async with talking(brain=Noting(FunctionCall("sell", "{}"))) as (_, client):
        await client.update(tools=[SELL])
        done = await answered(client, max_output_tokens=1)
        assert (done["status"], done["output"][0]["arguments"]) == ("incomplete", "")
    async with talking(brain=Noting(FunctionCall("sell_all", "{}"))) as (_, client):
        await client.update(tools=[{**SELL, "name": "sell_all"}])
        done = await answered(client, max_output_tokens=1)
        assert (done["status"], done["output"]) == ("incomplete", [])


async def test_tools_are_read_and_counted() -> None:
    async with talking() as (_, client):

        async def read(**response: Any) -> int:
            return int((await answered(client, conversation="none", input=[], **response))["usage"]["input_tokens"])

        bare = await read()
        assert await read(tools=[BOOK]) - bare == -(-len(json.dumps([BOOK])) // 4)
        assert await read(tools=[BOOK], tool_choice="none") == await read(tools=[BOOK])


async def test_what_was_generated_is_counted_also_where_it_was_truncated() -> None:
    async with talking(SLOW) as (_, client):
        await client.phone()
        await client.send("response.create", response=GREETING)
        delta = await client.until("response.output_audio.delta")
        await client.send("conversation.item.truncate", item_id=delta["item_id"], content_index=0, audio_end_ms=0)
        await client.until("conversation.item.truncated")
        await client.send("response.cancel")
        done = (await client.until("response.done"))["response"]
        said = client.of("response.output_audio_transcript.done")[0]["transcript"]
        assert done["status"] == "cancelled"
        assert done["usage"]["output_token_details"]["text_tokens"] == -(-len(said) // 4) > 0


async def filled(client: Client) -> None:
    """A conversation of ten items of 100 tokens each."""
    for number in range(10):
        text = f"{number}{'x' * 399}"
        content = [{"type": "input_text", "text": text}]
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})


async def test_of_a_conversation_that_is_too_long_the_latest_is_read() -> None:
    brain = Noting("Of course.")
    async with talking(brain=brain) as (_, client):
        limits = {"post_instructions": 800}
        await client.update(truncation={"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": limits})
        await filled(client)
        done = await answered(client)
        assert [line.text[0] for line in brain.asked[0].lines] == ["6", "7", "8", "9"]
        assert done["usage"]["input_token_details"]["text_tokens"] in range(400, 450)
        assert done["usage"]["input_token_details"]["cached_tokens"] == 0


async def test_a_conversation_that_is_too_long_is_an_error_where_nothing_may_be_left_out() -> None:
    async with serving(RealtimeConfig(response_delay=0)) as server:
        headers = {"Authorization": "Bearer sk-emulator"}
        async with connect(f"{server.url}?model=gpt-realtime-1.5", additional_headers=headers) as socket:
            client = Client(socket)
            await client.update(truncation="disabled")
            content = [{"type": "input_text", "text": "x" * 4 * (input_limit("gpt-realtime-1.5") + 1)}]
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
            await client.send("response.create")
            assert "28225" in (await client.error())["message"]
            await client.update(truncation="auto")
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"


def test_the_models_read_as_much_as_they_do() -> None:
    assert input_limit("gpt-realtime-2.1-mini") == 96_000
    assert input_limit("gpt-realtime-2025-08-28") == input_limit("gpt-realtime") == 28_224


def test_limits_are_used_up_and_fill_up_again() -> None:
    limits, most = RateLimits(), {"requests": 6, "tokens": 400_000}
    first: Any = limits.take(100_000, 10.0, most)
    assert first == (
        [
            {"name": "requests", "limit": 6, "remaining": 5, "reset_seconds": 10.0},
            {"name": "tokens", "limit": 400_000, "remaining": 300_000, "reset_seconds": 15.0},
        ],
        None,
    )
    later: Any = limits.take(0, 20.0, most)
    assert later[0][1]["remaining"] == 366_666
    whole: Any = limits.take(400_000, 100.0, most)
    assert (whole[0][1]["remaining"], whole[0][1]["reset_seconds"], whole[1]) == (0, 60.0, None)


def test_what_is_more_than_the_limit_is_refused_and_not_counted() -> None:
    limits, most = RateLimits(), {"requests": 2, "tokens": 1000}
    for _ in range(2):
        assert limits.take(100, 10.0, most)[1] is None
    left, error = limits.take(100, 25.0, most)
    assert error == {
        "type": "requests",
        "code": "rate_limit_exceeded",
        "message": "Rate limit reached for this model on requests per min (RPM): Limit 2, Used 1, Requested 1. "
        "Please try again in 15.000s.",
    }
    assert left[0] == {"name": "requests", "limit": 2, "remaining": 0, "reset_seconds": 45.0}
    assert limits.take(100, 40.0, most)[1] is None
    large: Any = limits.take(1001, 100.0, most)[1]
    assert large["message"] == (
        "Request too large for this model on tokens per min (TPM): Limit 1000, Used 0, Requested 1001."
    )


# Beside the sessions


async def test_the_models_can_be_listed_with_the_key() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        url = server.url.replace("ws:", "http:").removesuffix("/realtime") + "/models"
        async with http.get(url) as refused:
            assert refused.status == 401
        headers = {"Authorization": "Bearer sk-emulator"}
        async with http.get(url, headers=headers) as listed:
            models = [Model.model_validate(entry, strict=True) for entry in (await listed.json())["data"]]
        assert tuple(model.id for model in models) == server.config.models
        async with http.get(f"{url}/gpt-realtime", headers=headers) as one:
            assert Model.model_validate(await one.json()).shutdown_date == "2027-01-20"
        async with http.get(f"{url}/gpt-5", headers=headers) as none:
            assert (none.status, (await none.json())["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("query", ["intent=transcription", "call_id=rtc_1"])
async def test_sessions_of_another_kind_are_refused_in_plain_words(query: str) -> None:
    async with serving() as server:
        headers = {"Authorization": "Bearer sk-emulator"}
        async with connect(f"{server.url}?{query}", additional_headers=headers) as socket:
            error = json.loads(await socket.recv())["error"]
            assert error["message"].startswith("The emulator has no")
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4000


# The judge of all these tests


def test_the_judge_sees_what_is_wrong() -> None:
    judge = Judge()
    judge.garbage.add("garbage")
    cleared = {"type": "input_audio_buffer.cleared", "event_id": "event_1"}
    for frame in ("garbage", json.dumps(cleared)):
        judge.see(frame)
    judge.decide()
    assert judge.wrong == []
    for wrong in ("{", "[]", b"\xff", '{"type": "response.mood"}', json.dumps({**cleared, "mood": 1}), "5"):
        judge.see(wrong)
    judge.see(json.dumps({"type": "input_audio_buffer.cleared"}))
    judge.decide()
    assert (len(judge.wrong), judge.judged) == (7, {"input_audio_buffer.cleared": 1})


def test_there_is_a_type_for_each_event() -> None:
    assert len(SERVER_EVENTS) == 46
    assert len(CLIENT_EVENTS) == 11
    with pytest.raises(KeyError):
        validate({"type": "response.mood"}, SERVER_EVENTS)
