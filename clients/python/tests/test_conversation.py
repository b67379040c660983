"""A conversation on a terminal: every word once, on its speaker's line, however words and events
interleave."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from agentctl import words
from agentctl.conversation import Conversation
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


def show(*items: Event | LiveWords) -> str:
    conversation = Conversation()
    return "".join(conversation.event(item) if isinstance(item, Event) else conversation.words(item) for item in items)


def test_words_become_a_line() -> None:
    assert show(live("a1", 0, "Hello"), live("a1", 5, ", you."), final("a1", "Hello, you.")) == " agent: Hello, you.\n"


def test_what_was_not_shown_yet_follows_when_it_is_final() -> None:
    assert show(live("a1", 0, "Hel"), final("a1", "Hello.")) == " agent: Hello.\n"


def test_without_live_words_utterances_are_lines() -> None:
    assert show(final("a1", "Hello."), final("c1", "Hi.")) == " agent: Hello.\ncaller: Hi.\n"


def test_who_speaks_in_between_gets_a_line_and_the_other_goes_on_below() -> None:
    shown = show(
        live("a1", 0, "We open "),
        live("c1", 0, "Hm."),
        live("a1", 8, "at five."),
        final("c1", "Hm."),
        final("a1", "We open at five."),
    )
    assert shown == " agent: We open \ncaller: Hm.\n agent: … at five.\n"


def stopped(item: str) -> Event:
    return Event(speech_stopped=event_pb2.SpeechStopped(item_id=item))


def test_an_answer_stands_below_what_it_answers_though_that_is_known_later() -> None:
    shown = show(
        stopped("c1"), live("a1", 0, "At "), live("a1", 3, "five."), final("c1", "When?"), live("a1", 8, " Yes.")
    )
    assert shown == "caller: When?\n agent: At five. Yes."


def test_an_answer_to_noise_is_not_held_back_for_ever() -> None:
    shown = show(stopped("c1"), live("a1", 0, "Pardon?"), final("a1", "Pardon?"), live("a2", 0, "Hello?"))
    assert shown == " agent: Pardon?\n agent: Hello?"


def test_a_note_in_between_does_not_break_a_word() -> None:
    digit = Event(digit_received=event_pb2.DigitReceived(digit="5"))
    shown = show(live("a1", 0, "We op"), digit, live("a1", 5, "en."), final("a1", "We open."))
    assert shown == " agent: We op\n· the caller pressed 5\n agent: … en.\n"


def test_what_the_model_said_otherwise_than_it_showed_is_shown_whole() -> None:
    assert show(live("c1", 0, "Won to"), final("c1", "One, two.")) == "caller: Won to\ncaller: One, two.\n"
    assert show(live("c1", 0, "Won to"), final("c1", "")) == "caller: Won to\n"


def test_dropped_words_are_not_guessed_and_follow() -> None:
    shown = show(
        live("a1", 0, "One "), live("a1", 8, "three"), live("a1", 13, " four"), final("a1", "One two three four")
    )
    assert shown == " agent: One two three four\n"


def test_what_the_caller_did_not_hear_is_marked() -> None:
    shown = show(live("a1", 0, "One two three"), final("a1", "One two three four", heard="One two"))
    assert shown == " agent: One two three [cut; heard: “One two”]\n"
    assert show(final("a1", "One two three", heard="One")) == " agent: One [cut]\n"
    assert show(final("a1", "One two three", heard="")) == " agent: [cut before it was heard]\n"


def test_what_a_phone_says_cannot_steer_a_terminal() -> None:
    shown = show(live("c1", 0, "a\x1b[2Jb"), final("c1", "a\x1b[2Jb\r\nc"))
    assert shown == "caller: a [2Jb  c\n"


@given(st.lists(st.tuples(st.sampled_from(["a1", "a2", "c1"]), st.text("ab ", min_size=1, max_size=4)), max_size=30))
def test_no_word_is_lost_or_shown_twice(pieces: list[tuple[str, str]]) -> None:
    said = {"a1": "", "a2": "", "c1": ""}
    items: list[Event | LiveWords] = []
    for item, text in pieces:
        items.append(live(item, len(said[item]), text))
        said[item] += text
    items += [final(item, text) for item, text in said.items() if text]
    lines = show(*items).splitlines()
    for speaker, own in ((" agent", ("a1", "a2")), ("caller", ("c1",))):
        shown = "".join(line[8:].removeprefix("… ") for line in lines if line.startswith(speaker))
        assert sorted(shown) == sorted("".join(said[item] for item in own))
    caller = "".join(line[8:].removeprefix("… ") for line in lines if line.startswith("caller"))
    assert caller == said["c1"]


def test_endings() -> None:
    end = call_pb2.CallEnd(reason=call_pb2.END_REASON_REJECTED, ended_by=call_pb2.ENDED_BY_CARRIER)
    assert words.ending(end) == "REJECTED by CARRIER"
    end.carrier_code, end.sip_code = 21211, 404
    assert words.ending(end) == "REJECTED by CARRIER (21211)"
    end.message = "no such number"
    assert words.ending(end) == "REJECTED by CARRIER (21211: no such number)"


def test_lengths_of_time() -> None:
    said = {0.0: "0.0 s", 0.42: "0.4 s", 32.4: "32 s", 60.0: "1 min", 185.0: "3 min 5 s", 7800.0: "2 h 10 min"}
    assert {seconds: words.seconds(seconds) for seconds in said} == said
    assert words.length(Duration(seconds=1, nanos=500_000_000)) == "1.5 s"


def test_an_event_of_a_newer_daemon_is_named_so() -> None:
    assert words.describe(Event(revision=3))[0] == "unknown"
    newer = Event.FromString(Event(call_ended=event_pb2.CallEnded(end=call_pb2.CallEnd())).SerializeToString())
    newer.call_ended.end.reason = 99  # type: ignore[assignment]
    assert words.describe(newer)[1] == "99 by UNSPECIFIED"
