"""The operator's probes say whether the daemon lives, whether it takes calls, and what it counts."""

from __future__ import annotations

import asyncio

import pytest

from agenticd.adapters.http.admin import AdminServer, Probes
from agenticd.core.errors import InvalidArgument
from tests.adapters.http.support import Client, run


async def ask(server: AdminServer, path: str) -> tuple[int, dict[str, str], bytes]:
    client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
    answer = await client.request(f"GET {path}", {})
    await client.close()
    return answer


def test_the_probes_answer():
    async def main() -> None:
        why: list[str | None] = [None]
        probes = Probes(lambda: why[0], lambda: (b"agenticd_calls 3\n", "text/plain; version=1.0.0"))
        server = AdminServer("127.0.0.1:0", probes)
        await server.start()
        assert (await ask(server, "/healthz"))[0] == 200
        assert (await ask(server, "/readyz"))[0] == 200
        why[0] = "the store is down"
        status, _, body = await ask(server, "/readyz")
        assert (status, body) == (503, b"not ready: the store is down\n")
        assert (await ask(server, "/healthz"))[0] == 200
        status, headers, body = await ask(server, "/metrics")
        assert (status, body) == (200, b"agenticd_calls 3\n")
        assert headers["content-type"] == "text/plain; version=1.0.0"
        assert (await ask(server, "/twilio/voice"))[0] == 404
        await server.stop()

    run("asyncio", main())


def test_an_address_that_cannot_be_listened_on_is_named():
    with pytest.raises(InvalidArgument, match=r"admin\.listen"):
        AdminServer("9090", Probes(lambda: None, lambda: (b"", "")))
