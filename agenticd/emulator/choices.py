"""What answers as the model: rules of a file, a chat endpoint, or the demo's rules. Made of the options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from agenticd.emulator.answers import answers_of
from agenticd.emulator.persons import NotUnderstood
from agenticd.emulator.realtime import Brain, ChatBrain, ChatConfig
from agenticd.emulator.twilio import urls
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


def brain_described(wanted: Wanted) -> str:
    """Who answers, in a few words."""
    if wanted.answers is not None:
        return f"answers by {wanted.answers}"
    if wanted.chat is not None:
        return f"answers as {wanted.chat_model} does at {wanted.chat}"
    return "answers by the demo's rules"


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
