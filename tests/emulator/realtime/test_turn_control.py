"""Who ends turns and who begins answers: the server, the client, and changes from one to the other."""

from __future__ import annotations

from typing import Any

from agenticd.emulator.voice import Voice
from tests.emulator.realtime.client import PCMU, SLOW, VAD, Client, talking
from tests.emulator.realtime.test_interruption import LONG, STOP

ADDRESS = "What is your address?"


async def detect(client: Client, **more: Any) -> dict[str, Any]:
    """Says all of VAD, and more, of the turn detection; the whole session as it is then."""
    return await client.update(audio={"input": {"turn_detection": {**VAD, **more}}})


async def begun(client: Client) -> str:
    """Lets the model begin a long answer; its item."""
    await client.send("response.create", response=LONG)
    return str((await client.until("response.output_audio.delta"))["item_id"])


async def test_an_update_of_the_turn_detection_leaves_all_else_as_it_was() -> None:
    async with talking() as (_, client):
        before = await client.phone()
        after = await detect(client, interrupt_response=False, create_response=False)
        changed = after["audio"]["input"].pop("turn_detection")
        before["audio"]["input"].pop("turn_detection")
        assert after == before
        assert after["audio"]["input"]["format"] == after["audio"]["output"]["format"] == PCMU
        assert (changed["interrupt_response"], changed["create_response"]) == (False, False)


async def test_what_an_update_of_the_turn_detection_leaves_out_stays_as_it_was() -> None:
    async with talking() as (_, client):

        async def named(kind: str, **members: Any) -> dict[str, Any]:
            session = await client.update(audio={"input": {"turn_detection": {"type": kind, **members}}})
            return dict(session["audio"]["input"]["turn_detection"])

        before = await named("server_vad", silence_duration_ms=700, idle_timeout_ms=5000)
        assert await named("server_vad", interrupt_response=False) == {**before, "interrupt_response": False}
        flags = {"create_response": True, "interrupt_response": True}
        # One of another type begins with its own defaults.
        assert await named("semantic_vad") == {"type": "semantic_vad", "eagerness": "auto", **flags}
        fresh = await named("server_vad")
        assert (fresh["silence_duration_ms"], fresh["idle_timeout_ms"]) == (200, None)


async def test_an_answer_that_has_begun_can_be_protected() -> None:
    async with talking(SLOW) as (server, client):
        await client.phone()
        protected = await begun(client)
        await detect(client, interrupt_response=False, create_response=False)
        await client.say(STOP)
        await client.until("input_audio_buffer.committed")
        await client.until("conversation.item.input_audio_transcription.completed")
        assert (await client.until("response.output_audio.delta"))["item_id"] == protected
        assert client.of("response.done") == []
        assert client.of("error") == []
        assert server.sessions[0].responding


async def test_an_answer_is_no_longer_protected_when_that_is_taken_back() -> None:
    async with talking(SLOW) as (_, client):
        await client.phone(interrupt_response=False, create_response=False)
        await begun(client)
        await detect(client, interrupt_response=True, create_response=True)
        await client.say(STOP)
        done = (await client.until("response.done"))["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
        assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_a_change_while_the_caller_speaks_counts_for_the_end_of_this_turn() -> None:
    async with talking() as (_, client):
        await client.phone()
        voice = Voice().say(ADDRESS, "caller")
        await client.append(voice[:8000])
        started = await client.until("input_audio_buffer.speech_started")
        await detect(client, create_response=False)
        await client.append(voice[8000:] + b"\xff" * 8000)
        assert (await client.until("input_audio_buffer.committed"))["item_id"] == started["item_id"]
        await client.until("conversation.item.input_audio_transcription.completed")
        await client.update()
        assert client.of("response.created") == []
        await client.send("response.create")
        done = (await client.until("response.done"))["response"]
        assert "Garden Street" in done["output"][0]["content"][0]["transcript"]


async def test_without_turn_detection_the_client_commits_and_asks_for_the_answer() -> None:
    async with talking() as (server, client):
        await client.phone()
        await client.update(audio={"input": {"turn_detection": None}})
        await client.say(ADDRESS)
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.input_audio_transcription.completed")
        await client.update()
        assert client.of("input_audio_buffer.speech_started") == []
        assert client.of("response.created") == []
        await client.send("response.create")
        done = (await client.until("response.done"))["response"]
        assert "Garden Street" in done["output"][0]["content"][0]["transcript"]
        assert [item.role for item in server.sessions[0].items] == ["user", "assistant"]


async def test_a_commit_by_the_client_begins_no_answer_even_where_the_server_detects_turns() -> None:
    async with talking() as (_, client):
        await client.phone()
        await client.append(Voice().say(ADDRESS, "caller"))
        started = await client.until("input_audio_buffer.speech_started")
        await client.send("input_audio_buffer.commit")
        assert (await client.until("input_audio_buffer.committed"))["item_id"] == started["item_id"]
        await client.append(b"\xff" * 8000)
        await client.update()
        assert client.of("input_audio_buffer.speech_stopped") == []
        assert client.of("response.created") == []


async def test_an_item_keeps_the_id_that_the_client_gave_it_wherever_it_is_named() -> None:
    async with talking() as (server, client):
        await client.phone()
        content = [{"type": "input_text", "text": ADDRESS}]
        item = {"id": "digits-0001", "type": "message", "role": "user", "content": content}
        await client.send("conversation.item.create", item=item)
        assert (await client.until("conversation.item.added"))["item"]["id"] == "digits-0001"
        assert (await client.until("conversation.item.done"))["item"]["id"] == "digits-0001"
        await client.send("response.create")
        assert (await client.until("conversation.item.added"))["previous_item_id"] == "digits-0001"
        await client.until("response.done")
        await client.send("conversation.item.delete", item_id="digits-0001")
        assert (await client.until("conversation.item.deleted"))["item_id"] == "digits-0001"
        assert [item.role for item in server.sessions[0].items] == ["assistant"]


async def test_the_second_answer_must_wait_for_the_end_of_the_first() -> None:
    async with talking(SLOW) as (_, client):
        await client.phone()
        await begun(client)
        await client.send("response.create", event_id="early")
        error = await client.error()
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "early")
        await client.send("response.cancel")
        await client.until("response.done")
        await client.send("response.create", response={"instructions": 'Say: "Of course."'})
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "Of course."
