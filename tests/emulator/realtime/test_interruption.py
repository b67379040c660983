"""Interruptions: by the caller, by the client, by long silence, and of a client that does not read."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect

from agenticd.emulator.realtime import Dialogue, FunctionCall
from agenticd.emulator.voice import Voice, load_clips
from tests.emulator.realtime.client import INSTANT, SILENCE, SLOW, Client, connected, serving, talking

MENU_TEXT = max((clip.text for clip in load_clips()), key=len)
MENU = "Please tell me about the menu."
STOP = "Sorry, I have to stop you there."
LONG = {"instructions": f'Say: "{MENU_TEXT}"'}
"""An answer of 30 s, which at the speed of SLOW nothing in a test outlives."""


async def test_a_caller_who_speaks_cancels_the_answer() -> None:
    async with talking(SLOW) as (server, client):
        await client.phone()
        await client.say(MENU)
        await client.until("response.output_audio.delta")
        await client.append(Voice().say(STOP, "caller"))
        await client.until("input_audio_buffer.speech_started")
        at = len(client.events)
        done = (await client.until("response.done"))["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
        assert done["output"][0]["status"] == "incomplete"
        assert [event["type"] for event in client.events[at:]] == [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        partial = client.of("response.output_audio_transcript.done")[0]["transcript"]
        assert partial
        assert "".join(e["delta"] for e in client.of("response.output_audio_transcript.delta")) == partial
        sent_ms = len(client.audio()) / 8
        assert done["usage"]["output_token_details"]["audio_tokens"] == -(-sent_ms // 50)
        assert server.sessions[0].items[1].content[0].audio_ms == sent_ms


async def test_nothing_of_a_cancelled_answer_comes_late_and_the_next_one_does() -> None:
    async with talking(SLOW) as (server, client):
        await client.phone()
        await client.say(MENU)
        first = (await client.until("response.output_audio.delta"))["item_id"]
        await client.say(STOP)
        await client.until("response.done")
        at = len(client.events)
        assert (await client.until("response.done"))["response"]["status"] == "completed"
        assert {e["item_id"] for e in client.events[at:] if e["type"] == "response.output_audio.delta"} != {first}
        assert first not in {e["item_id"] for e in client.events[at:] if "output_audio" in e["type"]}
        texts = [item.text for item in server.sessions[0].items]
        assert texts[0] == MENU
        assert "Let me tell you about our menu.".startswith(texts[1][:20])
        assert texts[2:] == [STOP, "Of course."]
        assert server.sessions[0].errors == []


async def test_the_originals_barge_in_cut_to_what_was_heard() -> None:
    async with talking(SLOW) as (server, client):
        await client.phone()
        await client.say(MENU)
        delta = await client.until("response.output_audio.delta")
        await client.append(Voice().say(STOP, "caller"))
        await client.until("input_audio_buffer.speech_started")
        heard = {"item_id": delta["item_id"], "content_index": 0, "audio_end_ms": 120}
        await client.send("conversation.item.truncate", **heard)
        await client.until("conversation.item.truncated")
        assert server.sessions[0].items[1].content[0].audio_ms == 120
        assert server.sessions[0].items[1].text == ""


async def test_an_answer_that_must_not_be_interrupted_goes_on_and_the_callers_turn_waits() -> None:
    async with talking(SLOW) as (server, client):
        await client.phone(interrupt_response=False)
        await client.send("response.create", response=LONG)
        first = await client.until("response.output_audio.delta")
        await client.say("No, thank you.")
        error = await client.error()
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] is None
        assert (await client.until("response.output_audio.delta"))["item_id"] == first["item_id"]
        assert client.of("response.done") == []
        assert [item.text for item in server.sessions[0].items][1] == "No, thank you."


async def test_a_session_that_creates_no_response_leaves_it_to_the_client() -> None:
    async with talking() as (_, client):
        await client.phone(create_response=False)
        await client.say("What is your address?")
        await client.until("conversation.item.input_audio_transcription.completed")
        assert client.of("response.created") == []
        await client.send("response.create")
        done = (await client.until("response.done"))["response"]
        assert "Garden Street" in done["output"][0]["content"][0]["transcript"]


async def test_there_is_one_active_response_and_others_only_out_of_band() -> None:
    async with talking(SLOW) as (server, client):
        await client.phone()
        await client.send("response.create", response=LONG)
        active = (await client.until("response.created"))["response"]["id"]
        await client.send("response.create", event_id="second")
        error = await client.error()
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "second")
        assert active in error["message"]
        aside = {"conversation": "none", "output_modalities": ["text"], "instructions": 'Say: "Aside."'}
        await client.send("response.create", response=aside)
        done = (await client.until("response.done"))["response"]
        assert done["id"] != active
        assert done["conversation_id"] is None
        await client.send("response.cancel")
        assert (await client.until("response.done"))["response"]["id"] == active
        assert len(server.sessions[0].items) == 1


async def test_the_client_cancels_by_id_or_without() -> None:
    async with talking(SLOW) as (_, client):
        await client.phone()
        for by_id in (False, True):
            await client.send("response.create", response=LONG)
            response_id = (await client.until("response.created"))["response"]["id"]
            await client.until("response.output_audio.delta")
            await client.send("response.cancel", **({"response_id": response_id} if by_id else {}))
            done = (await client.until("response.done"))["response"]
            assert (done["id"], done["status"]) == (response_id, "cancelled")
            assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_a_response_that_has_said_nothing_yet_can_be_cancelled() -> None:
    async with talking(replace(INSTANT, response_delay=1000)) as (server, client):
        await client.send("response.create")
        await client.send("response.cancel")
        done = (await client.until("response.done"))["response"]
        assert (done["status"], done["output"]) == ("cancelled", [])
        assert server.sessions[0].items == []


@pytest.mark.parametrize("fields", [{}, {"response_id": "resp_unknown"}])
async def test_there_must_be_something_to_cancel(fields: dict[str, str]) -> None:
    async with talking() as (_, client):
        await client.send("response.cancel", event_id="mine", **fields)
        error = await client.error()
        assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "mine")


async def test_an_interrupted_function_call_ends_with_what_there_is_of_its_arguments() -> None:
    arguments = '{"text": "' + "x" * 2000 + '"}'
    brain = Dialogue(opening=FunctionCall("book", arguments))
    async with talking(replace(SLOW, speed=0.1), brain) as (_, client):
        await client.update(tools=[{"type": "function", "name": "book"}])
        await client.send("response.create")
        await client.until("response.function_call_arguments.delta")
        await client.send("response.cancel")
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["status"] == "incomplete"
        cut = client.of("response.function_call_arguments.done")[0]["arguments"]
        assert arguments.startswith(cut)
        assert len(cut) < len(arguments)
        assert client.of("response.output_item.done")[0]["item"]["status"] == "incomplete"


async def test_a_silent_caller_is_asked_after_the_idle_timeout() -> None:
    async with talking() as (server, client):
        await client.phone(idle_timeout_ms=5000)
        await client.append(SILENCE * 8 * 6000)  # the timeout is for after an answer
        await client.send("response.create", response={"instructions": 'Say: "Of course."'})
        await client.until("response.done")
        answer_ms = len(client.audio()) // 8
        await client.append(SILENCE * 8 * (answer_ms + 4980))
        await client.update()
        assert client.of("input_audio_buffer.timeout_triggered") == []
        await client.append(SILENCE * 8 * 40)
        triggered = await client.until("input_audio_buffer.timeout_triggered")
        assert triggered["audio_start_ms"] == 6000 + answer_ms
        assert triggered["audio_end_ms"] - triggered["audio_start_ms"] in range(5000, 5041)
        assert (await client.until("input_audio_buffer.committed"))["item_id"] == triggered["item_id"]
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "Are you still there?"
        assert len(server.sessions[0].items) == 3


async def test_semantic_turns_end_too() -> None:
    async with talking() as (_, client):
        await client.phone()
        ends = []
        for eagerness in ("high", "low"):
            vad = {"type": "semantic_vad", "eagerness": eagerness}
            session = await client.update(audio={"input": {"turn_detection": vad}})
            assert session["audio"]["input"]["turn_detection"]["eagerness"] == eagerness
            await client.say("What is your address?", silence_ms=1500)
            started = await client.until("input_audio_buffer.speech_started")
            stopped = await client.until("input_audio_buffer.speech_stopped")
            ends.append(stopped["audio_end_ms"] - started["audio_start_ms"])
            await client.until("response.done")
        assert ends[1] > ends[0] + 500


async def test_a_client_that_does_not_read_is_cut_off_and_others_go_on() -> None:
    async with serving() as server:
        headers = {"Authorization": f"Bearer {server.config.api_key}"}
        url = f"{server.url}?model=gpt-realtime-2.1"
        async with connect(url, additional_headers=headers, max_size=None) as deaf, connected(server) as other:
            client = Client(deaf)
            await client.phone()
            await client.send("response.create", response={"instructions": f'Say: "{"la " * 60}"'})
            item_id = (await client.until("response.done"))["response"]["output"][0]["id"]
            for _ in range(400):  # each is answered with 137 kB
                await client.send("conversation.item.retrieve", item_id=item_id)
            async with asyncio.timeout(20):
                await server.sessions[0].wait_closed()
            assert server.sessions[0].close_code == 1006  # not a word of goodbye: the client would not read it
            await other.update(instructions="Still there.")
