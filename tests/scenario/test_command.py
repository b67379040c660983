"""The command line of `agenticd test`, as far as nothing is played."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from agenticd.scenario.command import test as command

GOOD = "scenario: A call\nexpect: {end: {reason: BUSY}}\n"
SHIPPED = Path(__file__).parent.parent.parent / "scenarios"


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_the_scenarios_that_ship_are_in_order() -> None:
    code, said = run(SHIPPED, "--check")
    assert (code, said.endswith("scenarios are in order\n")) == (0, True)
    assert int(said.split()[0]) >= 10


def test_all_wrong_files_are_told_and_nothing_is_played(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("scenario: x\n")
    (tmp_path / "b.yml").write_text(GOOD)
    (tmp_path / "c.yaml").write_text(GOOD + "calller: {}\n")
    code, said = run(tmp_path)
    assert code == 2
    assert said.splitlines() == [
        f"error: {tmp_path}/a.yaml:1:1: expect: is required; say what must be true at the end, "
        "for example end: {reason: COMPLETED}",
        f"error: {tmp_path}/c.yaml:3:1: calller: unknown key; did you mean caller?",
    ]


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_what_is_no_scenario_is_told(name: str, tmp_path: Path) -> None:
    code, said = run(tmp_path / name)
    assert code == 2
    assert "there is no such file" in said or "has no .yaml file in it" in said


def test_a_configuration_and_a_daemon_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    code, said = run(tmp_path, "--config", "x.yaml", "--daemon", "unix:/x")
    assert code == 2
    assert "the one at --daemon has its own" in said


def test_the_agents_of_a_configuration_need_no_secrets_but_must_be_right(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    config = tmp_path / "config.yaml"
    config.write_text('twilio: {auth_token: "${NOT_SET}"}\nagents: {default: {instructions: Be brief.}}\n')
    assert run(tmp_path / "a.yaml", "--config", config, "--check")[0] == 0
    config.write_text("agents: {default: {instructions: Be brief., greting: Hi}}\n")
    code, said = run(tmp_path / "a.yaml", "--config", config)
    assert code == 2
    assert "agents.default.greting: unknown key; did you mean greeting?" in said


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    code, said = run(tmp_path / "a.yaml", "--out", tmp_path)
    assert code == 2
    assert "is not empty; name a new folder" in said


@pytest.mark.parametrize(("option", "setting"), [("--twilio-port", "twilio.api_url"), ("--openai-port", "openai.url")])
def test_a_taken_port_is_told_once_before_anything_is_played(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int], option: str, setting: str
) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    ports = {"--twilio-port": unused_tcp_port_factory(), "--openai-port": unused_tcp_port_factory()}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports[option] = taken.getsockname()[1]
        given = [word for pair in ports.items() for word in pair]
        code, said = run(tmp_path, "--daemon", f"unix:{tmp_path}/none", *given)
    assert code == 2
    assert said.splitlines() == [
        f"error: port {ports[option]} is taken, and scenarios with --daemon need it for an emulator of their own",
        f"hint: stop agenticd emulate; if the daemon's {setting} has another port, name that with {option}",
    ]


@pytest.mark.parametrize(
    ("daemon", "says"),
    [("unix:/nope", "no daemon answers on unix:/nope"), ("nope", "--daemon: nope does not end with a port")],
)
def test_a_daemon_that_is_not_there_is_told_once(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int], daemon: str, says: str
) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    ports = ("--twilio-port", unused_tcp_port_factory(), "--openai-port", unused_tcp_port_factory())
    code, said = run(tmp_path, "--daemon", daemon, *ports)
    error, hint = said.splitlines()
    assert code == 2
    assert error.startswith(f"error: {says}")
    assert hint.startswith("hint: ")


def test_a_folder_is_made_but_not_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    out = tmp_path / "nope" / "out"
    code, said = run(tmp_path / "a.yaml", "--out", out)
    assert (code, said) == (2, f"error: --out: there is no folder {out.parent}\n")
    assert not out.parent.exists()


def test_where_the_xml_goes_is_looked_at_before_anything_is_played(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    code, said = run(tmp_path / "a.yaml", "--junit", tmp_path / "nope" / "x.xml")
    assert (code, said) == (2, f"error: --junit: there is no folder {tmp_path / 'nope'}\n")
