"""A configuration that can be used, and is hardly meant so: it is told, and it is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from agenticd import commands
from agenticd.config import doubts, load
from agenticd.config.doubts import PLACEHOLDERS

ROOT = Path(__file__).parents[2]
HOME = {"HOME": "/home/ada"}
OWN = {
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "t0ken",
    "TWILIO_PHONE_NUMBER": "+12025550123",
    "OPENAI_API_KEY": "sk-1",
}


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """A directory with the examples, as they are, under the names that they are used by."""
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.example.yaml").read_bytes())
    (tmp_path / ".env").write_bytes((ROOT / ".env.example").read_bytes())
    (tmp_path / ".env").chmod(0o600)
    return tmp_path


def found(folder: Path, **environ: str) -> list[str]:
    settings = load(None, HOME | environ, folder)
    return [line.partition(":")[0] for line in doubts(settings, None, HOME, folder)]


def change(folder: Path, old: str, new: str) -> None:
    config = folder / "config.yaml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_the_placeholders_are_those_of_the_example() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line)) == PLACEHOLDERS


def test_copies_that_nobody_filled_in_are_told_line_by_line(copies: Path) -> None:
    assert found(copies) == [
        "public_url", "twilio.account_sid", "twilio.auth_token", "twilio.from_number", "openai.api_key",
    ]  # fmt: skip
    assert found(copies, **OWN) == ["public_url"]


@pytest.mark.parametrize(
    ("host", "told"), [("voice.example.com", 1), ("example.org", 1), ("voice.example", 1), ("notexample.com", 0)]
)
def test_an_examples_host_is_none(copies: Path, host: str, told: int) -> None:
    change(copies, "voice.example.com", host)
    assert found(copies, **OWN) == ["public_url"] * told


def test_beside_the_emulator_the_examples_values_are_right(copies: Path) -> None:
    change(copies, "# api_url: https://api.twilio.com  ", "api_url: http://127.0.0.1:9080 ")
    assert found(copies) == ["openai.api_key"]
    change(copies, "# url: wss://api.openai.com/v1/realtime", "url: ws://127.0.0.1:9081/v1/realtime")
    assert found(copies) == []


@pytest.mark.parametrize(("mode", "told"), [(0o600, 0), (0o640, 0), (0o644, 1)])
def test_secrets_that_everybody_can_read_are_told(copies: Path, mode: int, told: int) -> None:
    change(copies, "voice.example.com", "voice.ada.dev")
    (copies / ".env").chmod(mode)
    assert found(copies, **OWN) == [".env"] * told


def test_config_check_warns_and_calls_it_right(copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copies)
    for name in (*OWN, "AGENTICD_CONFIG", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    (copies / ".env").chmod(0o644)
    checked = CliRunner().invoke(commands.main, ["config", "check"])
    assert checked.exit_code == 0
    assert checked.stdout.startswith("# config.yaml is right.")
    warnings = checked.stderr.splitlines()
    assert len(warnings) == 6
    assert all(line.startswith("warning: ") for line in warnings)
    assert warnings[-1] == "warning: .env: every user of this machine can read the secrets in it; chmod 600 .env"
    assert not any(secret in checked.stderr for secret in PLACEHOLDERS.values())
