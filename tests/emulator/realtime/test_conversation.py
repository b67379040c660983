"""Items: what a client may add, cut and delete, what it is told, and what it may not do."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from agenticd.emulator.voice import Voice
from tests.emulator.realtime.client import INSTANT, PCMU, SLOW, Client, connected, serving, talking


def user(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **more}


def agent(text: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
        **more,
    }


async def refused(client: Client, kind: str, **fields: Any) -> dict[str, Any]:
    """The error of a request, which the session outlives."""
    await client.send_raw({"type": kind, "event_id": "mine", **fields})
    error = await client.error()
    assert (error["type"], error["event_id"]) == ("invalid_request_error", "mine")
    await client.update()
    return error


async def spoken(client: Client, text: str = "Of course.") -> str:
    """Lets the model say something; the id of its item."""
    await client.send("response.create", response={"instructions": f'Say: "{text}"'})
    done = await client.until("response.done")
    return str(done["response"]["output"][0]["id"])


async def test_an_item_is_added_and_done_after_the_one_before_it() -> None:
    async with talking() as (server, client):
        await client.send("conversation.item.create", item=user("Hello.", id="first"))
        added = await client.until("conversation.item.added")
        done = await client.until("conversation.item.done")
        assert added["previous_item_id"] is None
        assert added["item"] == done["item"]
        assert done["item"]["content"] == [{"type": "input_text", "text": "Hello."}]
        await client.send("conversation.item.create", item=agent("Good morning.", id="second"))
        assert (await client.until("conversation.item.added"))["previous_item_id"] == "first"
        assert [(item.role, item.text) for item in server.sessions[0].items] == [
            ("user", "Hello."),
            ("assistant", "Good morning."),
        ]


async def test_an_item_can_be_put_anywhere() -> None:
    async with talking() as (server, client):
        for item_id, after in (("b", None), ("a", "root"), ("d", "b"), ("c", "b")):
            await client.send("conversation.item.create", item=user(item_id, id=item_id), previous_item_id=after)
            await client.until("conversation.item.done")
        assert [item.id for item in server.sessions[0].items] == ["a", "b", "c", "d"]
        assert [event["previous_item_id"] for event in client.of("conversation.item.done")] == [
            None,
            None,
            "b",
            "b",
        ]


async def test_a_history_of_all_kinds_can_be_replayed() -> None:
    async with talking() as (server, client):
        call = {"type": "function_call", "name": "book", "call_id": "call_1", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "call_1", "output": '{"ok": true}'}
        system = {
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": "Reconnected."}],
        }
        for item in (user("A table, please."), call, output, agent("It is booked."), system):
            await client.send("conversation.item.create", item=item)
            await client.until("conversation.item.done")
        assert [item.kind for item in server.sessions[0].items] == [
            "message",
            "function_call",
            "function_call_output",
            "message",
            "message",
        ]


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({}, "missing_required_parameter", "item.type"),
        ({"type": "message", "content": []}, "missing_required_parameter", "item.role"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
        (user("x", name="y"), "unknown_parameter", "item.name"),
        (user("x", id="i" * 33), "string_above_max_length", "item.id"),
        (user("x", status="done"), "invalid_value", "item.status"),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "beta"}]},
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "audio": "/w=="}]},
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {"type": "message", "role": "system", "content": [{"type": "input_audio", "audio": "/w=="}]},
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "/w=="}]},
            "invalid_value",  # one byte is no PCM
            "item.content[0].audio",
        ),
        ({"type": "function_call_output", "call_id": "call_9", "output": "{}"}, "invalid_tool_call_id", None),
        ({"type": "function_call_output", "call_id": "a/b", "output": "{}"}, "invalid_value", "item.call_id"),
        ({"type": "function_call_output", "call_id": "c", "output": {}}, "invalid_type", "item.output"),
        ({"type": "item_reference", "id": "x"}, "invalid_value", "item.type"),
    ],
)
async def test_an_item_that_makes_no_sense_is_not_added(item: Any, code: str, param: str | None) -> None:
    async with talking() as (server, client):
        error = await refused(client, "conversation.item.create", item=item)
        assert (error["code"], error["param"]) == (code, param)
        assert server.sessions[0].items == []


async def test_an_id_is_used_once_and_a_place_must_exist() -> None:
    async with talking() as (server, client):
        await client.send("conversation.item.create", item=user("one", id="one"))
        error = await refused(client, "conversation.item.create", item=user("again", id="one"))
        assert error["param"] == "item.id"
        error = await refused(client, "conversation.item.create", item=user("two"), previous_item_id="nowhere")
        assert error["param"] == "previous_item_id"
        assert len(server.sessions[0].items) == 1


async def test_a_callers_audio_can_be_added_and_is_understood() -> None:
    async with talking() as (server, client):
        await client.phone()
        audio = base64.b64encode(Voice().say("What is your address?", "caller")).decode()
        content = [{"type": "input_audio", "audio": audio}]
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        added = await client.until("conversation.item.done")
        assert "audio" not in added["item"]["content"][0]
        assert server.sessions[0].items[0].text == "What is your address?"
        await client.send("conversation.item.retrieve", item_id=added["item"]["id"])
        assert (await client.until("conversation.item.retrieved"))["item"]["content"][0]["audio"] == audio


async def test_a_spoken_item_is_retrieved_with_its_audio() -> None:
    async with talking() as (_, client):
        await client.phone()
        item_id = await spoken(client)
        await client.send("conversation.item.retrieve", item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert base64.b64decode(item["content"][0]["audio"]) == client.audio(item_id)
        assert item["content"][0]["transcript"] == "Of course."


@pytest.mark.parametrize("audio_end_ms", [0, 1, 300])
async def test_truncation_cuts_the_audio_and_forgets_the_words(audio_end_ms: int) -> None:
    async with talking() as (server, client):
        await client.phone()
        item_id = await spoken(client)
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)
        truncated = await client.until("conversation.item.truncated")
        assert (truncated["item_id"], truncated["content_index"]) == (item_id, 0)
        assert truncated["audio_end_ms"] == audio_end_ms
        item = server.sessions[0].items[0]
        assert (item.text, item.content[0].transcript) == ("", None)
        assert item.content[0].audio_ms == audio_end_ms
        await client.send("conversation.item.retrieve", item_id=item_id)
        retrieved = await client.until("conversation.item.retrieved")
        assert "transcript" not in retrieved["item"]["content"][0]


async def test_truncation_to_the_exact_length_is_right_and_a_millisecond_more_is_not() -> None:
    async with talking() as (_, client):
        await client.phone()
        item_id = await spoken(client)
        length = len(client.audio(item_id)) // 8
        where = {"item_id": item_id, "content_index": 0}
        error = await refused(client, "conversation.item.truncate", **where, audio_end_ms=length + 1)
        assert error["code"] == "invalid_value"
        assert error["message"] == f"Audio content of {length}ms is already shorter than {length + 1}ms"
        await client.send("conversation.item.truncate", **where, audio_end_ms=length)
        await client.until("conversation.item.truncated")


async def test_only_audio_of_the_model_can_be_truncated() -> None:
    async with talking() as (server, client):
        await client.phone()
        await client.send("conversation.item.create", item=agent("Replayed history.", id="replayed"))
        await client.send("conversation.item.create", item=user("Hello.", id="callers"))
        for item_id in ("replayed", "callers"):
            error = await refused(
                client, "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0
            )
            assert error["message"] == "Only model output audio messages can be truncated"
        assert server.sessions[0].items[0].text == "Replayed history."


async def test_truncation_names_what_is_wrong() -> None:
    async with talking() as (_, client):
        item_id = await spoken(client)
        kind = "conversation.item.truncate"
        error = await refused(client, kind, item_id="nobody", content_index=0, audio_end_ms=0)
        assert error["code"] == "item_truncate_invalid_item_id"
        error = await refused(client, kind, item_id=item_id, content_index=1, audio_end_ms=0)
        assert error["param"] == "content_index"
        error = await refused(client, kind, item_id=item_id, content_index=0, audio_end_ms=-1)
        assert error["code"] == "integer_below_min_value"
        error = await refused(client, kind, item_id=item_id, content_index=0, audio_end_ms=1.5)
        assert error["code"] == "invalid_type"


async def test_an_item_that_is_being_spoken_can_be_truncated_and_the_rest_does_not_count() -> None:
    async with serving(SLOW) as server, connected(server) as client:
        await client.phone(interrupt_response=False)
        await client.send("response.create", response={"instructions": 'Say: "Of course."'})
        delta = await client.until("response.output_audio.delta")
        await client.send("conversation.item.truncate", item_id=delta["item_id"], content_index=0, audio_end_ms=100)
        await client.until("response.done")
        item = server.sessions[0].items[0]
        assert (item.text, item.content[0].audio_ms) == ("", 100)
        assert len(client.audio()) // 8 > 500  # late deltas came all the same


async def test_a_deleted_item_is_gone() -> None:
    async with talking() as (server, client):
        item_id = await spoken(client)
        await client.send("conversation.item.delete", item_id=item_id)
        assert (await client.until("conversation.item.deleted"))["item_id"] == item_id
        assert server.sessions[0].items == []
        for purpose in ("delete", "retrieve"):
            error = await refused(client, f"conversation.item.{purpose}", item_id=item_id)
            assert error["code"] == f"item_{purpose}_invalid_item_id"


async def test_the_buffer_can_be_committed_by_hand() -> None:
    async with talking() as (server, client):
        await client.phone()
        await client.update(audio={"input": {"turn_detection": None}})
        await client.say("What is your address?", silence_ms=200)
        await client.send("input_audio_buffer.commit")
        committed = await client.until("input_audio_buffer.committed")
        done = await client.until("conversation.item.done")
        assert done["item"]["id"] == committed["item_id"]
        completed = await client.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "What is your address?"
        assert client.of("response.created") == []  # a commit is no question
        assert client.of("input_audio_buffer.speech_started") == []
        assert server.sessions[0].items[0].content[0].audio_ms == 1260 + 200


@pytest.mark.parametrize("size", [0, 99])
async def test_next_to_nothing_cannot_be_committed(size: int) -> None:
    async with talking(INSTANT) as (_, client):
        await client.phone()
        await client.update(audio={"input": {"turn_detection": None}})
        await client.append(b"\xff" * 8 * size)
        error = await refused(client, "input_audio_buffer.commit")
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert f"{size}.00ms" in error["message"]


async def test_a_cleared_buffer_holds_nothing_and_its_clock_goes_on() -> None:
    async with talking() as (_, client):
        await client.phone()
        await client.append(Voice().say("What is your address?", "caller"))
        await client.until("input_audio_buffer.speech_started")
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        error = await refused(client, "input_audio_buffer.commit")
        assert error["code"] == "input_audio_buffer_commit_empty"
        await client.append(b"\xff" * 8000)
        await client.say("No, thank you.")
        started = await client.until("input_audio_buffer.speech_started")
        assert started["audio_start_ms"] == pytest.approx(1260 + 1000 - 300, abs=80)
        assert (await client.until("conversation.item.input_audio_transcription.completed"))[
            "transcript"
        ] == "No, thank you."
        assert client.of("input_audio_buffer.speech_stopped")[0]["item_id"] == started["item_id"]


async def test_mu_law_that_comes_before_the_update_is_read_as_pcm() -> None:
    async with talking() as (server, client):
        audio = Voice().say("What is your address?", "caller")
        await client.append(audio)  # 1260 ms of mu-law, which as 24 kHz PCM are 210 ms
        await client.update(audio={"input": {"format": PCMU, "turn_detection": None}})
        await client.send("input_audio_buffer.commit")
        await client.until("input_audio_buffer.committed")
        item = server.sessions[0].items[0]
        assert item.content[0].audio_ms == pytest.approx(210, abs=2)
        assert item.text == ""
        assert server.sessions[0].audio_received == audio
