"""What answers as the model: rules of a file, a chat endpoint, or the demo's rules. Made of the options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from agenticd.emulator.answers import answers_of
from agenticd.emulator.persons import NotUnderstood
from agenticd.emulator.realtime import DEMO_GREETING, Brain, ChatBrain, ChatConfig, Dialogue
from agenticd.emulator.twilio import urls
from agenticd.emulator.voice import BadGrammar, Espeak, Grammar
from agenticd.emulator.words import CHAT_KEY


class Wanted(Protocol):
    """The options that this is about."""

    @property
    def answers(self) -> Path | None:
        """A file of rules."""

    @property
    def chat(self) -> str | None:
        """A chat endpoint's base URL."""

    @property
    def chat_model(self) -> str | None:
        """The endpoint's model."""

    @property
    def chat_key_file(self) -> Path | None:
        """Where its key is, if not in the environment."""

    @property
    def recognise(self) -> Path | None:
        """A grammar, for callers who say what nobody taught the model."""

    @property
    def voice(self) -> str | None:
        """`clips` or `espeak`; None: the best that is there."""


def brain_of(wanted: Wanted) -> Brain | None:
    """Who answers; None: the demo's rules. Raises NotUnderstood, which says what would be right."""
    if wanted.answers is not None:
        if wanted.chat is not None:
            raise NotUnderstood("--answers and --chat exclude each other: rules answer, or a model does")
        return answers_of(wanted.answers)
    if wanted.chat is None:
        for option, value in (("--chat-model", wanted.chat_model), ("--chat-key-file", wanted.chat_key_file)):
            if value is not None:
                raise NotUnderstood(f"{option} needs --chat URL, such as --chat http://127.0.0.1:8000/v1")
        return None
    if wanted.chat_model is None:
        raise NotUnderstood("--chat needs --chat-model NAME: which of the endpoint's models answers")
    try:
        config = ChatConfig(wanted.chat, wanted.chat_model, _key(wanted.chat_key_file))
    except ValueError as error:
        raise NotUnderstood(f"--chat: {error}") from None
    if config.key is not None and wanted.chat.startswith("http:") and not urls.is_loopback(config.host):
        raise NotUnderstood(f"--chat {wanted.chat}: a key goes over https, or stays on this machine")
    return ChatBrain(config)


def greeting_of(brain: Brain | None) -> str:
    """What a daemon's agent says first: what the file has it say, else the demo's greeting."""
    return brain.opening if isinstance(brain, Dialogue) and isinstance(brain.opening, str) else DEMO_GREETING


def brain_described(wanted: Wanted) -> str:
    """Who answers, in a few words."""
    if wanted.answers is not None:
        return f"answers by {wanted.answers}"
    if wanted.chat is not None:
        return f"answers as {wanted.chat_model} does at {wanted.chat}"
    return "answers by the demo's rules"


def synthesiser_of(wanted: Wanted) -> Espeak | None:
    """Who says what has no clip; None: it is hummed. Raises NotUnderstood if that cannot be had."""
    if wanted.voice == "clips" or (wanted.voice is None and not Espeak.installed()):
        return None
    if not Espeak.installed():
        raise NotUnderstood("--voice espeak is not installed: pip install 'agenticd[voice]'")
    return Espeak()


def voice_described(synthesiser: Espeak | None) -> str:
    """How texts are said, in a few words."""
    if synthesiser is not None:
        return "recorded sentences, and espeak-ng for all others"
    return "recorded sentences, and a hum for all others"


def grammar_of(wanted: Wanted) -> Grammar | None:
    """What hears callers who are not known; None: nobody does. Raises NotUnderstood if it cannot be had."""
    path = wanted.recognise
    if path is None:
        return None
    if not Grammar.installed():
        raise NotUnderstood("--recognise is not installed: pip install 'agenticd[recognition]'")
    try:
        return Grammar.of(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotUnderstood(f"--recognise {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotUnderstood(f"--recognise {path} is no text file in UTF-8") from None
    except BadGrammar as error:
        raise NotUnderstood(f"--recognise {path}: {error}") from None


def hearing_described(wanted: Wanted, grammar: Grammar | None) -> list[str]:
    """What is understood, in a few lines. Raises NotUnderstood if the grammar is none."""
    if grammar is None:
        return ["the sentences that it knows"]
    try:
        never = grammar.check()
    except BadGrammar as error:
        raise NotUnderstood(f"--recognise {wanted.recognise}: {error}") from None
    lines = [
        f"the sentences that it knows, and all else as far as {wanted.recognise} goes:",
        "for demonstrations; what is not in it is taken for what is",
    ]
    return lines + [f"never: {sentence} (a word is in no dictionary)" for sentence in never]


def _key(path: Path | None) -> str | None:
    """The key, from its file or the environment; it is never printed."""
    if path is None:
        return os.environ.get(CHAT_KEY, "").strip() or None
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NotUnderstood(f"--chat-key-file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotUnderstood(f"--chat-key-file {path} is no text file") from None
    if not key:
        raise NotUnderstood(f"--chat-key-file {path} is empty")
    return key
