"""Answers from a file, and who answers at all: what is understood, and what is said where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agenticd.emulator.answers import answers, answers_of
from agenticd.emulator.choices import (
    brain_described,
    brain_of,
    grammar_of,
    greeting_of,
    hearing_described,
    synthesiser_of,
    voice_described,
)
from agenticd.emulator.model import Heard, ModelHappening, SeenRealtime, Speechless
from agenticd.emulator.persons import NotUnderstood
from agenticd.emulator.realtime import (
    DEMO_GREETING,
    BrainFailed,
    ChatBrain,
    FunctionCall,
    Line,
    RealtimeConfig,
    Reply,
    Situation,
)
from agenticd.emulator.run import Wanted
from agenticd.emulator.screen import Screen
from tests.emulator.emulate import Emulate

GOOD = """\
# A shop that sells one thing.
opening Hello, this is the shop.

when hours|open: say At nine: every day.
  when \\bat 7:30\\b: say  That is early.
when (?:buy|order): call order {"what": "it: say nothing"}
when bye: call end_call
result "ok": say It is on its way.
otherwise I do not know.
idle Hello?
"""


async def said(text: str, speaker: Any = "caller") -> object:
    return await answers(GOOD, "shop.txt").reply(Situation("", (Line(speaker, text),)))


async def test_the_first_rule_that_fits_answers() -> None:
    assert await answers(GOOD, "shop.txt").reply(Situation("", ())) == "Hello, this is the shop."
    assert await said("When do you OPEN? May I order?") == "At nine: every day."
    assert await said("Come at 7:30 then.") == "That is early."
    assert await said("I want to buy it.") == FunctionCall("order", '{"what": "it: say nothing"}')
    assert await said("Bye!") == FunctionCall("end_call", "{}")
    assert await said('{"no": 1}', "tool") == "I do not know."
    assert await said('"ok"', "tool") == "It is on its way."
    assert await said("What?") == "I do not know."
    assert await answers(GOOD, "shop.txt").reply(Situation("", (Line("agent", "Hm."),), idle=True)) == "Hello?"


async def test_what_is_not_in_the_file_is_as_always() -> None:
    dialogue = answers("when hours: say At nine.", "a")
    assert await dialogue.reply(Situation("", (Line("caller", "What?"),))) == "I am sorry, I did not catch that."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nwhenn hours: say At nine.", "a.txt:2: 'whenn' is none of: opening TEXT, when REGEX: say TEXT, .*mean when"),
        ("greeting Hello.", r"a.txt:1: 'greeting' is none of: .*idle TEXT$"),
        ("when hours", "a.txt:1: when is followed by"),
        ("when : say Hello.", "a.txt:1: when is followed by"),
        ("when hours: sya At nine.", "'sya' is neither say nor call; did you mean say"),
        ("when hours: say ...", "there is nothing to say"),
        ("when (hours: say At nine.", "is no regular expression"),
        ("when bye: call", "'' is no name of a function"),
        ("when bye: call end call {}", "arguments of end are no JSON"),
        ("when bye: call end_call [1]", "are a JSON object"),
        ("opening", "there is nothing to say: opening Hello"),
        ("opening Hello.\nopening Good day.", "a.txt:2: there is an opening already"),
        ("# nothing\n", "a.txt has no answers: opening TEXT"),
        ("idle Hm.\n" * 1001, "more than 1000 lines"),
    ],
)
def test_a_line_that_is_none_is_named_with_what_would_be_one(text: str, told: str) -> None:
    with pytest.raises(NotUnderstood, match=told):
        answers(text, "a.txt")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotUnderstood, match="is no file"):
        answers_of(tmp_path / "none")
    with pytest.raises(NotUnderstood, match="cannot be read"):
        answers_of(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(NotUnderstood, match="no text file"):
        answers_of(tmp_path / "binary")


def wanted(**more: Any) -> Wanted:
    return Wanted("127.0.0.1", 0, 0, ("+15550001111",), "http://x", "talks", (), None, None, None, **more)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"answers": Path("a"), "chat": "http://x/v1"}, "exclude each other"),
        ({"chat_model": "small"}, "--chat-model needs --chat URL"),
        ({"chat_key_file": Path("a")}, "--chat-key-file needs --chat URL"),
        ({"chat": "http://x/v1"}, "--chat needs --chat-model"),
        ({"chat": "x", "chat_model": "small"}, "--chat: 'x' is no base URL"),
        ({"chat": "https://x", "chat_model": "small", "chat_key_file": Path("none")}, "none cannot be read"),
    ],
)
def test_options_that_do_not_fit_are_said(options: dict[str, Any], told: str) -> None:
    with pytest.raises(NotUnderstood, match=told):
        brain_of(wanted(**options))


def test_the_key_comes_from_its_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("sk-secret\n", encoding="utf-8")
    for url, told in (("http://example.com/v1", "a key goes over https"), ("http://127.0.0.1:1/v1", "")):
        options = wanted(chat=url, chat_model="small", chat_key_file=tmp_path / "key")
        if told:
            with pytest.raises(NotUnderstood, match=told) as refused:
                brain_of(options)
            assert "secret" not in str(refused.value)
        else:
            assert isinstance(brain_of(options), ChatBrain)
        assert "secret" not in brain_described(options)
    monkeypatch.setenv("AGENTICD_CHAT_KEY", "two words\nof it")
    with pytest.raises(NotUnderstood, match="--chat: the chat key is no key"):
        brain_of(wanted(chat="http://127.0.0.1:1/v1", chat_model="small"))
    monkeypatch.delenv("AGENTICD_CHAT_KEY")
    assert isinstance(brain_of(wanted(chat="http://example.com/v1", chat_model="small")), ChatBrain)
    (tmp_path / "key").write_text(" \n", encoding="utf-8")
    with pytest.raises(NotUnderstood, match="is empty"):
        brain_of(wanted(chat="http://127.0.0.1:1/v1", chat_model="small", chat_key_file=tmp_path / "key"))


def test_a_daemon_greets_as_the_file_says() -> None:
    assert greeting_of(answers(GOOD, "a")) == "Hello, this is the shop."
    assert greeting_of(None) == DEMO_GREETING


def test_what_has_no_voice_or_no_grammar_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert synthesiser_of(wanted(voice="clips")) is None
    spoken = synthesiser_of(wanted())
    assert spoken is not None
    assert "espeak-ng" in voice_described(spoken)
    assert grammar_of(wanted()) is None
    (tmp_path / "empty").write_text("# nothing\n", encoding="utf-8")
    (tmp_path / "bad").write_text("#JSGF V1.0; nothing\n", encoding="utf-8")
    for name, told in (("none", "cannot be read"), ("empty", "no sentence in it")):
        with pytest.raises(NotUnderstood, match=told):
            grammar_of(wanted(recognise=tmp_path / name))
    bad = wanted(recognise=tmp_path / "bad")
    grammar = grammar_of(bad)
    assert grammar is not None
    with pytest.raises(NotUnderstood, match="bad: pocketsphinx does not take this grammar"):
        hearing_described(bad, grammar)
    grammar.close()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert synthesiser_of(wanted()) is None
    with pytest.raises(NotUnderstood, match=r"agenticd\[voice\]"):
        synthesiser_of(wanted(voice="espeak"))
    with pytest.raises(NotUnderstood, match=r"agenticd\[recognition\]"):
        grammar_of(bad)


def test_the_screen_says_what_is_guessed_and_what_cannot_be_answered() -> None:
    lines: list[str] = []
    screen = Screen(lines.append, clock=lambda: 0.0)
    screen.show(Heard(1, "Hello?", guessed=True))
    screen.show(Speechless("The chat endpoint\nanswered 503"))
    assert lines[0].endswith("m1  model    hears, as far as its grammar goes: Hello?")
    assert lines[1].endswith("    model    cannot answer: The chat endpoint answered 503")


async def test_a_brain_that_fails_is_told_and_fails() -> None:
    class Mute:
        async def reply(self, situation: Situation) -> Reply:
            raise BrainFailed("It does not know.")

    told: list[ModelHappening] = []
    seen = SeenRealtime(RealtimeConfig(), Mute(), told.append)
    with pytest.raises(BrainFailed):
        await seen.brain.reply(Situation("", ()))
    assert told == [Speechless("It does not know.")]


async def test_the_command_takes_a_file_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "shop.txt"
    path.write_text(GOOD, encoding="utf-8")
    async with Emulate("--answers", str(path)) as emulator:
        assert f"  model   answers by {path}\n" in emulator.output
        assert "      Hello, this is the shop.\n" in emulator.block("config.yaml")
        assert "  voices  recorded sentences, and espeak-ng for all others\n" in emulator.output
    async with Emulate("--voice", "clips") as emulator:
        assert "  voices  recorded sentences, and a hum for all others\n" in emulator.output
