"""What is shipped for systemd is right, asks for little, and is installed by the commands that are documented."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import check_units

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "systemd/agenticd.service"


@pytest.fixture(autouse=True)
def _systemd_is_here() -> None:
    if not check_units.version():
        pytest.skip("systemd-analyze is not installed")


def setting(name: str) -> str:
    """The last value of a setting of the service."""
    return re.findall(rf"(?m)^{name}=(.*)$", SERVICE.read_text())[-1]


def test_systemd_has_nothing_to_say_about_the_units():
    assert check_units.complaints(ROOT / "systemd", check_units.version()) == ""


def test_a_key_that_systemd_does_not_know_is_a_complaint(tmp_path: Path):
    shutil.copytree(ROOT / "systemd", tmp_path, dirs_exist_ok=True)
    wrong = SERVICE.read_text().replace("WatchdogSec=", "WatchDogSec=")
    (tmp_path / "agenticd.service").write_text(wrong)
    assert "WatchDogSec" in check_units.complaints(tmp_path, check_units.version())


def test_an_older_systemd_warns_of_what_the_file_for_newer_ones_names_and_obeys_the_rest(
    monkeypatch: pytest.MonkeyPatch,
):
    known = check_units.version()
    text = (ROOT / "systemd/254.conf").read_text()
    monkeypatch.setattr(check_units, "drop_ins", lambda _known: {"254.conf": text})
    said = check_units.complaints(ROOT / "systemd", known).splitlines()
    since = {"notify-reload": 253, "RestartSteps": 254, "RestartMaxDelaySec": 254}
    assert len(said) == sum(known < version for version in since.values())
    for name, version in since.items():
        assert name in text
        assert any(name in line for line in said) == (known < version)


def test_the_service_reaches_little_of_the_system(tmp_path: Path):
    assert check_units.exposure(SERVICE) <= 1.5
    bare = tmp_path / "agenticd.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    assert check_units.exposure(bare) > 9


def test_without_the_tools_the_check_says_so_and_fails_only_in_ci():
    for ci, code in (("", 0), ("true", 1)):
        done = subprocess.run(
            [sys.executable, ROOT / "tools/check_units.py"],
            env={"PATH": "/nowhere", "CI": ci},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert "not installed" in done.stderr


def test_a_drain_has_more_time_than_the_configuration_gives_it_by_default():
    from agenticd.config.tree import Limits

    assert float(setting("TimeoutStopSec").removesuffix("s")) >= Limits().drain_timeout + 30


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users, even in a folder")
def test_the_commands_of_the_readme_install_all_that_the_unit_needs(tmp_path: Path):
    text = (ROOT / "systemd/README.md").read_text()
    (block,) = re.findall(r"(?s)```sh\n(.*?)```", text)
    extra = re.findall(r"`sudo (install [^`]*254\.conf)`", text)
    assert len(extra) == 1
    lines = [line.removeprefix("sudo ") for line in [*block.splitlines(), *extra]]
    # Into a root of its own, with its own users. The environment is what `make wheels` tests.
    for line in (line for line in lines if not line.startswith(("make ", "python3 ", "/opt/"))):
        line = re.sub(r"(?<=\s)/etc/", f"{tmp_path}/etc/", line)
        line = re.sub(r"^(systemd-(?:sysusers|tmpfiles))", rf"\1 --root={tmp_path}", line)
        line = line.replace("-g agenticd ", "")
        done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    units = tmp_path / "etc/systemd/system"
    assert sorted(path.name for path in units.rglob("*.*")) == [
        "254.conf", "agenticd.service", "agenticd.service.d", "agenticd.socket", "credentials.conf",
    ]  # fmt: skip
    user = f"{setting('User')}:x:"
    assert user in (tmp_path / "etc/passwd").read_text()
    assert f"{setting('Group')}:x:" in (tmp_path / "etc/group").read_text()
    program, _, config = setting("ExecStart").partition(" serve --config ")
    assert f"venv {Path(program).parents[1]}\n" in block
    assert f"{program.removesuffix('agenticd')}pip install" in block
    assert (tmp_path / config.lstrip("/")).stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "etc/agenticd/credentials").stat().st_mode & 0o777 == 0o700
    for path in re.findall(
        r"(?m)^#LoadCredential=\w+:(\S+)$", (units / "agenticd.service.d/credentials.conf").read_text()
    ):
        assert path.startswith("/etc/agenticd/credentials/")


def test_the_credentials_are_those_that_the_example_configuration_asks_for():
    wanted = set(re.findall(r"(?m)^[^#\n]*\$\{(\w+)\}", (ROOT / "config.example.yaml").read_text()))
    offered = re.findall(r"(?m)^#LoadCredential=(\w+):", (ROOT / "systemd/credentials.conf").read_text())
    assert wanted == set(offered)
