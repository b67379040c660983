"""agentctl node and version."""

from __future__ import annotations

import json

from tests.agentctl.conftest import Run
from tests.fake_daemon import FakeDaemon


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
