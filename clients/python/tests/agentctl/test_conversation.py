"""A conversation on a terminal: every word once, on its speaker's line, however words and events
interleave."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from agentctl import words
from agentctl.conversation import Conversation
from agentctl.values import KINDS
from agentic.v1 import call_pb2, event_pb2
from agentic.v1.event_pb2 import Event, LiveWords, TranscriptFinal

SPEAKERS = {"a": event_pb2.SPEAKER_AGENT, "c": event_pb2.SPEAKER_CALLER}


def live(item: str, offset: int, text: str) -> LiveWords:
    return LiveWords(item_id=item, speaker=SPEAKERS[item[0]], offset=offset, text=text)


def final(item: str, text: str, heard: str | None = None) -> Event:
    said = TranscriptFinal(
        item_id=item, speaker=SPEAKERS[item[0]], text=text, heard_text=text if heard is None else heard
    )
    said.interrupted = heard is not None
    return Event(transcript_final=said)


def show(*items: Event | LiveWords, **options: bool) -> str:
    """What is written, without the time that every row begins with."""
    conversation = Conversation(clock=lambda: 0.0, **options)  # type: ignore[arg-type]
    written = (conversation.event(item) if isinstance(item, Event) else conversation.words(item) for item in items)
    return "".join(line[10:].lstrip() for line in "".join(written).splitlines(keepends=True))


def test_words_become_a_line() -> None:
    assert show(live("a1", 0, "Hello"), live("a1", 5, ", you."), final("a1", "Hello, you.")) == "agent  Hello, you.\n"


def test_what_was_not_shown_yet_follows_when_it_is_final() -> None:
    assert show(live("a1", 0, "Hel"), final("a1", "Hello.")) == "agent  Hello.\n"


def test_without_live_words_utterances_are_lines() -> None:
    assert show(final("a1", "Hello."), final("c1", "Hi.")) == "agent  Hello.\ncaller  Hi.\n"


def test_who_speaks_in_between_gets_a_line_and_the_other_goes_on_below() -> None:
    shown = show(
        live("a1", 0, "We open "),
        live("c1", 0, "Hm."),
        live("a1", 8, "at five."),
        final("c1", "Hm."),
        final("a1", "We open at five."),
    )
    assert shown == "agent  We open \ncaller  Hm.\nagent  … at five.\n"


def stopped(item: str) -> Event:
    return Event(speech_stopped=event_pb2.SpeechStopped(item_id=item))


def test_an_answer_stands_below_what_it_answers_though_that_is_known_later() -> None:
    shown = show(
        stopped("c1"), live("a1", 0, "At "), live("a1", 3, "five."), final("c1", "When?"), live("a1", 8, " Yes.")
    )
    assert shown == "caller  When?\nagent  At five. Yes."


def test_an_answer_to_noise_is_not_held_back_for_ever() -> None:
    shown = show(stopped("c1"), live("a1", 0, "Pardon?"), final("a1", "Pardon?"), live("a2", 0, "Hello?"))
    assert shown == "agent  Pardon?\nagent  Hello?"


def test_a_note_in_between_does_not_break_a_word() -> None:
    digit = Event(digit_received=event_pb2.DigitReceived(digit="5"))
    shown = show(live("a1", 0, "We op"), digit, live("a1", 5, "en."), final("a1", "We open."))
    assert shown == "agent  We op\ndigit  5\nagent  … en.\n"


def test_what_the_model_said_otherwise_than_it_showed_is_shown_whole() -> None:
    assert show(live("c1", 0, "Won to"), final("c1", "One, two.")) == "caller  Won to\ncaller  One, two.\n"
    assert show(live("c1", 0, "Won to"), final("c1", "")) == "caller  Won to\n"


def test_dropped_words_are_not_guessed_and_follow() -> None:
    shown = show(
        live("a1", 0, "One "), live("a1", 8, "three"), live("a1", 13, " four"), final("a1", "One two three four")
    )
    assert shown == "agent  One two three four\n"


def test_what_the_caller_did_not_hear_is_marked() -> None:
    shown = show(live("a1", 0, "One two three"), final("a1", "One two three four", heard="One two"))
    assert shown == "agent  One two three\nheard  “One two”\n"
    assert show(final("a1", "One two three", heard="One")) == "agent  One [cut]\n"
    assert show(final("a1", "One two three", heard="")) == "agent  [cut before it was heard]\n"


def test_what_a_phone_says_cannot_steer_a_terminal() -> None:
    shown = show(live("c1", 0, "a\x1b[2Jb"), final("c1", "a\x1b[2Jb\r\nc"))
    assert shown == "caller  a [2Jb  c\n"


@given(st.lists(st.tuples(st.sampled_from(["a1", "a2", "c1"]), st.text("ab ", min_size=1, max_size=4)), max_size=30))
def test_no_word_is_lost_or_shown_twice(pieces: list[tuple[str, str]]) -> None:
    said = {"a1": "", "a2": "", "c1": ""}
    items: list[Event | LiveWords] = []
    for item, text in pieces:
        items.append(live(item, len(said[item]), text))
        said[item] += text
    items += [final(item, text) for item, text in said.items() if text]
    lines = show(*items).splitlines()
    for speaker, own in (("agent  ", ("a1", "a2")), ("caller  ", ("c1",))):
        shown = "".join(line.removeprefix(speaker).removeprefix("… ") for line in lines if line.startswith(speaker))
        assert sorted(shown) == sorted("".join(said[item] for item in own))
    caller = "".join(line.removeprefix("caller  ").removeprefix("… ") for line in lines if line.startswith("caller"))
    assert caller == said["c1"]


def ended(reason: str, by: str, **more: object) -> str:
    end = call_pb2.CallEnd(reason=f"END_REASON_{reason}", ended_by=f"ENDED_BY_{by}", **more)  # type: ignore[arg-type]
    return words.ending(end)


def test_an_ending_says_why_in_the_contracts_words_and_in_a_persons() -> None:
    refused = "REJECTED by CARRIER: Twilio refused to dial"
    assert ended("REJECTED", "CARRIER") == refused
    assert ended("REJECTED", "CARRIER", carrier_code=21211) == f"{refused} (21211)"
    assert ended("REJECTED", "CARRIER", carrier_code=21211, message="no such") == f"{refused} (21211: no such)"
    assert ended("BUSY", "CARRIER", sip_code=486) == "BUSY by CARRIER: the line was busy (SIP 486)"
    assert ended("COMPLETED", "CALLER", sip_code=200) == "COMPLETED by CALLER: the caller hung up"
    assert ended("COMPLETED", "API", message="enough") == "COMPLETED by API: a client hung up (enough)"
    assert ended("MODEL_LOST", "DAEMON", message="it said 429") == "MODEL_LOST by DAEMON: it said 429"
    away = "it ended while the daemon was away"
    assert ended("COMPLETED", "CARRIER", message=away) == f"COMPLETED by CARRIER: {away}"


def test_a_call_that_ended_while_the_daemon_was_away_talked_at_most_until_it_looked() -> None:
    for by, talked in (("CALLER", "32 s"), ("CARRIER", "at most 32 s")):
        end = call_pb2.CallEnd(reason="END_REASON_COMPLETED", ended_by=f"ENDED_BY_{by}")  # type: ignore[arg-type]
        call = call_pb2.Call(end=end)
        call.answer_time.FromSeconds(1000)
        call.end_time.FromSeconds(1032)
        assert words.facts(call)["talked"] == talked
        assert words.row(call)[words.COLUMNS.index("TALKED")] == "32s"


def test_every_way_to_end_has_words_of_a_persons() -> None:
    for name in call_pb2.EndReason.keys():  # noqa: SIM118
        said = ended(name.removeprefix("END_REASON_"), "CALLER")
        assert ": " in said or name.endswith("UNSPECIFIED")


# What is told of a call besides the words.


def interrupted(item: str, heard: float, lost: float) -> Event:
    cut = event_pb2.AgentInterrupted(item_id=item)
    cut.heard.FromMilliseconds(round(1000 * heard))
    cut.discarded.FromMilliseconds(round(1000 * lost))
    return Event(agent_interrupted=cut)


def measured(item: str, total: float) -> Event:
    turn = event_pb2.TurnMeasured(item_id=item)
    turn.total.FromMilliseconds(round(1000 * total))
    return Event(turn_measured=turn)


def test_a_barge_in_is_shown_at_once_and_then_what_was_heard() -> None:
    begun: list[Event | LiveWords] = [live("a1", 0, "One two three four"), interrupted("a1", 1.2, 3.4)]
    cut = "agent  One two three four\ncut off  by the caller, 1.2 s into it; 3.4 s of it were never heard\n"
    assert show(*begun) == cut
    assert show(*begun, final("a1", "One two three four", heard="One two")) == f"{cut}heard  “One two”\n"
    assert show(*begun, final("a1", "One two three four", heard="")) == f"{cut}heard  nothing of it\n"


def test_of_an_old_call_the_utterance_comes_before_its_cut() -> None:
    shown = show(interrupted("a1", 1.2, 3.4), final("a1", "One two three four", heard="One two"))
    assert shown == "agent  One two [cut]\ncut off  by the caller, 1.2 s into it; 3.4 s of it were never heard\n"


def test_of_a_long_answer_the_last_words_that_were_heard_are_shown() -> None:
    said = "word " * 40 + "and this is where the caller broke in"
    shown = show(live("a1", 0, said + " of it"), final("a1", said + " of it", heard=said)).splitlines()[-1]
    assert shown.startswith("heard  “… word ")
    assert shown.endswith("and this is where the caller broke in”")
    assert len(shown) < 70


def test_an_answer_says_how_long_it_was_waited_for() -> None:
    assert show(measured("a1", 0.861), final("a1", "At five.")) == "agent  At five. (after 861 ms)\n"
    assert show(live("a1", 0, "At five."), measured("a1", 1.5), final("a1", "At five.")) == (
        "agent  At five. (after 1.50 s)\n"
    )


def test_an_answer_that_was_cut_says_it_too() -> None:
    shown = show(live("a1", 0, "At five."), measured("a1", 0.861), interrupted("a1", 0.2, 0.0))
    assert shown == "agent  At five. (after 861 ms)\ncut off  by the caller, 0.2 s into it\n"


def test_the_last_row_has_length_turns_and_latencies() -> None:
    closed = Event(call_closed=event_pb2.CallClosed(turns=3))
    closed.call_closed.duration.FromSeconds(65)
    waits = [measured("a1", 0.9), measured("a2", 0.7), measured("a3", 1.3)]
    rest = "closed  1 min 5 s, 3 turns,"
    assert show(*waits, closed) == f"{rest} half of the answers within 900 ms, all within 1.30 s\n"
    assert show(*waits[:2], closed) == f"{rest} half of the answers within 800 ms, all within 900 ms\n"
    assert show(waits[0], closed) == f"{rest} answer after 900 ms\n"
    assert show(Event(call_closed=event_pb2.CallClosed())) == "closed  never answered\n"


def test_what_a_listener_would_not_notice_is_shown_only_if_asked_for() -> None:
    started = Event(speech_started=event_pb2.SpeechStarted(item_id="c1"))
    assert show(started) == ""
    assert show(started, everything=True) == "speech  the caller begins to speak\n"


def test_every_kind_of_event_can_be_shown() -> None:
    kinds = [field.name for field in Event.DESCRIPTOR.oneofs_by_name["payload"].fields]
    assert sorted(kinds) == sorted(KINDS), "what --type knows is what the contract has"
    for kind in kinds:
        event = Event()
        getattr(event, kind).SetInParent()
        if kind == "transcript_final":
            event.transcript_final.text = event.transcript_final.heard_text = "Hello."
        assert show(event, everything=True).endswith("\n")
        assert "unknown" not in show(event, everything=True)
    assert show(Event(revision=9), everything=True).startswith("unknown  ")


def test_times_of_rows_do_not_go_back() -> None:
    told = Conversation(clock=lambda: 0.0)
    answered = Event(call_id="C", call_answered=event_pb2.CallAnswered())
    answered.time.FromSeconds(10)
    ending = Event(call_id="C", call_ending=event_pb2.CallEnding())
    ending.time.FromSeconds(33)
    rows = told.event(answered)
    for item, begins, known in (("a1", 2, 18), ("a2", 20, 35)):
        said = final(item, "Bye.")
        said.call_id = "C"
        said.transcript_final.audio_start.FromSeconds(begins)
        said.time.FromSeconds(known)
        rows += (told.event(ending) if item == "a2" else "") + told.event(said)
    assert [row.split()[0][-2:] for row in rows.splitlines()] == ["10", "12", "33", "35"]


def test_several_calls_are_told_apart() -> None:
    one, two = (
        Event(call_id=call_id, digit_received=event_pb2.DigitReceived(digit="5"))
        for call_id in ("01KAPBQ7DV0000000000ABCDEF", "01KAPBQ7DV0000000000UVWXYZ")
    )
    assert show(one, two, several=True) == "ABCDEF      digit  5\nUVWXYZ      digit  5\n"


def test_another_day_is_said() -> None:
    told = Conversation(clock=lambda: 0.0)
    event = Event(digit_received=event_pb2.DigitReceived(digit="5"))
    event.time.FromSeconds(3 * 86_400)
    day, row = told.event(event).splitlines()
    assert day.startswith("— 1970-01-0")
    assert row.endswith("digit  5")
    assert len(told.event(event).splitlines()) == 1, "once"


def test_lengths_of_time() -> None:
    said = {0.0: "0.0 s", 0.42: "0.4 s", 32.4: "32 s", 60.0: "1 min", 185.0: "3 min 5 s", 7800.0: "2 h 10 min"}
    assert {seconds: words.seconds(seconds) for seconds in said} == said
    assert words.length(Duration(seconds=1, nanos=500_000_000)) == "1.5 s"


def test_an_event_of_a_newer_daemon_is_named_so() -> None:
    assert words.describe(Event(revision=3))[0] == "unknown"
    newer = Event.FromString(Event(call_ended=event_pb2.CallEnded(end=call_pb2.CallEnd())).SerializeToString())
    newer.call_ended.end.reason = 99  # type: ignore[assignment]
    assert words.describe(newer)[1] == "99 by UNSPECIFIED"
