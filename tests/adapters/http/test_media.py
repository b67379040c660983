"""What a call hears from its media socket, what the carrier hears from it, and how both learn of the end."""

from __future__ import annotations

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from agenticd.adapters.http.media import FAULT_LIMIT, MESSAGE_LIMIT, State
from agenticd.core.inputs import MediaClosed, MediaStarted
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.service.ports import MediaLink
from tests.adapters.http.support import (
    CALL,
    STREAM,
    House,
    digit,
    eventually,
    frame,
    in_house,
    mark,
    media,
    started,
    stopped,
)

both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
OTHER_STREAM = "MZ99999999999999999999999999999999"
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def unsent(home: House) -> int:
    """Bytes that wait in our memory for the carrier to read."""
    transport = home.socket._transport
    assert transport is not None
    return transport.underlying_transport.get_write_buffer_size()


# --- What the call hears


@both_loops
def test_a_call_hears_its_stream_in_order(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        for text in (media("AAAA"), digit("7"), media("//8="), mark("g0:item:200"), media("BBBB")):
            client.say(text)
        await home.board.until(lambda: len(home.board.inputs) == 6)
        assert home.board.inputs == [
            MediaStarted(STREAM, 1),
            MediaReceived(STREAM, "AAAA"),
            DigitPressed(STREAM, "7"),
            MediaReceived(STREAM, "//8="),
            MarkEchoed(STREAM, "g0:item:200"),
            MediaReceived(STREAM, "BBBB"),
        ]
        call_id, start = home.board.starts[0]
        assert (call_id, start.call_sid, start.parameters) == (CALL, "CA1", {"token": "good"})
        assert home.server.media_faults == {}

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize("size", [1, 7, 60, 400])
def test_a_message_may_come_in_fragments_with_a_ping_between(loop: str, size: int):
    async def check(home: House) -> None:
        client = await home.media()
        payload = media("AAAA" * 40).encode()
        pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            client.writer.write(frame(piece, opcode=CONTINUATION if index else TEXT, fin=last))
            client.writer.write(frame(b"here?", opcode=PING))
        await home.board.until(lambda: len(home.board.inputs) == 2)
        assert home.board.inputs[1] == MediaReceived(STREAM, "AAAA" * 40)
        assert await client.frame() == (PONG, b"here?")
        assert home.server.media_faults == {}

    in_house(loop, check)


WRONG = {
    "undecodable": [frame(b"{"), frame(b"\xff\xfe"), frame(b""), frame(media("not base64!").encode())],
    "binary": [frame(media().encode(), opcode=BINARY)],
    "oversized": [frame(b" " * (MESSAGE_LIMIT + 1))],
    "other_stream": [frame(media("AAAA", OTHER_STREAM).encode()), frame(stopped(OTHER_STREAM).encode())],
    "unknown_event": [frame(b'{"event":"news"}'), frame(b'{"event":"\\u0000","streamSid":7}')],
    "fragments": [
        frame(b"tail without a head", opcode=CONTINUATION),
        frame(b"{", fin=False) + frame(media("AAAA").encode()),
    ],
}


@both_loops
@pytest.mark.parametrize("why", WRONG)
def test_what_is_wrong_is_counted_and_the_stream_goes_on(loop: str, why: str):
    async def check(home: House) -> None:
        client = await home.media()
        for wrong in WRONG[why]:
            client.writer.write(wrong)
        client.say(media("BBBB"))
        await home.board.until(lambda: home.board.inputs[-1] == MediaReceived(STREAM, "BBBB"))
        assert home.server.media_faults == {why: len(WRONG[why])}
        assert len(home.board.starts) == 1

    in_house(loop, check)


@both_loops
def test_fragments_without_end_take_no_memory_and_are_dropped_as_one(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        client.writer.write(frame(b" " * 1000, fin=False))
        for _ in range(200):
            client.writer.write(frame(b" " * 1000, opcode=CONTINUATION, fin=False))
        client.writer.write(frame(b"", opcode=CONTINUATION))
        client.writer.write(frame(b"\x00", opcode=BINARY, fin=False) + frame(b"\x00", opcode=CONTINUATION))
        client.say(media("BBBB"))
        await home.board.until(lambda: home.board.inputs[-1] == MediaReceived(STREAM, "BBBB"))
        assert home.server.media_faults == {"oversized": 1, "binary": 1}

    in_house(loop, check)


@both_loops
def test_a_flood_of_garbage_is_counted_and_logged_once_and_ends_nothing(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        with capture_logs() as logs:
            for _ in range(FAULT_LIMIT * 20):
                client.say("garbage")
            client.say(media("BBBB"))
            await home.board.until(lambda: home.board.inputs[-1] == MediaReceived(STREAM, "BBBB"))
        assert [(line["log_level"], line["call_id"]) for line in logs] == [("warning", CALL)]
        assert home.server.media_faults == {"undecodable": FAULT_LIMIT * 20}

    in_house(loop, check)


@both_loops
def test_a_stream_of_garbage_alone_is_silent(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        home.clock.advance(2.9)
        client.say("garbage")
        client.say(media("AAAA", OTHER_STREAM))
        await eventually(lambda: home.server.media_faults == {"undecodable": 1, "other_stream": 1})
        home.clock.advance(0.2)
        await home.board.until(lambda: home.board.inputs[-1] == MediaClosed(STREAM, False, "no frame for 3 s"))

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize(
    "broken",
    [
        bytes([0x83, 0x80, 0, 0, 0, 0]),  # an opcode that there is not
        bytes([0x81, 0x02]) + b"hi",  # not masked
        bytes([0x09, 0x80, 0, 0, 0, 0]),  # a ping in fragments
        bytes([0x81, 0xFF]) + bytes(7) + b"\x05" + bytes(4),  # 5 bytes, said in 64 bits
        frame(b" " * (300 * 1024)),  # larger than any frame may be
        frame((2999).to_bytes(2, "big"), opcode=CLOSE),  # a close code that there is not
    ],
    ids=["opcode", "unmasked", "fragmented ping", "long length", "large", "close code"],
)
def test_a_peer_that_breaks_the_protocol_is_closed_and_the_call_told_once(loop: str, broken: bytes):
    async def check(home: House) -> None:
        client = await home.media()
        with capture_logs() as logs:
            client.writer.write(broken)
            await home.board.until(lambda: home.board.kinds() == ["MediaStarted", "MediaClosed"])
            await client.lost()
        assert home.server.media_faults["websocket"] >= 1
        assert not [line for line in logs if "exception" in line or line["log_level"] == "error"]

    in_house(loop, check)


# --- What the carrier hears


@both_loops
def test_the_carrier_gets_the_calls_orders_in_order_and_as_it_wants_them(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        link: MediaLink = home.socket
        link.play("AAAA")
        link.mark("g1:item:200")
        link.clear()
        assert await client.message() == {
            "event": "media",
            "streamSid": STREAM,
            "media": {"payload": "AAAA"},
        }
        assert await client.message() == {
            "event": "mark",
            "streamSid": STREAM,
            "mark": {"name": "g1:item:200"},
        }
        assert await client.message() == {"event": "clear", "streamSid": STREAM}

    in_house(loop, check)


@both_loops
def test_a_call_may_play_while_it_is_being_attached(loop: str):
    async def check(home: House) -> None:
        home.board.on_attach = lambda link: link.play("AAAA")
        client = await home.media()
        assert (await client.message())["media"] == {"payload": "AAAA"}

    in_house(loop, check)


@both_loops
def test_a_call_may_close_its_link_while_it_is_fed(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        home.board.on_input = lambda message: home.socket.close(1001)
        client.say(media("AAAA"))
        client.say(media("BBBB"))
        assert await client.closed_with() == 1001
        client.writer.write(frame((1001).to_bytes(2, "big"), opcode=CLOSE))
        await home.board.until(lambda: "MediaClosed" in home.board.kinds())
        assert home.board.kinds() == ["MediaStarted", "MediaReceived", "MediaClosed"]
        await client.lost()

    in_house(loop, check)


@both_loops
def test_a_call_may_close_its_link_while_it_is_being_attached(loop: str):
    async def check(home: House) -> None:
        home.board.on_attach = lambda link: link.close(1001)
        client = await home.media()
        assert await client.closed_with() == 1001
        home.clock.advance(2.1)
        assert home.board.kinds() == ["MediaStarted", "MediaClosed"]
        await client.lost()

    in_house(loop, check)


@both_loops
def test_orders_after_the_end_are_ignored(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        link = home.socket

        def order() -> None:
            link.play("AAAA")
            link.mark("m")
            link.clear()
            link.close(1001)

        client.say(stopped())
        await home.board.until(lambda: "MediaClosed" in home.board.kinds())
        order()  # between the end and the loss
        assert await client.frame() == (CLOSE, (1000).to_bytes(2, "big"))
        await client.close()
        await eventually(lambda: link.state is State.GONE)
        order()  # after the loss
        assert home.board.kinds() == ["MediaStarted", "MediaClosed"]

    in_house(loop, check)


@both_loops
def test_a_carrier_that_does_not_read_is_noticed_and_then_heard_of_again(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.deaf()
        media_socket = home.socket
        told: list[bool] = []
        media_socket.on_writable = lambda: told.append(media_socket.writable)
        sent = 0
        while media_socket.writable:
            media_socket.play("A" * 216)
            sent += 1
            await asyncio.sleep(0)
        # Ours is small: what it does not take within some 16 KiB waits where `clear` can still overtake it.
        client.hearing()
        for _ in range(sent):
            assert (await client.message())["event"] == "media"
        await eventually(lambda: media_socket.writable)
        assert told
        assert all(told)

    in_house(loop, check)


@both_loops
def test_a_carrier_that_never_reads_is_lost_before_it_fills_the_memory(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        client.deaf()
        media_socket = home.socket
        for _ in range(100):
            media_socket.play("A" * 64 * 1024)
        await home.board.until(lambda: home.board.kinds() == ["MediaStarted", "MediaClosed"])
        assert home.server.media_faults == {"stalled": 1}
        client.abort()

    in_house(loop, check)


@both_loops
def test_pings_of_a_carrier_that_does_not_read_fill_no_memory(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        client.deaf()
        client.writer.write(frame(b"x" * 125, opcode=PING) * 40_000)
        client.say(media("BBBB"))
        await home.board.until(lambda: home.board.inputs[-1] == MediaReceived(STREAM, "BBBB"))
        assert unsent(home) < 16 * 1024
        client.abort()

    in_house(loop, check)


# --- The end


@both_loops
def test_stop_is_the_end_at_once(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        for text in (media("AAAA"), stopped(), media("BBBB"), stopped(), started()):
            client.say(text)
        assert await client.closed_with() == 1000
        await client.close()
        await eventually(lambda: home.server.media_sockets == 0)
        assert home.board.inputs[1:] == [MediaReceived(STREAM, "AAAA"), MediaClosed(STREAM, True, "")]

    in_house(loop, check)


@both_loops
def test_a_close_without_stop_says_so(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        client.writer.write(frame((4000).to_bytes(2, "big") + b"bye", opcode=CLOSE))
        await home.board.until(lambda: len(home.board.inputs) == 2)
        assert home.board.inputs[1] == MediaClosed(STREAM, False, "the carrier closed the socket (4000)")
        await client.closed_with()
        await client.lost()
        assert len(home.board.inputs) == 2

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize("how", ["abort", "close", "half"])
def test_a_connection_that_just_ends_says_so(loop: str, how: str):
    async def check(home: House) -> None:
        client = await home.media()
        if how == "abort":
            client.abort()
        elif how == "half":
            client.writer.write_eof()
        else:
            await client.close()
        await home.board.until(lambda: len(home.board.inputs) == 2)
        assert home.board.inputs[1] == MediaClosed(STREAM, False, "the connection was lost")
        assert home.server.media_sockets == 0

    in_house(loop, check)


@both_loops
def test_three_seconds_without_a_frame_are_a_loss(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        for _ in range(3):  # it lives as long as it speaks
            home.clock.advance(2.9)
            home.board.inputs.clear()
            client.say(media("AAAA"))
            await home.board.until(lambda: home.board.inputs)
        # Neither garbage nor pings are the stream's.
        client.say(media("AAAA", OTHER_STREAM))
        client.writer.write(frame(b"", opcode=PING))
        await client.frame()
        home.clock.advance(2.9)
        assert "MediaClosed" not in home.board.kinds()
        home.clock.advance(0.2)
        assert home.board.inputs[-1] == MediaClosed(STREAM, False, "no frame for 3 s")
        assert home.server.media_faults["silent"] == 1
        await client.lost()
        assert home.board.kinds().count("MediaClosed") == 1

    in_house(loop, check)


@both_loops
def test_a_stream_that_never_says_anything_is_a_loss_after_three_seconds_too(loop: str):
    async def check(home: House) -> None:
        await home.media()
        home.clock.advance(3.1)
        assert home.board.inputs[1:] == [MediaClosed(STREAM, False, "no frame for 3 s")]

    in_house(loop, check)


@both_loops
def test_a_carrier_that_closes_and_reads_no_more_is_cut_off(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        client.deaf()
        while home.socket.writable:
            home.socket.play("A" * 216)
            await asyncio.sleep(0)
        client.writer.write(frame((1000).to_bytes(2, "big"), opcode=CLOSE))
        await home.board.until(lambda: "MediaClosed" in home.board.kinds())
        assert home.server.media_sockets == 1  # it is still being sent what was said
        home.clock.advance(2.1)
        await eventually(lambda: home.server.media_sockets == 0)
        assert home.board.kinds() == ["MediaStarted", "MediaClosed"]

    in_house(loop, check)


@both_loops
def test_a_carrier_that_does_not_close_is_cut_off(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        home.socket.close()
        assert await client.closed_with() == 1000
        client.say(media("AAAA"))  # it goes on as if nothing had been said
        assert home.board.kinds() == ["MediaStarted"]
        home.clock.advance(2.1)
        assert home.board.kinds() == ["MediaStarted", "MediaClosed"]
        await client.lost()

    in_house(loop, check)


@both_loops
def test_a_stop_that_crosses_our_close_still_counts(loop: str):
    async def check(home: House) -> None:
        client = await home.media()
        home.socket.close()
        client.say(media("AAAA"))
        client.say(stopped())
        await home.board.until(lambda: len(home.board.inputs) == 2)
        assert home.board.inputs[1] == MediaClosed(STREAM, True, "")
        client.abort()

    in_house(loop, check)


# --- Defects


@both_loops
def test_a_defect_of_ours_ends_this_socket_and_is_in_the_log(loop: str):
    def fail(message: object) -> None:
        if isinstance(message, MediaReceived):
            raise ZeroDivisionError

    async def check(home: House) -> None:
        client, other = await home.media(), await home.media()
        home.board.on_input = fail
        with capture_logs() as logs:
            client.say(media("AAAA"))
            assert await client.closed_with() == 1011
            await client.close()
            await home.board.until(lambda: "MediaClosed" in home.board.kinds())
        (line,) = logs
        assert (line["log_level"], line["event"]) == ("error", "a media socket's handler failed")
        assert line["call_id"] == CALL
        other.say(mark("m"))
        await home.board.until(lambda: home.board.inputs[-1] == MarkEchoed(STREAM, "m"))

    in_house(loop, check)
