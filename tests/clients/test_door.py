"""The story at the door: who comes by TCP shows who they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agenticd.adapters.rpc import tokens
from tests.certificates import CLIENT_ONLY, LOOPBACK, Certificate, authority, make
from tests.clients.stage import Stage, fresh_number
from tests.clients.teller import Teller

pytestmark = pytest.mark.asyncio(loop_scope="session")

Make = Callable[..., Any]
CREATED = "2026-11-29T03:00:00Z"
UNAUTHENTICATED = ("UNAUTHENTICATED", "UNAUTHENTICATED")


async def test_a_port_on_loopback_wants_the_daemons_token(stage: Make, teller: Make, tmp_path: Path) -> None:
    """On a port of loopback the daemon's token opens; a wrong one and none are refused, requests and streams alike"""
    desk: Stage = await stage(listen=["127.0.0.1:0"], environ={"RUNTIME_DIRECTORY": str(tmp_path)})
    token = (tmp_path / "token").read_text().strip()
    one: Teller = await teller(desk.door, token=token)
    placed = await one.do("place", to=fresh_number())
    stream = await one.follow_call("call", placed)
    await stream.complete()
    assert stream.events == await desk.log(placed["call_id"])
    for options in ({"token": "x" * len(token)}, {}):
        other: Teller = await teller(desk.door, **options)
        assert (await other.refused("status")).says == UNAUTHENTICATED
        assert (await (await other.follow("all", after=0)).fails()).says == UNAUTHENTICATED


@pytest.fixture(scope="session")
def ours() -> Certificate:
    return authority()


def pem(folder: Path, name: str, certificate: Certificate) -> Path:
    """The certificate in a file."""
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.pem)
    return path


async def test_another_machine_comes_by_tls_with_a_token(
    stage: Make, teller: Make, tmp_path: Path, ours: Certificate
) -> None:
    """Another machine comes by TLS, checks the daemon's certificate and shows a token, to whose name its request ids
    belong; a wrong token, none, and a daemon whose certificate nobody vouches for are errors"""
    cert, key = make("door", ours, hosts=LOOPBACK).write(tmp_path, "door")
    ca, file = pem(tmp_path, "ca", ours), tmp_path / "tokens"
    billing, desktop = (tokens.create(file, name, CREATED) for name in ("billing", "desktop"))
    tls = {"cert": str(cert), "key": str(key)}
    desk: Stage = await stage(listen=["127.0.0.1:0"], grpc={"tls": tls, "tokens": str(file)})
    address = f"tls:{desk.door}"
    one: Teller = await teller(address, ca=ca, token=billing)
    other: Teller = await teller(address, ca=ca, token=desktop)
    placed = await one.do("place", to=fresh_number(), request_id="order-17")
    theirs = await other.do("place", to=fresh_number(), request_id="order-17")
    assert placed["call_id"] != theirs["call_id"]
    stream = await one.follow_call("call", placed)
    await stream.complete()
    assert stream.events == await desk.log(placed["call_id"])
    for options in ({"token": f"{billing[:-4]}AAAA"}, {}):
        nobody: Teller = await teller(address, ca=ca, **options)
        assert (await nobody.refused("status")).says == UNAUTHENTICATED
        assert (await (await nobody.follow("all", after=0)).fails()).says == UNAUTHENTICATED
    for roots in ({"ca": pem(tmp_path, "theirs", authority("Another"))}, {}):
        stranger: Teller = await teller(address, token=billing, **roots)
        assert (await stranger.refused("status")).says == ("UNAVAILABLE", "")


async def test_another_machine_comes_with_a_certificate_of_its_own(
    stage: Make, teller: Make, tmp_path: Path, ours: Certificate
) -> None:
    """Where the daemon asks for certificates a machine shows its own, and needs no token; without one it does not come
    in"""
    cert, key = make("door", ours, hosts=LOOPBACK).write(tmp_path, "door")
    ca = pem(tmp_path, "ca", ours)
    tls = {"cert": str(cert), "key": str(key), "client_ca": str(ca)}
    desk: Stage = await stage(listen=["127.0.0.1:0"], grpc={"tls": tls})
    shown, with_key = make("billing", ours, usage=CLIENT_ONLY).write(tmp_path, "billing")
    one: Teller = await teller(f"tls:{desk.door}", ca=ca, cert=shown, key=with_key)
    placed = await one.do("place", to=fresh_number())
    await (await one.follow_call("call", placed)).complete()
    nobody: Teller = await teller(f"tls:{desk.door}", ca=ca)
    assert (await nobody.refused("status")).says == ("UNAVAILABLE", "")
