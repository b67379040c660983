"""What the emulated model answers, and which orders it obeys to the letter."""

from __future__ import annotations

import pytest

from agenticd.emulator.realtime import (
    DEMO_CALLER_LINES,
    DEMO_DIALOGUE,
    DEMO_GREETING,
    Dialogue,
    FunctionCall,
    Line,
    Rule,
    Situation,
)
from agenticd.emulator.realtime.brain import is_check_in, ordered_text
from agenticd.emulator.voice import Voice, load_clips


def situation(*lines: tuple[str, str], idle: bool = False) -> Situation:
    return Situation("", tuple(Line(speaker, text) for speaker, text in lines), idle=idle)  # type: ignore[arg-type]


BOOK = FunctionCall("book", '{"people": 2}')
DIALOGUE = Dialogue(
    rules=(
        Rule(("table", "two"), BOOK),
        Rule(r"\bopen\b", "At five."),
        Rule("ok", "It is booked.", speaker="tool"),
        Rule("open", "Never."),
    )
)


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        ([], DIALOGUE.opening),
        ([("system", "The caller is Anna.")], DIALOGUE.opening),
        ([("agent", "Hello."), ("caller", "When do you OPEN?")], "At five."),
        ([("caller", "Two people, one Table.")], BOOK),
        ([("caller", "A table.")], DIALOGUE.fallback),
        ([("caller", "")], DIALOGUE.fallback),
        ([("caller", "A table for two."), ("tool", '{"ok": true}')], "It is booked."),
        ([("caller", "open"), ("agent", "At five."), ("caller", "Something else.")], DIALOGUE.fallback),
        ([("caller", "open"), ("agent", "At fi")], "At five."),
    ],
)
async def test_the_first_rule_that_fits_the_last_line_answers(lines: list[tuple[str, str]], reply: object) -> None:
    assert await DIALOGUE.reply(situation(*lines)) == reply


async def test_a_sequence_answers_by_number_and_then_the_rules_do() -> None:
    dialogue = Dialogue(rules=DIALOGUE.rules, sequence=("First.", "Second."))
    lines = [("agent", "Hello.")]
    for reply in ("First.", "Second.", "At five."):
        lines.append(("caller", "open"))
        assert await dialogue.reply(situation(*lines)) == reply
        lines.append(("agent", reply))


async def test_long_silence_is_asked_about() -> None:
    assert await DIALOGUE.reply(situation(("caller", "open"), idle=True)) == "Are you still there?"


@pytest.mark.parametrize(
    ("instructions", "asked"),
    [
        ("Ask in one short sentence, in the language of this conversation, whether they are still there.", True),
        ("The caller is silent. Please ask if they are still on the line. Say nothing else.", True),
        ("Be brief. If the caller is silent, ask whether they are still there.", False),
        ("Ask for the name. They may still be there.", False),
        ("", False),
    ],
)
def test_an_order_to_ask_a_silent_caller_is_understood(instructions: str, asked: bool) -> None:
    assert is_check_in(instructions) == asked


async def test_every_line_of_the_demo_has_a_clip_and_an_answer_with_a_clip() -> None:
    assert Voice().has_clip(DEMO_GREETING, "agent")
    for line in DEMO_CALLER_LINES:
        assert Voice().has_clip(line, "caller")
        reply = await DEMO_DIALOGUE.reply(situation(("caller", line)))
        assert isinstance(reply, str)
        assert reply != DEMO_DIALOGUE.fallback
        assert Voice().has_clip(reply, "agent")


def test_all_that_the_demos_agent_can_say_has_a_clip() -> None:
    said = [rule.reply for rule in DEMO_DIALOGUE.rules]
    said += [DEMO_DIALOGUE.opening, DEMO_DIALOGUE.fallback, DEMO_DIALOGUE.idle]
    assert [text for text in said if not Voice().has_clip(str(text), "agent")] == []


async def test_every_clip_of_a_caller_that_is_a_question_has_an_answer() -> None:
    for clip in load_clips():
        if clip.speaker == "caller" and "?" in clip.text and "repeat" not in clip.text:
            assert await DEMO_DIALOGUE.reply(situation(("caller", clip.text))) != DEMO_DIALOGUE.fallback, clip.text


@pytest.mark.parametrize(
    ("instructions", "text"),
    [
        ('Say exactly this, and nothing else: "Hello, how can I help you?"', "Hello, how can I help you?"),
        ('say exactly "Hello."', "Hello."),
        ("Say exactly the following sentence: \u201cGood morning.\u201d", "Good morning."),
        ("Greet the caller with \u00abBuongiorno.\u00bb", "Buongiorno."),
        ('You answer the phone. Start by saying "Hello." Then wait.', "Hello."),
        ('Say exactly this: "He said "no" to me."', 'He said "no" to me.'),
        ('Say exactly this, in this language:\n"""Hello\nthere."""', "Hello\nthere."),
        ("Say exactly: Hello, this is Aurora.", "Hello, this is Aurora."),
        ("Say: Hello.", "Hello."),
        ("Answer the caller's question.", None),
        ('If the caller says "no", end the call.', None),
        ("", None),
        ('Say exactly this: ""', None),
        ('Say exactly this: "unfinished', None),
    ],
)
def test_an_order_to_say_something_is_understood(instructions: str, text: str | None) -> None:
    assert ordered_text(instructions) == text
