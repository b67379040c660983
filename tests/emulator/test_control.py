"""Faults that are changed while the emulator runs: over HTTP, at the terminal, from the command line."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from agenticd import commands
from agenticd.emulator.app import Emulator
from agenticd.emulator.desk import Desk, NotPossible
from agenticd.emulator.faultbook import NO_FAULTS, Faults, WrongFault, faults_from
from agenticd.emulator.persons import person
from agenticd.emulator.realtime import RealtimeConfig, RealtimeFaults
from agenticd.emulator.run import token_file
from agenticd.emulator.twilio import Call, RestFaults, TwilioConfig
from tests.emulator.emulate import Emulate

TOKEN = "only-for-scripts"


class Numbers:
    def number(self, call: Call) -> int:
        return 1


class Room:
    """A desk, and what it told of faults."""

    def __init__(self, **arguments: Any) -> None:
        self.emulator = Emulator(routes=lambda app: self.desk.routes(app), **arguments)
        self.told: list[Faults] = []
        self.desk = Desk(self.emulator, person("listens", ()), "+15550002222", TOKEN, self.told.append)


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    made = Room()
    async with made.emulator:
        yield made


async def test_scripts_set_change_and_take_back_faults_and_both_servers_see_them(room: Room):
    url = f"{room.emulator.api_url}/emulator/faults"
    twilio, model = room.emulator.twilio.config.now, room.emulator.realtime.config.now
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:

        async def ask(method: str, body: object = None) -> Any:
            async with http.request(method, url, json=body) as answer:
                assert answer.status == 200
                return await answer.json()

        assert await ask("GET") == {}
        assert await ask("PUT", {"rest": {"create_delay": 2}, "model": {"late_ms": "300ms"}}) == {
            "rest": {"create_delay": "2s"},
            "model": {"late_ms": 300},
        }
        assert (twilio.rest.create_delay, model.faults.late_ms) == (2.0, 300)
        patched = {"rest": {"create_delay": None, "update": 503}, "streams": {"stop": False}}
        assert await ask("PATCH", patched) == {
            "rest": {"update": {"answer": "503"}},
            "streams": {"stop": False},
            "model": {"late_ms": 300},
        }
        assert twilio.streams.stop is False
        assert await ask("PUT", {"callbacks": {"copies": 2}}) == {"callbacks": {"copies": 2}}
        assert (twilio.rest, model.faults) == (RestFaults(), RealtimeFaults())
        assert await ask("DELETE") == {}
        assert room.emulator.faults == NO_FAULTS
    assert [faults.callbacks.copies for faults in room.told] == [1, 1, 2, 1]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "the body is no JSON"),
        ("[]", "names and values, of rest, callbacks, streams, model, network"),
        ('{"rest": {"create_dela": 1}}', "did you mean create_delay?"),
        ('{"network": {"daemon": {"latency": "50ms"}}}', "agenticd emulate --network"),
    ],
)
async def test_what_is_wrong_changes_nothing_and_is_told(room: Room, body: str, says: str):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    room.desk.go_wrong(faults_from({"streams": {"refused": 1}}))
    url = f"{room.emulator.api_url}/emulator/faults"
    async with aiohttp.ClientSession(headers=headers) as http, http.patch(url, data=body) as answer:
        assert answer.status == 400
        assert says in (await answer.json())["message"]
    assert room.emulator.faults == faults_from({"streams": {"refused": 1}})


async def test_typed_faults_add_up_until_they_are_off(room: Room):
    await room.desk.do("fault rest.create_delay=2s", Numbers())
    await room.desk.do("fault callbacks.lost=ringing,completed callbacks.copies=2", Numbers())
    assert room.emulator.faults == faults_from(
        {"rest": {"create_delay": 2}, "callbacks": {"lost": ["ringing", "completed"], "copies": 2}}
    )
    with pytest.raises(NotPossible, match="fault rest.create_delay: a time is seconds"):
        await room.desk.do("fault rest.create_delay=soon", Numbers())
    await room.desk.do("fault", Numbers())
    await room.desk.do("fault off", Numbers())
    assert [faults == NO_FAULTS for faults in room.told] == [False, False, False, True]


async def test_emulators_that_share_a_configuration_do_not_share_faults():
    twilio, realtime = TwilioConfig(rest=RestFaults(fetch_delay=1)), RealtimeConfig()
    first, second = Emulator(twilio, realtime), Emulator(twilio, realtime)
    assert first.faults.rest.fetch_delay == 1
    first.faults = faults_from({"model": {"late_ms": 5}})
    assert second.faults == faults_from({"rest": {"fetch_delay": 1}})
    assert second.realtime.config.now.faults == RealtimeFaults()
    assert second.twilio.config.now.rest.fetch_delay == 1


async def test_without_links_the_network_cannot_be_bad():
    emulator = Emulator()
    with pytest.raises(WrongFault, match="--network") as caught:
        emulator.faults = faults_from({"network": {"model": {"vanish": True}}})
    assert caught.value.path == ("network",)
    assert emulator.faults == NO_FAULTS


async def test_the_screen_shows_changes_and_the_token_is_for_its_owner_alone(tmp_path: Path):
    config = tmp_path / "emulated.yaml"
    token_file(config).write_text("of an older run\n")
    os.chmod(token_file(config), 0o644)
    async with Emulate("--write-config", str(config), "--fault", "streams.refused=1") as emulator:
        assert "faults  streams.refused=1\n" in emulator.output
        token = token_file(config).read_text().strip()
        assert token not in emulator.output
        assert stat.S_IMODE(token_file(config).stat().st_mode) == 0o600
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.patch(f"{emulator.api_url}/emulator/faults", json={"rest": {"list": "reset"}}) as answer:
                assert answer.status == 200
            await emulator.until("faults: rest.list.answer=reset streams.refused=1")
            async with http.delete(f"{emulator.api_url}/emulator/faults") as answer:
                assert answer.status == 200
        await emulator.until("faults: off")


async def test_the_token_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AGENTICD_EMULATOR_TOKEN", TOKEN)
    async with Emulate("--network") as emulator:
        assert "need this token" not in emulator.output
        assert TOKEN not in emulator.output
        url, headers = f"{emulator.api_url}/emulator/faults", {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.put(url, json={"network": {"rest": {"latency": "100ms"}}}) as answer:
                assert answer.status == 200
            async with http.get(url) as answer:
                assert await answer.json() == {"network": {"rest": {"latency": "100ms"}}}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--fault", "rest.create_delay"), "give it a value: rest.create_delay=2s"),
        (("--fault", "rest.creat=503"), "did you mean create? hint: agenticd emulate --help"),
        (("--control-token", "short"), "it is 8 to 200 letters"),
        (("--network", "--host", "0.0.0.0"), "--network is for this machine alone"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(arguments: tuple[str, ...], says: str):
    result = CliRunner().invoke(commands.main, ["emulate", *arguments])
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())
