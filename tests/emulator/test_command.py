"""`agenticd emulate`: what a developer types, reads, and gets from it. With a daemon: tests/e2e/test_emulate.py."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from click.testing import CliRunner

from agenticd import commands
from agenticd.emulator.app import Emulator
from agenticd.emulator.command import emulate
from agenticd.emulator.console import Edited
from agenticd.emulator.desk import Desk, NotPossible
from agenticd.emulator.model import Complained, Cut, Heard, Refused
from agenticd.emulator.persons import NotUnderstood, as_caller, person, script
from agenticd.emulator.phone import HangUp, Line, Phone, PhoneScript, Press
from agenticd.emulator.phone.live import LivePhone
from agenticd.emulator.recipe import Recipe
from agenticd.emulator.run import Failed, Wanted, introduction, reachable, write_new
from agenticd.emulator.screen import Screen
from agenticd.emulator.twilio import Call, Notice, Options, TwilioConfig, Webhook
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.happenings import Asked, Began, Moved, Noticed, Served
from agenticd.emulator.voice import Voice
from tests.emulator.emulate import Emulate

OWNED = "+15550001111"
TOKEN = "only-for-scripts"
KNOWS = {"Authorization": f"Bearer {TOKEN}"}


def environ(**more: str) -> dict[str, str]:
    """For a child that begins elsewhere."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


def ended(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command, which must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "agenticd", "emulate", "--twilio-port", "0", "--openai-port", "0", *arguments],
        cwd=cwd, env=environ(), capture_output=True, text=True, timeout=30,
    )  # fmt: skip


# --- The process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)])
async def test_a_signal_ends_it_without_a_word(number: signal.Signals, code: int):
    async with Emulate() as emulator:
        assert await emulator.end(number) == (code, "")
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as http, http.get(emulator.api_url):
                pass


async def test_a_signal_in_the_middle_of_a_call_ends_it_too_and_the_call_is_recorded(tmp_path: Path, voice_url: str):
    async with Emulate("--record", str(tmp_path / "wavs"), "--call", OWNED, "--voice-url", voice_url) as emulator:
        await emulator.until("Twilio   says: Of course.")
        await emulator.until("phone    heard")
        assert await emulator.end(signal.SIGTERM) == (0, "")
    (name,) = os.listdir(tmp_path / "wavs")
    assert name.endswith(".wav")


@pytest.mark.parametrize("option", ["--twilio-port", "--openai-port"])
def test_a_taken_port_is_one_line_that_names_the_option(tmp_path: Path, option: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ended(option, str(port), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: port {port} is taken")
    assert option in line


def test_a_config_is_never_written_over_another(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("mine")
    done = ended("--write-config", "config.yaml", cwd=tmp_path)
    assert done.returncode == 2
    error, _ = done.stderr.splitlines()
    assert error == (
        "error: config.yaml is there already, and is not overwritten; to use it again, run the same without "
        "--write-config"
    )
    with pytest.raises(Failed, match="not overwritten"):  # by somebody else, since it was looked for
        write_new(tmp_path / "config.yaml", "ours")
    assert (tmp_path / "config.yaml").read_text() == "mine"


@pytest.mark.parametrize(("host", "shown"), [("::1", "http://[::1]:"), ("127.0.0.2", "http://127.0.0.2:")])
async def test_the_printed_address_is_one_that_answers(host: str, shown: str):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, 0), family=family).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    async with Emulate("--host", host) as emulator:
        url = re.search(r"Twilio  (http\S+)", emulator.output)
        assert url is not None
        assert url[1].startswith(shown)
        async with aiohttp.ClientSession() as http, http.get(f"{url[1]}/2010-04-01/x.json") as answer:
            assert answer.status == 401


def test_who_listens_everywhere_is_told_what_that_means_and_where_it_answers_here():
    assert reachable("http://0.0.0.0:4010") == "http://127.0.0.1:4010"
    assert reachable("ws://[::]:4011/v1/realtime") == "ws://[::1]:4011/v1/realtime"
    assert reachable("http://127.0.0.2:4010") == "http://127.0.0.2:4010"
    for host, told in (("0.0.0.0", True), ("192.0.2.1", True), ("127.0.0.1", False), ("::1", False)):
        wanted = Wanted(host, 0, 0, (OWNED,), "http://127.0.0.1:8080/twilio/voice", "talks", (), None, None, None)
        assert ("known to all" in "\n".join(introduction(wanted, recipe(), "token", typing=True))) == told


def test_a_terminal_that_knows_no_arrows_gets_the_rest(tmp_path: Path):
    command = [sys.executable, "-m", "agenticd", "emulate", "--twilio-port", "0", "--openai-port", "0", "--call", OWNED]
    process = subprocess.Popen(
        [*command, "--voice-url", "http://127.0.0.1:9/x"],
        cwd=tmp_path, env=environ(PYTHONIOENCODING="ascii"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "over; 2 of 2 requests had no answer" in line:
            break
    process.terminate()
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0


def test_who_closes_the_pipe_ends_it_quietly(tmp_path: Path):
    command = [sys.executable, "-m", "agenticd", "emulate", "--twilio-port", "0", "--openai-port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--number", "5550001111"), 2, "such as +15550001111"),
        (("--voice-url", "localhost:8080"), 2, "such as http://127.0.0.1:8080/twilio/voice"),
        (("--voice-url", "http://127.0.0.1:99999/x"), 2, "no URL such as"),
        (("--caller", "..."), 2, "says nothing"),
        (("--twilio-port", "70000"), 2, "0<=x<=65535"),
        (("--person", "nobody"), 2, "error: 'nobody' is no file, and none of talks, hangs-up, listens, busy"),
        (("--call", "+15559999999"), 2, "error: --call +15559999999: the account has only +15550001111; see --number"),
        (
            ("--write-config", "x.yaml", "--voice-url", "http://127.0.0.1/x"),
            2,
            "whose --voice-url ends with /twilio/voice",
        ),
        (("--record", "nope/x"), 2, "error: --record nope/x: No such file or directory"),
        (("--record", "/dev/null/x"), 2, "error: --record /dev/null/x: Not a directory"),
        (("--host", "192.0.2.1", "--twilio-port", "0"), 1, "error: cannot listen on 192.0.2.1 port 0"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(arguments: tuple[str, ...], code: int, says: str):
    result = CliRunner().invoke(commands.main, ["emulate", *arguments])
    assert result.exit_code == code
    assert says in " ".join(result.output.split())
    assert result.output.startswith("error: ")


def test_help_fits_a_terminal_of_80_columns_and_names_every_person():
    result = CliRunner().invoke(emulate, ["--help"], terminal_width=80)
    assert max(map(len, result.output.splitlines())) <= 80
    for name in ("talks", "hangs-up", "listens", "busy", "no-answer", "failed", "FILE"):
        assert f"    {name} " in result.output


# --- At a terminal


class Terminal:
    """The command with a terminal of its own, of 80 columns."""

    _TAKE = (
        "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, sys.argv[1:])"
    )

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.ours, self.theirs = os.openpty()
        termios.tcsetwinsize(self.theirs, (40, 80))
        self.seen = ""
        command = (sys.executable, "-m", "agenticd", "emulate", "--twilio-port", "0", "--openai-port", "0", *arguments)
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._TAKE, *command],
            cwd=cwd, env=environ(TERM="xterm", NO_COLOR="1"), stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
        )  # fmt: skip

    def until(self, text: str) -> None:
        """Read on until these words are there."""
        patience = time.monotonic() + 30
        while text not in self.seen:
            assert select.select([self.ours], [], [], patience - time.monotonic())[0], self.seen
            self.seen += os.read(self.ours, 65536).decode()
        self.seen = self.seen.partition(text)[2]

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    @property
    def cooked(self) -> bool:
        """Whether the terminal is as a shell wants it."""
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ICANON)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


def test_at_a_terminal_orders_are_typed_and_what_happens_does_not_disturb_them(tmp_path: Path):
    terminal = Terminal(tmp_path, "--voice-url", "http://127.0.0.1:9/twilio/voice")
    try:
        terminal.until("Type help for what you can do")
        terminal.until("> ")
        assert not terminal.cooked
        terminal.type("help\n")
        terminal.until("call [NUMBER] [from NUMBER]")
        terminal.type("say hello\n")
        terminal.until("there is no call: type call, or place one")
        terminal.type("call\nhalf a th")
        terminal.until("+15550002222 calls in to +15550001111")
        terminal.until("(nothing accepts the connection")
        terminal.until("over; 2 of 2 requests had no answer")
        terminal.until("\x1b[K> half a th")  # it stands below, as it was typed
        terminal.type("\x15\x04")
        assert terminal.process.wait(30) == 0
        assert terminal.cooked
    finally:
        terminal.close()


def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path: Path):
    terminal = Terminal(tmp_path)
    try:
        terminal.until("> ")
        terminal.type("\x03")
        assert terminal.process.wait(30) == 130
        assert terminal.cooked
        assert "Traceback" not in terminal.seen
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("keys", "lines", "left"),
    [
        ("call\nsay hi\r", ["call", "say hi"], ""),
        ("cal\x7f\x7fll", [], "cll"),
        ("say hello there\x17x", [], "say hellox"),
        ("wrong\x15right\n", ["right"], ""),
        ("\x1b[A\x1b[1;5Chi\x1bOP", [], "hi"),
        ("h\x01\x02i\tj", [], "hij"),
        ("Grüße\n", ["Grüße"], ""),
        ("no\x04end", [], "noend"),
    ],
)
def test_keys_edit_the_line(keys: str, lines: list[str], left: str):
    edited = Edited()
    assert edited.type(keys) == lines
    assert edited.text == left


def test_ctrl_d_on_an_empty_line_is_the_end():
    with pytest.raises(EOFError):
        Edited().type("\x04")


# --- Calls from here


@pytest.fixture
async def voice_url() -> AsyncIterator[str]:
    """A customer's: who calls hears two words, then waits."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            text='<Response><Say>Of course.</Say><Pause length="60"/></Response>', content_type="text/xml"
        )

    app = web.Application()
    app.router.add_post("/twilio/voice", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/twilio/voice"
    await runner.cleanup()


@pytest.fixture
async def desk(voice_url: str) -> AsyncIterator[Desk]:
    emulator = Emulator(TwilioConfig(numbers=(OWNED,)), routes=lambda app: acting.routes(app))
    acting = Desk(emulator, person("listens", ()), "+15550002222", TOKEN)
    async with emulator:
        emulator.twilio.set_number(OWNED, voice_url)
        yield acting


class Numbers:
    def number(self, call: Call) -> int:
        return 1


async def test_a_typed_call_is_answered_talks_presses_and_hangs_up(desk: Desk):
    await desk.do("call from +15557654321", Numbers())
    (call,) = desk._twilio.calls.values()
    assert (call.from_, call.to) == ("+15557654321", OWNED)
    await call.wait_status("in-progress")
    await desk.do("#1 say Open sesame!", Numbers())
    await desk.do("press 4#", Numbers())
    await desk.do("HANGUP", Numbers())
    assert await call.ended() == "completed"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("dance", "none of: call, say"),
        ("call +15559999999", "+15559999999 is not a number of this account: +15550001111"),
        ("call me maybe", "call takes a number of yours"),
        ("say hi", "there is no call"),
        ("#7 hangup", "there is no call #7"),
        ("call from <script>", "'<script>' is no caller"),
    ],
)
async def test_a_typed_line_that_cannot_be_done_says_why(desk: Desk, typed: str, says: str):
    with pytest.raises(NotPossible, match=says.replace("+", r"\+")):
        await desk.do(typed, Numbers())


async def test_nothing_is_said_pressed_or_hung_up_where_nobody_is(desk: Desk):
    call = await desk.call()
    await call.wait_status("in-progress")
    for wrong in (lambda: desk.say(call, " ... "), lambda: desk.press(call, "x"), lambda: desk.say(call, "x" * 1001)):
        with pytest.raises(NotPossible):
            wrong()
    desk.hang_up(call)
    await call.ended()
    for late in (lambda: desk.say(call, "hello"), lambda: desk.press(call, "1"), lambda: desk.hang_up(call)):
        with pytest.raises(NotPossible, match="completed"):
            late()


async def test_a_sentence_that_is_typed_is_understood(desk: Desk):
    sentence = "Where do violet penguins park?"
    call = await desk.call()
    await call.wait_status("in-progress")
    recogniser = desk._emulator.realtime._recogniser
    sound = Voice().say(sentence, "caller")
    assert recogniser.text_of(sound) is None
    desk.say(call, sentence)
    assert recogniser.text_of(sound) == sentence


async def test_over_http_only_who_knows_the_token_is_served_and_mistakes_are_told(desk: Desk):
    twilio = desk._twilio
    calls = f"{twilio.api_url}/emulator/calls"
    headers = KNOWS
    account = {"Authorization": aiohttp.encode_basic_auth(twilio.config.account_sid, twilio.config.auth_token)}
    async with aiohttp.ClientSession() as http:
        for wrong in ({}, account, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}):
            for method, path in (("POST", ""), ("POST", "/CA1"), ("GET", "/../faults"), ("DELETE", "/../faults")):
                async with http.request(method, calls + path, headers=wrong) as answer:
                    assert answer.status == 401
                    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        for form, says in (
            ("Too=1", "'Too' is none of From, Say, To"),
            ("To=a&To=b", "To is given more than once"),
            ("To=%2B15559999999", "+15559999999 is not a number of this account"),
            ("From=a%0Ab", "is no caller"),
            ("Say=", "there is nothing to say"),
        ):
            async with http.post(calls, data=form, headers=headers) as answer:
                assert answer.status == 400
                assert says in (await answer.json())["message"]
        assert not twilio.calls
        async with http.post(calls, data="To=+15550001111&Say=Hello", headers=headers) as answer:  # a bare +
            assert answer.status == 201
            sid = (await answer.json())["sid"]
        await twilio.calls[sid].wait_status("in-progress")
        for form, status in (("", 400), ("Say=a&Press=1", 400), ("HangUp=no", 400), ("HangUp=true", 200)):
            async with http.post(f"{calls}/{sid}", data=form, headers=headers) as answer:
                assert answer.status == status
        async with http.post(f"{calls}/CA404", data="HangUp=true", headers=headers) as answer:
            assert answer.status == 404
        assert await twilio.calls[sid].ended() == "completed"


async def test_orders_over_http_come_from_this_machine_alone(desk: Desk):
    request = make_mocked_request("POST", "/emulator/calls", headers=KNOWS).clone(remote="192.0.2.1")
    for served in (desk._post_call, desk._get_faults, desk._put_faults, desk._delete_faults):
        with pytest.raises(RestError, match="20003"):
            await served(request)
    assert not desk._twilio.calls


# --- Persons


def test_a_file_says_what_a_person_does():
    text = "# a guest\nsay Hello\n\ninterrupt Stop!\nwait 1\nwait 0.5s\npress 4#\nhangup\n"
    assert script(text, "guest.txt").lines == (
        Line(say="Hello"),
        Line(say="Stop!", after="over", pause=1.0),
        Line(press="4#", after="time", pause=1.5),
        Line(hang_up=True),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("say Hello\nshout Hello", "guest.txt:2: 'shout' is none of: say TEXT, interrupt TEXT"),
        ("say", "guest.txt:1: there is nothing to say"),
        ("press 12a", "guest.txt:1: press is one or more of 0-9"),
        ("wait a bit", "guest.txt:1: wait is followed by seconds"),
        ("wait nan", "guest.txt:1: wait is followed by seconds"),
        ("hangup now", "guest.txt:1: nothing stands behind hangup"),
        ("say a\n" * 1001, "guest.txt has more than 1000 lines"),
    ],
)
def test_a_wrong_line_is_named_with_what_would_be_right(text: str, says: str):
    with pytest.raises(NotUnderstood) as caught:
        script(text, "guest.txt")
    assert says in str(caught.value)


def test_who_does_not_answer_can_still_call():
    assert person("busy", ("Hello",)).outcome == "busy"
    assert as_caller(person("busy", ("Hello",))).outcome == "answer"


def test_what_is_told_comes_before_the_script_and_hanging_up_before_all():
    phone = LivePhone(PhoneScript(lines=(Line(say="scripted", after="time", pause=0.1),)), Voice())
    phone.answer(0.0)
    phone.say("told")
    phone.press("4")
    acts = phone.tick(10.0)
    assert [act for act in acts if isinstance(act, Press)] == [Press("4")]
    assert [moment.text for moment in phone.timeline if moment.what in ("line", "press")] == [
        "told",
        "",
        "4",
        "scripted",
    ]
    phone.say("never said")
    phone.hang_up()
    assert phone.tick(11.0) == [HangUp()]
    assert phone.tick(12.0) == []


# --- What is printed


def recipe(voice_url: str = "http://127.0.0.1:8080/twilio/voice") -> Recipe:
    return Recipe(
        "http://127.0.0.1:4010",
        "AC1",
        "token",
        (OWNED, "+15550001112"),
        "ws://127.0.0.1:4011/v1/realtime",
        "sk",
        voice_url,
        "Hi",
    )


def test_the_config_listens_where_calls_go():
    assert "public_url: http://127.0.0.1:8080\n" in recipe().config()
    assert "http:" not in recipe().config().replace("http://", "")
    other = recipe("http://127.0.0.1:9000/twilio/voice").config()
    assert 'public_url: http://127.0.0.1:9000\nhttp: {listen: "127.0.0.1:9000"}\n' in other
    assert not recipe("http://127.0.0.1:9000/answer").fits_agenticd


def test_the_printed_config_has_no_secret_and_the_written_one_needs_no_other_file():
    assert '"token"' not in recipe().config()
    assert "TWILIO_AUTH_TOKEN=token\n" in recipe().env()
    assert "${" not in recipe().whole()
    for number in (OWNED, "+15550001112"):
        assert f'"{number}": {{agent: default}}' in recipe().whole()


def a_call() -> Call:
    return Call("AC1", OWNED, "+15550002222", "outbound-api", Options(), Phone(PhoneScript(), Voice()))


def shown(*happenings: object, width: int | None = None) -> list[str]:
    lines: list[str] = []
    screen = Screen(lines.append, width=None if width is None else lambda: width, clock=lambda: 0.0)
    for happening in happenings:
        screen.show(happening)  # type: ignore[arg-type]
    return [line[10:] for line in lines] if width is None else lines


def test_each_thing_is_a_line_that_says_which_call():
    call, webhook = a_call(), Webhook("voice", "POST", "http://h/voice/01M", {}, 200, 0, 0.012, 0.0)
    assert shown(
        Began(call),
        Moved(call, "ringing"),
        Asked(call, webhook),
        Served("GET", "/2010-04-01/Accounts/AC1/Calls.json?To=%2B1", 200),
        Served("POST", "/2010-04-01/Accounts/AC1/Calls.json", 400, 21201, "No 'To' number is specified"),
        Served("GET", "/2010-04-01/Accounts/AC1.json", 200),
        Noticed(Notice(31902, "error", call.sid, "ws://h refused the connection", 0.0)),
        Heard(2, ""),
        Cut(2, 1500),
        Refused(401, "Incorrect API key provided."),
    ) == [
        "#1  call     +15550001111 calls +15550002222",
        f"#1           {call.sid}",
        "#1  call     ringing",
        "#1  webhook  voice → POST /voice/01M  200, 12 ms",
        "    REST     GET Calls.json?To=+1  200",
        "    REST     POST Calls.json  400  21201: No 'To' number is specified",
        "    REST     GET AC1.json  200",
        "#1  31902    error: ws://h refused the connection",
        "#1           (nothing listens at the stream's address and port)",
        "m2  model    hears something that it does not know",
        "m2  model    learns that 1.5 s of that were heard",
        "    model    refused a client with 401: Incorrect API key provided.",
    ]


def test_on_a_terminal_no_line_is_wider_and_nothing_that_was_sent_moves_the_cursor():
    call, evil = a_call(), "\x1b[2J\r\n" + "word " * 200
    lines = shown(
        Asked(call, Webhook("voice", "POST", "http://h/" + "a" * 300, {}, 200, 0, 0.0, 0.0)),
        Noticed(Notice(12200, "warning", call.sid, evil, 0.0)),
        Complained(1, {"code": evil, "message": evil}),
        Heard(1, evil),
        Served("GET", "/" + evil, 404, 20404, evil),
        width=80,
    )
    for line in "\n".join(lines).split("\n"):
        assert len(line) <= 80
        assert line.isprintable()
