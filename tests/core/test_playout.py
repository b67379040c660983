"""The FIFO clock of what the phone has played, held against a phone that plays."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from agenticd.core.effects import Clear, Effect, Mark, Play
from agenticd.core.playout import FRAME, Playout


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def audio(seconds: float) -> str:
    return b64(b"\x55" * int(seconds * 8000))


def sent(effects: list[Effect] | None) -> bytes:
    return b"".join(base64.b64decode(e.payload) for e in effects or [] if isinstance(e, Play))


def marks(effects: list[Effect] | None) -> list[str]:
    return [e.name for e in effects or [] if isinstance(e, Mark)]


@given(st.lists(st.binary(max_size=5000), max_size=12))
def test_every_byte_is_sent_once_in_order_in_whole_frames(deltas: list[bytes]) -> None:
    playout, effects = Playout(), []
    for delta in deltas:
        effects += playout.play("i", b64(delta), 0.0) or []
    effects += playout.finish("i", 0.0)
    whole = b"".join(deltas)
    assert sent(effects) == whole + b"\xff" * (-len(whole) % FRAME)
    assert all(len(base64.b64decode(e.payload)) % FRAME == 0 for e in effects if isinstance(e, Play))


@given(st.lists(st.integers(min_value=1, max_value=40), min_size=1, max_size=12))
def test_a_mark_follows_at_least_every_200_ms_and_at_the_end(frames: list[int]) -> None:
    playout, effects = Playout(), []
    for count in frames:
        effects += playout.play("item", b64(b"\x01" * FRAME * count), 0.0) or []
    effects += playout.finish("item", 0.0)
    unmarked = 0
    for effect in effects:
        if isinstance(effect, Play):
            unmarked += len(base64.b64decode(effect.payload))
            assert unmarked <= 1600
        else:
            unmarked = 0
    assert unmarked == 0
    assert marks(effects)[-1] == f"g0:item:{sum(frames) * 20}"


def test_aligned_audio_passes_as_it_came() -> None:
    delta = audio(0.1)
    assert Playout().play("i", delta, 0.0) == [Play(delta)]


def test_what_is_no_base64_is_refused() -> None:
    for text in ("###", "####", "AAA", "AA=A" * 40):
        assert Playout().play("i", text, 0.0) is None


def test_the_clock_runs_while_the_phone_plays() -> None:
    playout = Playout()
    playout.play("i", audio(2.0), 10.0)
    assert playout.heard("i", 10.5) == 0.5
    assert playout.unplayed(11.0) == 1.0
    assert playout.heard("i", 99.0) == 2.0


def test_a_stall_inside_an_item_is_not_heard() -> None:
    """The model pauses 1.5 s inside an item: the phone is silent meanwhile, and the clock knows."""
    playout = Playout()
    playout.play("i", audio(1.0), 0.0)
    playout.play("i", audio(1.0), 2.5)
    assert playout.heard("i", 2.5) == 1.0
    assert playout.heard("i", 3.0) == 1.5


def test_an_echo_that_is_later_than_the_clock_corrects_it() -> None:
    playout = Playout()
    effects = playout.play("i", audio(1.8), 0.0)
    first = marks(effects)[0]
    assert first == "g0:i:180"
    assert playout.echoed(first, 0.48)  # 300 ms late: the phone began later than the clock thought
    assert playout.heard("i", 0.48) == 0.18
    assert abs(playout.end(2.0) - (1.8 + 0.3)) < 1e-9


def test_an_echo_that_was_late_by_itself_is_forgotten_with_the_next() -> None:
    playout = Playout()
    names = marks(playout.play("i", audio(1.8), 0.0))
    playout.echoed(names[0], 0.48)
    playout.echoed(names[1], 0.36)  # in time: it was the echo before that was late, not the phone
    assert abs(playout.end(0.36) - 1.8) < 1e-9
    playout.echoed(names[-1], 1.8)
    assert playout.end(1.8) == 1.8


def test_what_waits_before_the_stream_is_not_played() -> None:
    playout = Playout()
    playout.play("i", audio(1.0), 0.0)
    playout.hold(4000, 0.0)  # half of it
    assert playout.heard("i", 0.5) == 0.5
    assert playout.heard("i", 5.0) == 0.5
    assert playout.end(5.0) == 5.5
    playout.hold(0, 5.0)
    assert playout.heard("i", 5.25) == 0.75
    assert playout.clear(5.25) == [Clear()]
    assert playout.end(6.0) == 5.25


def test_an_echo_moves_what_was_heard_forward() -> None:
    playout = Playout()
    name = marks(playout.play("i", audio(0.36), 0.0))[-1]
    playout.echoed(name, 0.1)
    assert playout.heard("i", 0.1) == 0.36


def test_echoes_of_an_older_generation_and_foreign_names_are_ignored() -> None:
    playout = Playout()
    name = marks(playout.play("i", audio(0.36), 0.0))[-1]
    assert playout.clear(0.1) == [Clear()]
    for other in (name, "", "g1", "g1:", "g1:x:100", "g1:i:-5", "g1:i:٣", "nonsense"):
        assert not playout.echoed(other, 0.2)
    assert playout.heard("i", 0.2) == 0.1


def test_a_cleared_phone_plays_the_next_audio_at_once() -> None:
    playout = Playout()
    playout.play("a", audio(30.0), 0.0)
    playout.clear(1.0)
    assert playout.unplayed(1.0) == 0
    playout.play("b", audio(1.0), 1.0)
    assert playout.start("b") == 1.0
    assert playout.heard("b", 1.5) == 0.5
    assert playout.heard("a", 1.5) == 1.0


def test_an_item_that_was_cleared_is_never_played_on() -> None:
    playout = Playout()
    playout.play("a", audio(5.0), 0.0)
    playout.clear(1.0)
    assert playout.play("a", audio(1.0), 1.5) == []
    assert playout.unplayed(1.5) == 0
    assert playout.heard("a", 9.0) == 1.0


def test_played_out_is_the_phones_word() -> None:
    playout = Playout()
    playout.play("i", audio(0.2), 0.0)
    names = marks(playout.finish("i", 0.0))
    assert not playout.played_out("i")
    playout.echoed(names[-1], 0.2)
    assert playout.played_out("i")


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 60), st.booleans()), min_size=1, max_size=15),
    st.floats(0, 3),
)
def test_it_agrees_with_a_phone_that_plays(steps: list[tuple[float, int, bool]], wait: float) -> None:
    """Against a simulated phone: what was heard is right to the frame, whatever pauses and clears there were."""
    playout, now, item = Playout(), 0.0, 0
    phone_end, phone_total = 0.0, 0.0  # when the phone falls silent, and seconds it was given since the last clear
    for pause, frames, clear in steps:
        now += pause
        if clear:
            playout.clear(now)
            phone_end, phone_total, item = now, 0.0, item + 1
        playout.play(f"i{item}", b64(b"\x01" * FRAME * frames), now)
        phone_end = max(phone_end, now) + frames * 0.02
        phone_total += frames * 0.02
    now += wait
    heard = phone_total - max(0.0, phone_end - now)
    assert abs(playout.heard(f"i{item}", now) - heard) < 0.001
    assert playout.heard(f"i{item}", now) <= playout.sent(f"i{item}")
