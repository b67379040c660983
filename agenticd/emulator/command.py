"""`agenticd emulate`: the emulator alone, on ports of one's choice, with everything that happens in it shown."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import click

from agenticd.emulator.words import (
    ANSWERS,
    CHAT_KEY,
    CONTROL_PATH,
    FAULTS_PATH,
    PERSONS,
    TOKEN_SUFFIX,
    TOKEN_VARIABLE,
    TYPED,
    VERBS,
)

if TYPE_CHECKING:
    import asyncio

    from agenticd.emulator.app import CannotListen
    from agenticd.emulator.run import Wanted

_TROUBLE = 1
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_PERSONS = "\n".join(f"  {name:<10} {does}" for name, does in PERSONS.items())
_TYPED = "\n".join(f"  {line}" for line in TYPED.splitlines())
_ANSWERS = "\n".join(f"  {line}" for line in ANSWERS.splitlines())
_HELP = f"""\
Start a stand-in for Twilio and one for OpenAI Realtime, for a daemon or any other program to use.

It prints what to put into .env and config.yaml, then shows what happens, as it happens: REST requests, calls, webhooks
and the TwiML in their answers, media streams, who says what, what the model is told, and what Twilio's debugger would
say. No telephone rings: voices are recorded sentences, and for all others espeak-ng (pip install 'agenticd[voice]') or
a hum. The model answers by simple rules unless told otherwise, and understands the sentences that it knows.

\b
Every number that is called is answered by a person (--person):
{_PERSONS}
  FILE       does what the file says, a line each:
             {VERBS}

\b
The model answers by rules of a file (--answers), a line each:
{_ANSWERS}
or as a model does, at any endpoint of OpenAI's chat completions (--chat);
its key comes from {CHAT_KEY} or a file.

\b
At a terminal, type:
{_TYPED}

\b
Scripts do the same over HTTP, on this machine:
  curl -H "Authorization: Bearer $(cat config.yaml{TOKEN_SUFFIX})" \\
    -d To=+15550001111 -d From=+15550002222 -d Say='Hello?' \\
    http://127.0.0.1:4010{CONTROL_PATH}
  and to http://127.0.0.1:4010{CONTROL_PATH}/<sid>:
    -d Say='Thank you.', -d Press='4#' or -d HangUp=true
  and to http://127.0.0.1:4010{FAULTS_PATH}:
    -X PATCH -d '{{"rest": {{"create_delay": "2s"}}}}', -X DELETE
The token is printed at the start, or in that file with --write-config.
What can go wrong, and its names: docs/emulator.md.

\b
Examples:
  agenticd emulate --write-config config.yaml
  agenticd emulate --person hangs-up --caller 'What is on the menu?'
  agenticd emulate --chat http://127.0.0.1:8000/v1 --chat-model llama
"""


def _number(ctx: click.Context, param: click.Parameter, value: str | tuple[str, ...] | None) -> object:
    for number in (value,) if isinstance(value, str) else value or ():
        if not _E164.fullmatch(number):
            raise click.BadParameter(f"{number!r} is no number with + and country code, such as +15550001111.")
    return value


def _url(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port  # judged only when it is asked for
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not any(map(str.isspace, value))
    except ValueError:
        good = False
    if not good:
        raise click.BadParameter(f"{value!r} is no URL such as http://127.0.0.1:8080/twilio/voice.")
    return value


def _says(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        if not any(map(str.isalnum, text)):
            raise click.BadParameter(f"{text!r} says nothing.")
    return value


def _token(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[!-~]{8,200}", value):
        raise click.BadParameter("it is 8 to 200 letters, digits and signs, without spaces.")
    return value


def _faults(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> object:
    try:
        from agenticd.emulator.faultbook import WrongFault, spoken
    except ModuleNotFoundError:
        return value  # the command itself tells what is not installed
    try:
        return spoken(" ".join(value))
    except WrongFault as error:
        raise click.BadParameter(str(error)) from None


_PORT = click.IntRange(0, 65535)


@click.command(help=_HELP, short_help="Start a stand-in for Twilio and OpenAI to build against.")
@click.option(
    "--twilio-port", type=_PORT, metavar="PORT", default=4010, help="Of the REST API; 0: any free one.  [default: 4010]"
)
@click.option(
    "--openai-port", type=_PORT, metavar="PORT", default=4011, help="Of the model; 0: any free one.  [default: 4011]"
)
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where both listen: this machine alone."
)
@click.option(
    "--number",
    "numbers",
    metavar="NUMBER",
    multiple=True,
    default=("+15550001111",),
    show_default=True,
    callback=_number,
    help="A number of the account; repeat it for more.",
)
@click.option(
    "--voice-url",
    metavar="URL",
    default="http://127.0.0.1:8080/twilio/voice",
    show_default=True,
    callback=_url,
    help="Where calls to the numbers go.",
)
@click.option("--person", metavar="NAME|FILE", default="talks", show_default=True, help="Who answers; see above.")
@click.option("--caller", "says", multiple=True, callback=_says, help="What the person says; repeat it for more lines.")
@click.option(
    "--answers", metavar="FILE", type=click.Path(path_type=Path), help="What the model answers: rules; see above."
)
@click.option("--chat", metavar="URL", help="Who answers: an endpoint of chat completions, without /chat/completions.")
@click.option("--chat-model", metavar="NAME", help="Which of its models.")
@click.option(
    "--chat-key-file", metavar="FILE", type=click.Path(path_type=Path), help=f"Its key, if not in {CHAT_KEY}."
)
@click.option(
    "--recognise",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Understand callers who say what is not known: sentences, one a line, or a JSGF grammar. Other speech is "
    "forced into it.",
)
@click.option(
    "--voice",
    type=click.Choice(["clips", "espeak"]),
    help="How sentences are said that are not recorded: hummed, or by espeak-ng.  [default: espeak, if installed]",
)
@click.option("--call", metavar="NUMBER", callback=_number, help="Let a phone call this number of the account at once.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for a wav of each call; made if not there.",
)
@click.option(
    "--fault",
    "faults",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_faults,
    help="What goes wrong from the start, such as rest.create_delay=2s; repeat it for more.",
)
@click.option("--network", is_flag=True, help="Let the network be one that can go bad later: faults of network.")
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar=TOKEN_VARIABLE,
    show_envvar=True,
    callback=_token,
    help="What scripts that control it must know.  [default: a random one]",
)
@click.option(
    "--write-config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a whole config.yaml for agenticd; never over a file.",
)
def emulate(**options: object) -> None:
    """The command; its help is above."""
    try:
        from agenticd.emulator.run import Wanted
    except ModuleNotFoundError as error:
        if error.name not in ("websockets", "webrtcvad"):
            raise
        _fail("the emulator is not installed: pip install 'agenticd[emulator]'")
    sys.exit(_run(Wanted(**options)))  # type: ignore[arg-type]


def _run(wanted: Wanted) -> int:
    import asyncio

    from agenticd.emulator.app import CannotListen
    from agenticd.emulator.persons import NotUnderstood
    from agenticd.emulator.run import Failed, Run, quiet_logs

    quiet_logs()
    try:
        _prepare(wanted)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(Run(wanted).run())
    except CannotListen as error:
        _fail(_taken(wanted, error))
    except NotUnderstood as error:
        raise click.UsageError(str(error)) from None
    except Failed as error:
        _fail(str(error))


def _prepare(wanted: Wanted) -> None:
    """What can be said before anything listens. Raises UsageError."""
    from agenticd.emulator.faultbook import NO_FAULTS
    from agenticd.emulator.recipe import VOICE_PATH
    from agenticd.emulator.twilio.urls import is_loopback

    if wanted.call is not None and wanted.call not in wanted.numbers:
        raise click.UsageError(f"--call {wanted.call}: the account has only {', '.join(wanted.numbers)}; see --number")
    if (wanted.network or wanted.faults.network != NO_FAULTS.network) and not is_loopback(wanted.host):
        option = "--network" if wanted.network else "--fault network.…"
        raise click.UsageError(f"{option} is for this machine alone, and --host {wanted.host} is not")
    if wanted.write_config is not None:
        if wanted.write_config.exists():
            raise click.UsageError(
                f"{wanted.write_config} is there already, and is not overwritten; to use it again, run the same "
                "without --write-config"
            )
        if not urlsplit(wanted.voice_url).path.endswith(VOICE_PATH):
            raise click.UsageError(f"--write-config is for agenticd, whose --voice-url ends with {VOICE_PATH}")
    if wanted.record is not None:
        try:
            wanted.record.mkdir(exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"--record {wanted.record}: {error.strerror}") from None


def _taken(wanted: Wanted, error: CannotListen) -> str:
    port, option = wanted.twilio_port, "--twilio-port"
    if error.half == "OpenAI":
        port, option = wanted.openai_port, "--openai-port"
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} is taken, perhaps by another emulator; choose one with {option}, 0 for any free one"
        case errno.EACCES:
            return f"port {port} is not for you; choose one of 1024 and more with {option}"
        case _:
            return f"cannot listen on {wanted.host} port {port}: {error.strerror}"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _fail(problem: str) -> NoReturn:
    click.echo(f"error: {problem}", err=True)
    sys.exit(_TROUBLE)
