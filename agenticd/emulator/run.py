"""A run of `agenticd emulate`, from the open ports to the exit code."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp.http_exceptions import HttpProcessingError

from agenticd.emulator.app import Emulator
from agenticd.emulator.choices import (
    brain_described,
    brain_of,
    grammar_of,
    greeting_of,
    hearing_described,
    synthesiser_of,
    voice_described,
)
from agenticd.emulator.console import Console, usable
from agenticd.emulator.desk import Desk, NotPossible
from agenticd.emulator.faultbook import NO_FAULTS, Faults, shown
from agenticd.emulator.model import ModelHappening
from agenticd.emulator.persons import person
from agenticd.emulator.phone import write_wav
from agenticd.emulator.realtime import DEMO_CALLER_LINES, RealtimeConfig
from agenticd.emulator.recipe import Recipe
from agenticd.emulator.screen import Screen
from agenticd.emulator.twilio import Call, TwilioConfig, urls
from agenticd.emulator.twilio.happenings import Closed, Happening
from agenticd.emulator.voice import Voice
from agenticd.emulator.words import CALLER, CONTROL_PATH, PERSONS, TOKEN_SUFFIX, TYPED

INTERRUPTED, PIPE_CLOSED = 130, 141
_KEPT_CALLS = 1000
_WAITING = 64  # typed lines


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    host: str
    twilio_port: int
    openai_port: int
    numbers: tuple[str, ...]
    voice_url: str
    person: str
    says: tuple[str, ...]
    call: str | None
    record: Path | None
    write_config: Path | None
    answers: Path | None = None
    chat: str | None = None
    chat_model: str | None = None
    chat_key_file: Path | None = None
    voice: str | None = None
    recognise: Path | None = None
    faults: Faults = NO_FAULTS
    network: bool = False
    control_token: str | None = None


class Failed(Exception):
    """The run cannot begin; the text says why."""


class Run:
    """One run. Output is lines on stdout; orders come by signals, from the terminal, and over HTTP."""

    def __init__(self, wanted: Wanted) -> None:
        """Raises NotUnderstood if there is no such person, or nobody to answer."""
        self._wanted = wanted
        script = person(wanted.person, wanted.says or DEMO_CALLER_LINES)
        terminal = sys.stdout.isatty()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # an arrow that a terminal cannot show is no reason to end
        self._screen = Screen(
            self._write,
            width=(lambda: shutil.get_terminal_size().columns) if terminal else None,
            colored=terminal and not os.environ.get("NO_COLOR"),
        )
        self._brain = brain_of(wanted)
        self._synthesiser = synthesiser_of(wanted)
        self._grammar = grammar_of(wanted)
        self._emulator = Emulator(
            TwilioConfig(host=wanted.host, port=wanted.twilio_port, numbers=wanted.numbers, keep_calls=_KEPT_CALLS),
            RealtimeConfig(host=wanted.host, port=wanted.openai_port, keep_audio=False, keep_sessions=8),
            brain=self._brain,
            voice=Voice(self._synthesiser),
            grammar=self._grammar,
            default_phone=script,
            watch=self._happened,
            routes=lambda app: self._desk.routes(app),
            faults=wanted.faults,
            network=wanted.network,
        )
        self._token = wanted.control_token or secrets.token_urlsafe(24)
        self._desk = Desk(self._emulator, script, CALLER, self._token, self._faulty)
        self._orders: asyncio.Queue[str | int] = asyncio.Queue(_WAITING)
        self._console: Console | None = None

    async def run(self) -> int:
        """Serve until a signal, quit or Ctrl-D. Returns the exit code.

        Raises:
            CannotListen: if a port cannot be had.
            Failed: if the configuration cannot be written, or the call cannot be made.

        """
        try:
            return await self._serve()
        finally:
            for child in (self._synthesiser, self._grammar):
                if child is not None:
                    child.close()

    async def _serve(self) -> int:
        loop = asyncio.get_running_loop()
        for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 0), (signal.SIGHUP, 0)):
            loop.add_signal_handler(number, self._end, code)
        if self._synthesiser is not None:
            self._synthesiser.start()
        voice, hears = voice_described(self._synthesiser), hearing_described(self._wanted, self._grammar)
        async with self._emulator:
            for account_number in self._wanted.numbers:
                self._emulator.twilio.set_number(account_number, self._wanted.voice_url)
            recipe = self._recipe()
            if self._wanted.write_config is not None:
                write_new(self._wanted.write_config, recipe.whole())
                write_secret(token_file(self._wanted.write_config), self._token)
            said = introduction(self._wanted, recipe, self._token, typing=usable(), voice=voice, hears=hears)
            for line in said:
                self._write(line)
            try:
                with ExitStack() as stack:
                    if usable():
                        self._console = stack.enter_context(Console(self._order, lambda: self._end(0)))
                    code = await self._obey()
            finally:
                self._console = None
            loop.remove_signal_handler(signal.SIGINT)  # a second one does not wait
        return code

    async def _obey(self) -> int:
        if self._wanted.call is not None:
            try:
                await self._desk.call(self._wanted.call)
            except NotPossible as error:
                raise Failed(str(error)) from error
        while True:
            match await self._orders.get():
                case int(code):
                    return code
                case "":
                    pass
                case "quit" | "exit":
                    return 0
                case "help" | "?":
                    for line in TYPED.splitlines():
                        self._write(f"  {line}")
                case typed:
                    try:
                        await self._desk.do(typed, self._screen)
                    except NotPossible as error:
                        self._screen.note(str(error), "wrong")

    def _order(self, typed: str) -> None:
        if not self._orders.full():
            self._orders.put_nowait(typed.strip())

    def _end(self, code: int) -> None:
        if self._orders.full():
            self._orders.get_nowait()
        self._orders.put_nowait(code)

    # What is seen.

    def _happened(self, happening: Happening | ModelHappening) -> None:
        self._screen.show(happening)
        if isinstance(happening, Closed):
            self._keep(happening.call)

    def _faulty(self, faults: Faults) -> None:
        self._screen.note(f"faults: {shown(faults)}", "dim" if faults == NO_FAULTS else "wrong")

    def _keep(self, call: Call) -> None:
        """The call is over: its sound goes to its file, if that is wanted, and out of the memory."""
        phone = call.phone
        if self._wanted.record is not None and phone.sent:
            at = time.strftime("%Y%m%d-%H%M%S", time.localtime(call.created))
            path = self._wanted.record / f"{at}-{call.sid}.wav"
            try:
                write_wav(path, phone.sent, phone.heard)
            except OSError as error:
                self._screen.note(f"cannot write {path}: {error.strerror}", "wrong")
            else:
                self._screen.note(f"#{self._screen.number(call)} recorded, caller left, agent right: {path}")
        phone.sent.clear()
        phone.heard.clear()
        for stream in call.streams:
            stream.received.clear()

    def _write(self, line: str) -> None:
        try:
            if self._console is not None:
                self._console.write(line)
            else:
                print(line, flush=True)
        except OSError:
            # Whoever read has enough, or the terminal is gone. Python would complain once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._end(PIPE_CLOSED)

    def _recipe(self) -> Recipe:
        twilio, realtime = self._emulator.twilio, self._emulator.realtime
        return Recipe(
            api_url=reachable(self._emulator.api_url),
            account_sid=twilio.config.account_sid,
            auth_token=twilio.config.auth_token,
            numbers=self._wanted.numbers,
            realtime_url=reachable(self._emulator.realtime_url),
            api_key=realtime.config.api_key,
            voice_url=self._wanted.voice_url,
            greeting=greeting_of(self._brain),
        )


def introduction(
    wanted: Wanted,
    recipe: Recipe,
    token: str,
    *,
    typing: bool,
    voice: str = "recorded sentences",
    hears: Sequence[str] = (),
) -> list[str]:
    """What it is, and how it is used; `typing`: there is somebody at a terminal."""
    lines = [
        "agenticd emulate: a stand-in for Twilio, and one for OpenAI Realtime.",
        "",
        f"  Twilio  {recipe.api_url}",
        f"  OpenAI  {recipe.realtime_url}",
        f"  number  {', '.join(wanted.numbers)}; calls to it go to",
        f"          {recipe.voice_url}",
        f"  person  who is called {_manner(wanted.person)}",
        f"  model   {brain_described(wanted)}",
        f"  voices  {voice}",
        *(f"  {'' if nth else 'hears':<7} {line}" for nth, line in enumerate(hears)),
        *([f"  faults  {shown(wanted.faults)}"] if wanted.faults != NO_FAULTS else []),
        "",
    ]
    if not urls.is_loopback(wanted.host):
        lines += ["Not only this machine reaches these ports, and their secrets are known to all.", ""]
    if wanted.write_config is not None:
        lines += [f"Written, to be used as it is: agenticd serve --config {wanted.write_config}"]
        lines += [f"Scripts that control it need the token in {token_file(wanted.write_config)}.", ""]
    else:
        lines += ["# .env", *recipe.env().splitlines(), ""]
        if recipe.fits_agenticd:
            lines += ["# config.yaml (--write-config FILE writes it)", *recipe.config().splitlines(), ""]
        if wanted.control_token is None:
            lines += [f"Scripts that control it need this token: {token}", ""]
    if typing:
        lines.append("Type help for what you can do, such as: call. Ctrl-C ends it.")
    else:
        lines.append(f"POST {recipe.api_url}{CONTROL_PATH} makes a phone call your number.")
    return [*lines, ""]


def _manner(wanted: str) -> str:
    return PERSONS.get(wanted, f"does what is in {wanted}")


def reachable(url: str) -> str:
    """The address under which this machine finds a server that listens everywhere."""
    parts = urlsplit(url)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(parts.hostname or "")
    return url if host is None else parts._replace(netloc=f"{host}:{parts.port}").geturl()


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet. Raises Failed."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failed(f"{path} is there already, and is not overwritten") from None
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror}") from None


def token_file(config: Path) -> Path:
    """Where the token is kept that belongs to a configuration."""
    return config.with_name(config.name + TOKEN_SUFFIX)


def write_secret(path: Path, text: str) -> None:
    """Write a file for its owner's eyes, in the place of an older one. Raises Failed."""
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror}") from None


def quiet_logs() -> None:
    """Whoever knocks at a port and goes away is no news; defects still are."""
    logging.getLogger("websockets.server").addFilter(
        lambda record: not record.getMessage().startswith("opening handshake failed")
    )
    logging.getLogger("aiohttp.server").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
    )
