"""The scripted person: speaks when the script says, by what they hear, and never off the 20 ms schedule."""

from __future__ import annotations

import pytest

from agenticd.emulator.phone import Act, HangUp, Line, Moment, Phone, PhoneScript, Press
from agenticd.emulator.voice import Speaker

SILENCE = b"\xff" * 160
FRAME = 0.02


def tone(seconds: float, loudness: int = 0x00) -> bytes:
    """Mu-law that alternates between two samples: 0x00/0x80 is as loud as it gets, 0x7E/0xFE the softest."""
    return bytes([loudness, loudness | 0x80]) * int(seconds * 4000)


class Mouth:
    """Says everything as a tone of 0.1 s per word."""

    def say(self, text: str, speaker: Speaker) -> bytes:
        assert speaker == "caller"
        return tone(0.1 * len(text.split()))


def run(phone: Phone, until: float, agent: dict[float, bytes] | None = None) -> list[tuple[float, Act]]:
    """Tick on the schedule from the answer at 0; `agent` is what reaches the playout buffer, and when."""
    waiting = sorted((agent or {}).items())
    acts: list[tuple[float, Act]] = []
    phone.answer(0.0)
    for tick in range(1, round(until / FRAME) + 1):
        now = tick * FRAME
        while waiting and waiting[0][0] <= now:
            phone.playout.media(waiting[0][1], waiting.pop(0)[0])
        acts += [(round(now, 3), act) for act in phone.tick(now)]
    return acts


def begins(phone: Phone) -> list[float]:
    return [moment.at for moment in phone.timeline if moment.what == "line"]


def test_a_frame_leaves_for_every_20_ms_and_is_silence_when_nothing_is_said():
    phone = Phone(PhoneScript(), Mouth())
    acts = run(phone, 1.0)
    assert [act for _, act in acts] == [SILENCE] * 50
    assert phone.sent == SILENCE * 50
    assert len(phone.heard) == 8000


def test_a_late_tick_sends_what_was_missed_and_the_schedule_holds():
    phone = Phone(PhoneScript(), Mouth())
    phone.answer(100.0)
    assert phone.tick(100.019) == []
    assert len(phone.tick(100.095)) == 4
    assert phone.next_due() == pytest.approx(100.100)
    assert len(phone.tick(160.0)) == 3000 - 4, "no drift after a minute"


def test_a_timed_line_begins_after_the_pause_and_is_sent_byte_for_byte():
    audio = bytes(range(256)) * 2
    phone = Phone(PhoneScript(lines=(Line(audio=audio, after="time", pause=0.1),)), Mouth())
    run(phone, 0.4)
    assert phone.sent == SILENCE * 5 + audio + b"\xff" * 128 + SILENCE * 11
    line, end = phone.timeline
    assert (line.what, line.at) == ("line", 0.1)
    assert (end.what, end.at) == ("line-end", 0.164)


def test_a_line_waits_until_the_agent_has_spoken_and_then_been_silent():
    phone = Phone(PhoneScript(lines=(Line(say="hello", pause=0.5),)), Mouth())
    run(phone, 3.0, {1.0: tone(0.8)})
    assert begins(phone) == [pytest.approx(1.8 + 0.5)]


def test_without_a_word_of_the_agent_the_line_is_never_said():
    phone = Phone(PhoneScript(lines=(Line(say="hello"),)), Mouth())
    run(phone, 5.0)
    assert begins(phone) == []
    assert phone.lines_left == 1


def test_the_agents_breath_between_two_sentences_is_not_the_end_of_its_turn():
    phone = Phone(PhoneScript(lines=(Line(say="hello", pause=0.5),)), Mouth())
    run(phone, 4.0, {0.5: tone(0.5), 1.4: tone(0.6)})
    assert begins(phone) == [pytest.approx(2.0 + 0.5)]


def test_what_is_buffered_but_not_yet_heard_is_not_silence():
    phone = Phone(PhoneScript(lines=(Line(say="hello", pause=0.5),)), Mouth())
    run(phone, 6.0, {0.1: tone(4.0)})
    assert begins(phone) == [pytest.approx(4.1 + 0.5)]


@pytest.mark.parametrize("noise", [b"\xff" * 8000, b"\x7f" * 8000, tone(1.0, 0x78)])
def test_silence_and_faint_noise_from_the_agent_are_not_speech(noise: bytes):
    phone = Phone(PhoneScript(lines=(Line(say="hello"),)), Mouth())
    run(phone, 3.0, {0.1: noise})
    assert begins(phone) == []


def test_a_line_over_the_agent_begins_in_the_middle_of_its_speech():
    phone = Phone(PhoneScript(lines=(Line(say="stop", after="over", pause=0.6),)), Mouth())
    run(phone, 4.0, {1.0: tone(3.0)})
    assert begins(phone) == [pytest.approx(1.6)]


def test_a_line_over_the_agent_does_not_begin_when_it_has_stopped():
    phone = Phone(PhoneScript(lines=(Line(say="stop", after="over", pause=1.0),)), Mouth())
    run(phone, 6.0, {0.5: tone(0.4), 3.0: tone(2.0)})
    assert begins(phone) == [pytest.approx(4.0)]


def test_after_an_interruption_the_cut_sentence_is_not_taken_for_the_answer():
    lines = (Line(say="stop please", after="over", pause=0.5), Line(say="thank you", pause=0.4))
    phone = Phone(PhoneScript(lines=lines), Mouth())
    phone.answer(0.0)
    for tick in range(1, 300):
        now = tick * FRAME
        if tick == 1:
            phone.playout.media(tone(5.0), now)
        if tick == 38:  # 0.04 s after the caller's 0.2 s: the agent stops
            phone.playout.clear(now)
        if tick == 150:  # its answer
            phone.playout.media(tone(0.6), now)
        phone.tick(now)
    assert begins(phone) == [pytest.approx(0.52), pytest.approx(3.0 + 0.6 + 0.4)]


def test_an_agent_that_talks_on_over_the_caller_has_answered_when_it_ends():
    lines = (Line(say="mhm", after="over", pause=0.5), Line(say="go on", pause=0.4))
    phone = Phone(PhoneScript(lines=lines), Mouth())
    run(phone, 5.0, {0.0: tone(3.0)})
    assert begins(phone) == [pytest.approx(0.5), pytest.approx(3.4)]


def stopped(line: Line, agent: dict[float, bytes]) -> Phone:
    """A phone whose process stands still from 0.9 s to 1.9 s after the answer, and receives nothing in that time."""
    phone = Phone(PhoneScript(lines=(line,)), Mouth())
    phone.answer(0.0)
    for tick in (*range(1, 46), *range(95, 200)):
        now = tick * FRAME
        phone.tick(now)
        for at in [at for at in agent if at <= now]:
            phone.playout.media(agent.pop(at), now)
    return phone


@pytest.mark.parametrize(("more", "silent_from"), [({}, 1.86), ({1.4: tone(0.5)}, 2.4)])
def test_time_in_which_the_phone_itself_stood_still_is_no_silence_of_the_agents(
    more: dict[float, bytes], silent_from: float
):
    phone = stopped(Line(say="hello", pause=0.5), {0.5: tone(0.4), **more})
    assert begins(phone) == [pytest.approx(silent_from + 0.5)]
    assert phone.heard[7200:15200] == b"\xff" * 8000, "nothing was played meanwhile, and that is on record"


def test_what_was_played_while_the_phone_stood_still_was_heard():
    phone = stopped(Line(say="hello", pause=0.5), {0.5: tone(1.0)})
    assert begins(phone) == [pytest.approx(1.86 + 0.5)]
    assert phone.timeline[0] == Moment(0.5, "agent")
    assert Moment(1.5, "agent-end") in phone.timeline


def test_nor_is_it_speech_of_the_agents():
    phone = stopped(Line(say="stop", after="over", pause=0.8), {0.5: tone(0.4), 1.4: tone(2.0)})
    assert begins(phone) == [pytest.approx(1.86 + 0.4)]


def test_keys_are_pressed_one_after_the_other():
    phone = Phone(PhoneScript(lines=(Line(press="1#", after="time", pause=0.1),)), Mouth())
    pressed = [(at, act) for at, act in run(phone, 1.0) if isinstance(act, Press)]
    assert pressed == [(0.12, Press("1")), (0.32, Press("#"))]


def test_hanging_up_is_the_last_thing_that_leaves_the_telephone():
    phone = Phone(PhoneScript(lines=(Line(hang_up=True, after="time", pause=0.2),)), Mouth())
    acts = run(phone, 1.0)
    assert acts[-1] == (0.22, HangUp())
    assert len(acts) == 11


def test_at_the_end_of_the_lines_the_person_stays_or_leaves_as_scripted():
    line = Line(say="bye", after="time", pause=0.0)
    stays = run(Phone(PhoneScript(lines=(line,)), Mouth()), 1.0)
    leaves = run(Phone(PhoneScript(lines=(line,), at_end="hang_up"), Mouth()), 1.0)
    assert len(stays) == 50
    assert leaves[-1] == (0.12, HangUp())


def test_comfort_noise_fills_the_time_between_lines_and_does_not_stop_them():
    noise = tone(0.033, 0x70)
    lines = (Line(say="one", after="agent", pause=0.2),)
    phone = Phone(PhoneScript(lines=lines, noise=noise), Mouth())
    run(phone, 2.0, {0.5: tone(0.5)})
    assert begins(phone) == [pytest.approx(1.2)]
    assert bytes(phone.sent[:8000]) == (noise * 40)[:8000]


def test_the_time_line_tells_when_the_agent_was_heard():
    phone = Phone(PhoneScript(), Mouth())
    run(phone, 3.0, {1.0: tone(0.5)})
    assert phone.timeline == [Moment(1.0, "agent"), Moment(1.5, "agent-end")]


def test_a_call_that_ends_in_the_agents_speech_ends_it_on_the_time_line_too():
    phone = Phone(PhoneScript(), Mouth())
    run(phone, 1.2, {1.0: tone(0.5)})
    phone.hear_no_more(1.21)
    assert phone.timeline == [Moment(1.0, "agent"), Moment(1.2, "agent-end")]
    assert len(phone.heard) == 9680
    assert phone.tick(2.0) == []


@pytest.mark.parametrize(
    "wrong",
    [{}, {"say": "a", "press": "1"}, {"press": "A"}, {"press": ""}, {"hang_up": True, "say": "x"}],
)
def test_a_line_that_is_not_one_thing_is_refused(wrong: dict):
    with pytest.raises(ValueError, match="press|exactly one"):
        Line(**wrong)


def test_times_below_zero_are_refused():
    with pytest.raises(ValueError, match="pause"):
        Line(say="a", pause=-1)
    with pytest.raises(ValueError, match="ring"):
        PhoneScript(ring=-1)


def understanding(phone_lines: tuple[Line, ...]) -> tuple[Phone, list[bytes]]:
    """A phone whose person takes a second of the agent for "one word" and anything else for nothing; what they got."""
    got: list[bytes] = []

    def understands(audio: bytes) -> str | None:
        got.append(audio)
        return "One word!" if abs(len(audio) - 8000) < 800 else None

    return Phone(PhoneScript(lines=phone_lines, understands=understands), Mouth()), got


def test_who_waits_for_words_begins_when_they_were_said_and_the_agent_is_silent():
    phone, got = understanding((Line(say="a", after="words", words="one word"),))
    run(phone, 8.0, {1.0: tone(2.0), 4.0: tone(1.0)})
    assert begins(phone) == pytest.approx([5.5], abs=0.05), "not after the two seconds before it"
    assert len(got) == 2


def test_words_count_once_for_the_line_that_waits_for_them():
    lines = (Line(say="a", after="words", words="one word"), Line(say="b", after="words", words="one word"))
    phone, _ = understanding(lines)
    run(phone, 9.0, {1.0: tone(1.0), 5.0: tone(1.0)})
    assert begins(phone) == pytest.approx([2.5, 6.5], abs=0.05)


def test_nothing_is_listened_for_that_no_line_waits_for():
    phone, got = understanding((Line(say="a"),))
    run(phone, 4.0, {1.0: tone(1.0)})
    assert got == []


@pytest.mark.parametrize("wrong", [{"after": "words"}, {"words": "hello"}])
def test_words_and_waiting_for_words_go_together(wrong):
    with pytest.raises(ValueError, match="words"):
        Line(say="a", **wrong)
