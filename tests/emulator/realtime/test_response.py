"""Responses: their events in the original's order, their audio, their pace, their cost."""

from __future__ import annotations

import asyncio
import base64
import math
from dataclasses import replace
from typing import Any

import pytest

from agenticd.emulator.realtime import (
    DEMO_CALLER_LINES,
    DEMO_DIALOGUE,
    DEMO_GREETING,
    BrainFailed,
    Dialogue,
    FunctionCall,
    Line,
    Reply,
    Rule,
    Situation,
)
from agenticd.emulator.voice import Recogniser, Voice
from tests.emulator.realtime.client import INSTANT, PCM, PCMU, SILENCE, Client, Event, talking

COMPLETED = "conversation.item.input_audio_transcription.completed"
GREETING = {"instructions": f'Say exactly this, and nothing else: "{DEMO_GREETING}"'}
ADDRESS = "We are at twelve Garden Street, next to the old theatre."
TOOL = {"type": "function", "name": "book", "description": "Books.", "parameters": {"type": "object"}}


async def answered(client: Client, response: dict[str, Any] | None = None) -> Event:
    """Asks for a response; what it came to."""
    await client.send("response.create", **({} if response is None else {"response": response}))
    done: Event = (await client.until("response.done"))["response"]
    return done


async def test_the_events_of_a_turn_come_in_the_originals_order() -> None:
    async with talking(replace(INSTANT, chunk_ms=60_000)) as (_, client):
        await client.phone()
        await client.say("What is your address?")
        await client.until("response.done")
        assert client.types()[2:] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "rate_limits.updated",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]


async def test_the_ids_of_a_turn_hang_together() -> None:
    async with talking() as (server, client):
        await client.phone()
        await client.say("What is your address?")
        done = (await client.until("response.done"))["response"]
        callers, agents = (item.id for item in server.sessions[0].items)
        for kind in ("speech_started", "speech_stopped", "committed"):
            assert client.of(f"input_audio_buffer.{kind}")[0]["item_id"] == callers
        assert client.of("input_audio_buffer.committed")[0]["previous_item_id"] is None
        assert [event["previous_item_id"] for event in client.of("conversation.item.added")] == [
            None,
            callers,
        ]
        assert {event["item_id"] for event in client.events if "output_audio" in event["type"]} == {agents}
        assert {event["response_id"] for event in client.events if "response_id" in event} == {done["id"]}
        assert [item["id"] for item in done["output"]] == [agents]
        assert len({event["event_id"] for event in client.events}) == len(client.events)


@pytest.mark.parametrize("format_", [PCMU, PCM], ids=["pcmu", "pcm"])
async def test_the_demos_call_is_understood_and_answered(format_: dict[str, Any]) -> None:
    async with talking() as (server, client):
        await client.phone()
        await client.update(audio={"output": {"format": format_}})
        await answered(client, GREETING)
        for line in DEMO_CALLER_LINES:
            await client.say(line)
            await client.until("response.done")
        told = [DEMO_GREETING]
        for line in DEMO_CALLER_LINES:
            told += [line, str(await DEMO_DIALOGUE.reply(Situation("", (Line("caller", line),))))]
        session = server.sessions[0]
        assert [item.text for item in session.items] == told
        heard = client.of("conversation.item.input_audio_transcription.completed")
        assert [event["transcript"] for event in heard] == list(DEMO_CALLER_LINES)
        said = client.of("response.output_audio_transcript.done")
        assert [event["transcript"] for event in said] == told[::2]
        assert session.errors == []
        assert session.audio_sent == client.audio()


async def test_mu_law_goes_through_the_server_untouched_both_ways() -> None:
    async with talking() as (server, client):
        await client.phone()
        await answered(client, GREETING)
        assert client.audio() == Voice().say(DEMO_GREETING, "agent")
        line = Voice().say("What is your address?", "caller") + SILENCE * 8000
        await client.append(line, size=333)
        await client.until("response.done")
        assert server.sessions[0].audio_received == line


async def test_pcm_in_and_out_is_24_khz() -> None:
    async with talking() as (_, client):
        done = await answered(client, GREETING)
        assert done["audio"]["output"]["format"] == PCM
        assert len(client.audio()) == len(Voice().say(DEMO_GREETING, "agent")) * 6


async def test_deltas_have_the_sizes_of_the_config() -> None:
    async with talking(replace(INSTANT, chunk_ms=(200, 37, 113))) as (_, client):
        await client.phone()
        await answered(client, GREETING)
        sizes = [len(base64.b64decode(e["delta"])) // 8 for e in client.of("response.output_audio.delta")]
        assert sizes[:5] == [200, 37, 113, 200, 37]
        assert client.audio() == Voice().say(DEMO_GREETING, "agent")


async def test_the_words_run_ahead_of_the_audio() -> None:
    async with talking() as (_, client):
        await client.phone()
        await answered(client, GREETING)
        words, played = "", 0
        total = len(client.audio())
        for event in client.events:
            if event["type"] == "response.output_audio_transcript.delta":
                words += event["delta"]
            if event["type"] == "response.output_audio.delta":
                played += len(base64.b64decode(event["delta"]))
                assert len(words) / len(DEMO_GREETING) >= min(1, played / total)
        assert words == DEMO_GREETING
        assert client.types("response.output_audio_transcript").count("response.output_audio_transcript.delta") == 1


async def test_audio_comes_at_the_pace_of_the_config() -> None:
    config = replace(INSTANT, response_delay=0.1, speed=8, chunk_ms=100)
    async with talking(config) as (_, client):
        await client.phone()
        begun = asyncio.get_running_loop().time()
        await client.send("response.create", response=GREETING)
        await client.until("response.output_audio.delta")
        assert asyncio.get_running_loop().time() - begun >= 0.1
        await client.until("response.done")
        took = asyncio.get_running_loop().time() - begun
        assert took >= 0.1 + len(client.audio()) / 8000 / 8  # never faster; slower, if the machine is


@pytest.mark.parametrize(
    ("delay", "order"),
    [(0.0, ("response.created", COMPLETED, "response.done")), (math.inf, ("response.done", COMPLETED))],
)
async def test_the_callers_transcript_comes_before_or_after_the_answer(delay: float, order: tuple[str, ...]) -> None:
    async with talking(replace(INSTANT, transcript_delay=delay)) as (_, client):
        completed = COMPLETED
        await client.phone()
        await client.say("What is your address?")
        await client.until(order[-1])
        assert [kind for kind in client.types() if kind in order] == list(order)
        transcript = client.of(completed)[0]
        assert transcript["transcript"] == "What is your address?"
        deltas = client.of("conversation.item.input_audio_transcription.delta")
        assert "".join(event["delta"] for event in deltas) == "What is your address?"
        assert transcript["usage"]["type"] == "tokens"
        assert transcript["usage"]["input_token_details"]["audio_tokens"] in range(17, 23)  # 1 per 100 ms


async def test_without_a_transcription_model_the_caller_is_understood_but_not_written_down() -> None:
    async with talking() as (server, client):
        await client.phone()
        await client.update(audio={"input": {"transcription": None}})
        await client.say("What is your address?")
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == ADDRESS
        assert client.types("conversation.item.input_audio_transcription") == []
        assert server.sessions[0].items[0].content[0].transcript is None


async def test_what_nobody_understands_has_an_empty_transcript_and_an_apology() -> None:
    async with talking() as (_, client):
        await client.phone()
        await client.say("Colourless green ideas sleep furiously.")
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "I am sorry, I did not catch that."
        (completed,) = client.of("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == ""
        assert client.of("conversation.item.input_audio_transcription.delta") == []


async def test_a_learnt_text_is_understood() -> None:
    text = "My order number is four two seven."
    brain = Dialogue(rules=[Rule("order number", "Thank you.")])
    async with talking(replace(INSTANT, learn=(text,)), brain) as (server, client):
        await client.phone()
        await client.say(text)
        await client.until("response.done")
        assert [item.text for item in server.sessions[0].items] == [text, "Thank you."]


async def test_a_response_may_differ_from_its_session() -> None:
    async with talking() as (server, client):
        await client.phone()
        overrides = {
            **GREETING,
            "metadata": {"purpose": "greeting"},
            "audio": {"output": {"format": PCM, "voice": "cedar"}},
        }
        done = await answered(client, overrides)
        assert done["metadata"] == {"purpose": "greeting"}
        assert done["audio"]["output"] == {"format": PCM, "voice": "cedar"}
        assert len(client.audio()) == len(Voice().say(DEMO_GREETING, "agent")) * 6
        assert client.of("response.created")[0]["response"]["metadata"] == {"purpose": "greeting"}
        assert server.sessions[0].settings.output_format.name == "audio/pcmu"


async def test_text_comes_as_text() -> None:
    async with talking() as (server, client):
        done = await answered(client, {**GREETING, "output_modalities": ["text"]})
        assert done["output"][0]["content"] == [{"type": "output_text", "text": DEMO_GREETING}]
        assert "".join(event["delta"] for event in client.of("response.output_text.delta")) == DEMO_GREETING
        assert client.of("response.output_text.done")[0]["text"] == DEMO_GREETING
        assert client.audio() == b""
        assert done["usage"]["output_token_details"]["audio_tokens"] == 0
        assert server.sessions[0].items[0].text == DEMO_GREETING


async def test_a_limit_of_tokens_ends_it_incomplete() -> None:
    async with talking() as (_, client):
        await client.phone()
        done = await answered(client, {**GREETING, "max_output_tokens": 20})
        assert (done["status"], done["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
        assert done["output"][0]["status"] == "incomplete"
        assert done["usage"]["output_tokens"] == 20
        assert len(client.audio()) // 8 == done["usage"]["output_token_details"]["audio_tokens"] * 50 > 500


async def test_an_answer_to_given_items_leaves_the_conversation_aside() -> None:
    async with talking() as (server, client):
        await client.phone()
        said = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Your address?"}]}]
        done = await answered(client, {"conversation": "none", "input": said})
        assert done["output"][0]["content"][0]["transcript"] == ADDRESS
        assert done["conversation_id"] is None
        assert server.sessions[0].items == []
        assert client.types("conversation.") == []
        await client.send("conversation.item.create", item={**said[0], "id": "asked"})
        reference: dict[str, Any] = {
            "input": [{"type": "item_reference", "id": "asked"}],
            "conversation": "none",
        }
        await client.send_raw({"type": "response.create", "response": reference})
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == ADDRESS
        await client.send_raw(
            {"type": "response.create", "response": {"input": [{**reference["input"][0], "id": "?"}]}}
        )
        assert (await client.error())["code"] == "item_retrieve_invalid_item_id"


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"modalities": ["audio"]}, "unknown_parameter"),
        ({"voice": "alloy"}, "unknown_parameter"),
        ({"temperature": 1}, "unknown_parameter"),
        ({"output_modalities": ["audio", "text"]}, "invalid_value"),
        ({"conversation": "other"}, "invalid_value"),
        ({"metadata": {"key": 5}}, "invalid_type"),
        ({"metadata": {str(number): "" for number in range(17)}}, "invalid_value"),
        ({"metadata": {"key": "x" * 513}}, "string_above_max_length"),
        ({"audio": {"output": {"speed": 1.0}}}, "unknown_parameter"),
    ],
)
async def test_a_response_that_makes_no_sense_is_not_begun(response: Any, code: str) -> None:
    async with talking() as (_, client):
        await client.send_raw({"type": "response.create", "response": response})
        assert (await client.error())["code"] == code
        assert client.of("response.created") == []


async def test_the_usage_counts_audio_by_its_length() -> None:
    async with talking() as (_, client):
        await client.phone()
        first = (await answered(client, GREETING))["usage"]
        greeting = -(-len(client.audio()) // 8 // 50)
        assert first["input_token_details"]["audio_tokens"] == 0
        assert first["input_token_details"]["cached_tokens"] == 0
        assert first["output_token_details"]["audio_tokens"] == greeting
        await client.say("What is your address?")
        second = (await client.until("response.done"))["response"]["usage"]
        details = second["input_token_details"]
        assert details["audio_tokens"] in range(greeting + 17, greeting + 23)
        assert details["cached_tokens_details"]["audio_tokens"] == greeting
        assert details["cached_tokens"] == sum(details["cached_tokens_details"].values())
        assert second["input_tokens"] == details["text_tokens"] + details["audio_tokens"]
        assert second["total_tokens"] == second["input_tokens"] + second["output_tokens"]


async def test_a_function_is_called_and_its_output_is_spoken_of() -> None:
    brain = Dialogue(
        rules=[
            Rule("table", FunctionCall("book", '{"people": 2, "time": "19:00"}')),
            Rule('"ok"', "You are welcome.", speaker="tool"),
        ]
    )
    async with talking(brain=brain) as (server, client):
        await client.phone()
        await client.update(tools=[TOOL])
        await client.say(DEMO_CALLER_LINES[1])
        done = (await client.until("response.done"))["response"]
        (call,) = done["output"]
        assert (call["type"], call["name"], call["status"]) == ("function_call", "book", "completed")
        assert call["arguments"] == '{"people": 2, "time": "19:00"}'
        arguments = client.of("response.function_call_arguments.delta")
        assert len(arguments) > 1
        assert "".join(event["delta"] for event in arguments) == call["arguments"]
        (finished,) = client.of("response.function_call_arguments.done")
        assert (finished["name"], finished["call_id"]) == ("book", call["call_id"])
        assert client.types("response.")[-4:] == [
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.done",
        ]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"ok": true}'}
        await client.send("conversation.item.create", item=output)
        done = await answered(client)
        assert done["output"][0]["content"][0]["transcript"] == "You are welcome."
        assert [item.kind for item in server.sessions[0].items][1:] == [
            "function_call",
            "function_call_output",
            "message",
        ]


async def test_the_model_may_speak_before_it_calls() -> None:
    brain = Dialogue(opening=FunctionCall("book", "{}", say="Of course."))
    async with talking(brain=brain) as (_, client):
        await client.update(tools=[TOOL])
        done = await answered(client)
        assert [item["type"] for item in done["output"]] == ["message", "function_call"]
        assert [event["output_index"] for event in client.of("response.output_item.done")] == [0, 1]
        assert client.of("response.function_call_arguments.done")[0]["output_index"] == 1


@pytest.mark.parametrize("session", [{}, {"tools": [TOOL], "tool_choice": "none"}])
async def test_a_function_that_the_session_does_not_have_fails_the_response(session: dict[str, Any]) -> None:
    async with talking(brain=Dialogue(opening=FunctionCall("book"))) as (_, client):
        await client.update(**session)
        done = await answered(client)
        assert done["status"] == "failed"
        assert "'book'" in done["status_details"]["error"]["message"]


class Broken:
    """A brain that cannot answer."""

    async def reply(self, situation: Situation) -> Reply:
        raise BrainFailed("The server had an error while processing your request.")


async def test_a_brain_that_fails_fails_the_response_and_not_the_session() -> None:
    async with talking(brain=Broken()) as (_, client):
        done = await answered(client)
        assert (done["status"], done["output"]) == ("failed", [])
        assert done["status_details"]["error"]["type"] == "server_error"
        assert (await answered(client, GREETING))["status"] == "completed"


async def test_the_recogniser_of_another_process_would_understand_the_agent() -> None:
    async with talking() as (_, client):
        await client.phone()
        await answered(client, GREETING)
        assert Recogniser().text_of(client.audio()) == DEMO_GREETING
        assert client.of("response.done")[0]["response"]["audio"]["output"]["format"] == PCMU
