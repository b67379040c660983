"""The buffer between stream and ear: what the person hears, to the sample, and when marks come back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.emulator.phone import Playout

TONE = bytes(range(160))  # 20 ms, every byte tells its place
SILENCE = b"\xff"


def test_audio_is_heard_from_the_moment_it_arrives_at_8000_bytes_a_second():
    playout = Playout()
    playout.media(TONE, 0.010)
    playout.advance(0.020)
    assert playout.heard == SILENCE * 80 + TONE[:80]
    playout.advance(0.0305)
    assert playout.heard == SILENCE * 80 + TONE + SILENCE * 4
    assert playout.buffered == 0


def test_audio_that_comes_while_other_audio_plays_follows_it_without_a_gap():
    playout = Playout()
    playout.media(TONE, 0.0)
    playout.media(b"\x10" * 80, 0.013)
    playout.advance(0.030)
    assert playout.heard == TONE + b"\x10" * 80


def test_a_gap_between_two_sentences_is_heard_as_silence_of_that_length():
    playout = Playout()
    playout.media(TONE, 0.0)
    playout.media(TONE, 1.0)
    playout.advance(1.020)
    assert playout.heard == TONE + SILENCE * (8000 - 160) + TONE


def test_a_mark_is_echoed_when_all_audio_before_it_was_played_and_not_before():
    playout = Playout()
    playout.media(TONE, 0.0)
    playout.mark("after", 0.0)
    playout.media(TONE, 0.0)
    playout.advance(0.0199)
    assert playout.echoes() == []
    playout.advance(0.020)
    assert playout.echoes() == ["after"]
    playout.advance(1.0)
    assert playout.echoes() == []


def test_a_mark_with_nothing_buffered_is_echoed_at_once():
    playout = Playout()
    playout.mark("now", 3.0)
    assert playout.echoes() == ["now"]


def test_clear_empties_the_buffer_and_echoes_every_outstanding_mark_at_once():
    playout = Playout()
    playout.media(TONE * 10, 0.0)
    playout.mark("a", 0.0)
    playout.media(TONE * 10, 0.0)
    playout.mark("b", 0.0)
    playout.clear(0.020)
    assert playout.echoes() == ["a", "b"]
    assert playout.buffered == 0
    playout.media(b"\x20" * 160, 0.020)
    playout.advance(0.040)
    assert playout.heard == TONE + b"\x20" * 160


def test_a_clear_between_two_ticks_cuts_at_the_sample_of_its_moment():
    playout = Playout()
    playout.media(TONE, 0.0)
    playout.clear(0.005)
    playout.advance(0.020)
    assert playout.heard == TONE[:40] + SILENCE * 120


def test_the_end_of_a_stream_forgets_audio_and_marks_without_an_echo():
    playout = Playout()
    playout.media(TONE, 0.0)
    playout.mark("never", 0.0)
    playout.reset(0.010)
    playout.advance(1.0)
    assert playout.echoes() == []
    assert playout.heard == TONE[:80] + SILENCE * (8000 - 80)


def test_ten_minutes_are_taken_and_what_would_pass_them_is_refused():
    playout = Playout()
    minute = bytes(60 * 8000)
    assert all(playout.media(minute, 0.0) for _ in range(10))
    assert not playout.media(b"\x00", 0.0)
    playout.mark("end", 0.0)
    assert playout.media(bytes(8000), 1.0), "one second was played, so one second fits again"
    playout.advance(600.0)
    assert playout.echoes() == ["end"], "refused audio does not delay a mark"


def test_time_does_not_run_backwards():
    playout = Playout()
    playout.media(TONE, 1.0)
    playout.advance(0.5)
    assert len(playout.heard) == 8000


@pytest.mark.parametrize("step", [0.02, 0.0201, 0.1, 1 / 3])
def test_the_clock_does_not_drift_however_it_is_asked(step: float):
    playout = Playout()
    ticks = int(60 / step)
    for tick in range(1, ticks + 1):
        playout.advance(tick * step)
    assert abs(len(playout.heard) - ticks * step * 8000) <= 1


class Naive:
    """The same rules, sample by sample, as slow and as plain as can be."""

    def __init__(self) -> None:
        self.queue: list[int | str] = []
        self.heard: list[int] = []
        self.echoed: list[str] = []

    def play_until(self, sample: int) -> None:
        while len(self.heard) < sample:
            self.echo()
            self.heard.append(self.queue.pop(0) if self.queue else 0xFF)  # type: ignore[arg-type]
        self.echo()

    def echo(self) -> None:
        while self.queue and isinstance(self.queue[0], str):
            self.echoed.append(self.queue.pop(0))  # type: ignore[arg-type]

    def clear(self) -> None:
        self.echoed += [item for item in self.queue if isinstance(item, str)]
        self.queue.clear()


steps = st.lists(
    st.tuples(
        st.integers(0, 60),  # samples until it happens
        st.one_of(st.binary(max_size=50), st.sampled_from(["mark", "clear", "advance"])),
    ),
    max_size=40,
)


@given(steps)
def test_any_sequence_is_heard_as_the_rules_say_sample_by_sample(sequence: list[tuple[int, bytes | str]]):
    playout, naive = Playout(), Naive()
    echoes: list[str] = []
    sample = 0
    for number, (wait, what) in enumerate(sequence):
        sample += wait
        now = sample / 8000
        naive.play_until(sample)
        match what:
            case bytes():
                assert playout.media(what, now)
                naive.queue += what
            case "mark":
                playout.mark(f"m{number}", now)
                naive.queue.append(f"m{number}")
            case "clear":
                playout.clear(now)
                naive.clear()
            case _:
                playout.advance(now)
        naive.echo()
        echoes += playout.echoes()
        assert echoes == naive.echoed
    playout.advance((sample + 2000) / 8000)
    naive.play_until(sample + 2000)
    assert playout.heard == bytes(naive.heard)
    assert echoes + playout.echoes() == naive.echoed


@given(st.data())
def test_how_the_audio_is_cut_into_messages_makes_no_difference_to_the_ear(data: st.DataObject):
    audio = bytes(i % 251 for i in range(2000))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(audio)), max_size=12)))
    edges = [0, *cuts, len(audio)]

    def heard(feed: Callable[[Playout], object]) -> bytes:
        playout = Playout()
        feed(playout)
        playout.advance(0.5)
        return bytes(playout.heard)

    whole = heard(lambda playout: playout.media(audio, 0.1))
    pieces = heard(lambda p: [p.media(audio[a:b], 0.1) for a, b in zip(edges, edges[1:], strict=False)])
    assert pieces == whole


def test_each_clear_leaves_a_record_of_what_had_been_played():
    playout = Playout()
    playout.media(b"a" * 800, 0.0)
    playout.clear(0.06)
    playout.media(b"b" * 1600, 0.5)
    playout.clear(0.6)
    playout.clear(1.0)
    assert [(found.at, found.accepted, found.dropped) for found in playout.cleared] == [
        (0.06, 800, 320),
        (0.6, 2400, 800),
        (1.0, 2400, 0),
    ]


def test_when_the_next_mark_is_due_is_known_beforehand():
    playout = Playout()
    assert playout.next_echo() is None
    playout.media(TONE * 5, 1.0)
    playout.mark("a", 1.03)
    playout.mark("b", 1.03)
    assert playout.next_echo() == pytest.approx(1.1)
    playout.media(TONE, 1.05)
    playout.mark("c", 1.05)
    playout.advance(1.1)
    assert playout.echoes() == ["a", "b"]
    assert playout.next_echo() == pytest.approx(1.12)
    playout.clear(1.11)
    assert (playout.echoes(), playout.next_echo()) == (["c"], None)
