"""agentctl node and version."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from grpc import StatusCode

from tests.agentctl.conftest import Run
from tests.fake_daemon import FakeDaemon, Fault


async def test_status_and_versions(agentctl: Run, daemon: FakeDaemon) -> None:
    plain = await agentctl("node", "status")
    assert "uptime: 2 min 5 s\n" in plain.out
    assert "twilio: failing, last used 2025-11-22 " in plain.out
    assert ": HTTP 503\n" in plain.out
    assert "openai: not used yet\n" in plain.out
    assert json.loads((await agentctl("node", "status", "-o", "json")).out)["version"] == "0.9.0"
    assert (await agentctl("node", "status", "-o", "id")).out == "node-1\n"
    assert (await agentctl("version", "--server")).out == "server: 0.9.0\n"
    assert json.loads((await agentctl("version", "-o", "json")).out)["server"] == "0.9.0"
    assert "server" not in (await agentctl("version", "--client")).out
    both = await agentctl("version", "--client", "--server")
    assert both.out == (await agentctl("version")).out
    assert [line.split(":")[0] for line in both.out.splitlines()] == ["client", "server"]


async def test_a_backup_is_written_whole_for_its_owner_alone(
    agentctl: Run, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copies" / "log.db"
    target.parent.mkdir()
    told = await agentctl("node", "backup", str(target), "-o", "json")
    assert json.loads(told.out)["file"] == str(target)
    assert json.loads(told.out)["epoch"] == daemon.epoch
    assert target.read_bytes() == daemon.backup
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    refused = await agentctl("node", "backup", str(target))
    assert refused.code == 2
    assert "add --force" in refused.err
    daemon.backup = b"newer"
    assert (await agentctl("node", "backup", str(target), "--force", "-o", "id")).out == f"{target}\n"
    assert target.read_bytes() == b"newer"
    monkeypatch.chdir(tmp_path)
    named = await agentctl("node", "backup", "-o", "table")
    assert (tmp_path / f"agenticd-{daemon.epoch}-0.db").read_bytes() == b"newer"
    assert "5 bytes" in named.out


async def test_a_backup_that_is_cut_short_is_not_kept(agentctl: Run, daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.backup_missing = 7
    target = tmp_path / "log.db"
    before = os.listdir(tmp_path)
    failed = await agentctl("node", "backup", str(target))
    assert failed.code == 1
    assert "the backup ended after 2560 of 2567 bytes" in failed.err
    daemon.faults.append(Fault(StatusCode.UNAVAILABLE, "STORE_DOWN"))
    assert (await agentctl("node", "backup", str(target))).code not in (0, None)
    assert os.listdir(tmp_path) == before
    assert (await agentctl("node", "backup", str(tmp_path / "nowhere" / "log.db"))).code == 1
