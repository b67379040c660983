"""`agenticd serve`: its command line, and what it has imported when it says that it is ready."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from agenticd import commands, serve
from agenticd.adapters.store.database import take_lock
from bench.startup import OURS, UNWANTED, modules_at_ready


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ([], None),
        (["--config", "a.yaml"], Path("a.yaml")),
        (["--config=a.yaml"], Path("a.yaml")),
        (["--config", "--odd"], Path("--odd")),
        (["--config=a", "--config=b"], Path("b")),
    ],
)
def test_the_configuration_is_the_only_option(arguments: list[str], path: Path | None):
    assert serve.parse(arguments) == serve.Arguments(config_path=path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config"], "--config needs a value: the path of a file"),
        (["--config="], "--config needs a value: the path of a file"),
        (["--config", ""], "--config needs a value: the path of a file"),
        (["--confg", "a"], "--confg is no option of agenticd serve; did you mean --config?"),
        (["--port=80"], "--port is no option of agenticd serve; there are --config, --help"),
        (["-v"], "-v is no option of agenticd serve; there are --config, --help"),
        (["a.yaml"], "'a.yaml' is one word too many: a file is named with --config"),
    ],
)
def test_a_wrong_command_line_is_told_what_is_wrong(arguments: list[str], words: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as ended:
        serve.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {words}\nhint: agenticd serve --help\n"


def test_its_help_is_the_same_from_both_programs_and_fits_a_terminal():
    direct = subprocess.run([sys.executable, "-m", "agenticd", "serve", "-h"], capture_output=True, text=True)
    through_click = CliRunner().invoke(commands.main, ["serve", "--help"])
    assert direct.stdout == through_click.stdout == serve.HELP
    assert (direct.returncode, through_click.exit_code) == (0, 0)
    assert max(map(len, serve.HELP.splitlines())) <= 80
    assert serve.CONFIG_HELP in " ".join(serve.HELP.split())
    assert serve.SUMMARY in CliRunner().invoke(commands.main, ["-h"]).stdout


def test_its_arguments_reach_it_through_click_as_they_are():
    result = CliRunner().invoke(commands.main, ["serve", "--confg=x"])
    assert result.exit_code == 2
    assert "did you mean --config?" in result.output


def test_a_log_that_another_daemon_has_says_who_and_what_to_do(tmp_path: Path):
    (tmp_path / "config.yaml").write_text(
        "public_url: https://voice.example.com\n"
        "twilio: {account_sid: AC0123456789abcdef0123456789abcdef, auth_token: t, from_number: '+15550001111'}\n"
        "openai: {api_key: k}\n"
        "agents: {default: {instructions: Be brief.}}\n"
        "store: {path: x.db}\n"
        f"grpc: {{listen: ['unix:{tmp_path}/sock']}}\n"
    )
    with take_lock(tmp_path / "x.db"):
        ended = subprocess.run(
            [sys.executable, "-m", "agenticd", "serve", "--config", str(tmp_path / "config.yaml")],
            capture_output=True, text=True,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "public_url: is an example's" in ended.stderr, "what is hardly meant so is told at the start, too"
    assert ended.stderr.splitlines()[-1] == (
        f"error: {tmp_path}/x.db: another agenticd has it open (process {os.getpid()}): "
        "end it, or choose another store.path"
    )


def test_what_is_slow_to_import_is_not_imported_before_the_daemon_is_ready(tmp_path: Path):
    modules = set(modules_at_ready(tmp_path))
    assert {"agenticd.app", "grpc", "aiohttp"} <= modules, "it was asked when it was ready"
    assert sorted(set(UNWANTED) & modules) == []
    assert not [name for name in modules if name.partition(".")[0] in ("agentctl", "bench", "pytest", "websockets")]
    assert {"agenticd.emulator", "agentic.client"}.isdisjoint(modules)
    assert "agenticd" in OURS
