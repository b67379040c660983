"""Other machines come by TCP: with TLS and a token, or with a certificate. A reload changes both under open streams."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import agentic
import agentic.sync
from agentic.v1.event_pb2 import Event
from agenticd.adapters.rpc import tokens
from agenticd.emulator.phone import PhoneScript
from tests.certificates import LOOPBACK, Certificate, authority, make
from tests.e2e.conftest import TO, Line
from tests.e2e.operator import log_lines

Make = Callable[..., Any]
CREATED = "2026-11-29T03:00:00Z"
RINGS = PhoneScript(ring=3600)
REFLECTION: Any = reflection_pb2_grpc.ServerReflectionStub
HEALTH: Any = health_pb2_grpc.HealthStub


@pytest.fixture(scope="module")
def ours() -> Certificate:
    return authority()


class Door:
    """The files of a daemon's door, and the way to it."""

    def __init__(self, folder: Path, ours: Certificate) -> None:
        self.folder = folder
        self.tokens = folder / "tokens"
        self.cert, self.key = make("door", ours, hosts=LOOPBACK).write(folder, "door")
        self.ca = self.trusted(ours, "ca")
        self.desk: Line

    def trusted(self, signer: Certificate, name: str) -> Path:
        """The file of an authority."""
        path = self.folder / f"{name}.crt"
        path.write_bytes(signer.pem)
        return path

    def token(self, name: str) -> str:
        return tokens.create(self.tokens, name, CREATED)

    async def open(self, line: Make, **grpc: object) -> Line:
        """A daemon that speaks TLS on loopback, and asks for tokens if nothing else is said."""
        tls = {"cert": str(self.cert), "key": str(self.key)}
        if (client_ca := grpc.pop("client_ca", None)) is not None:
            tls["client_ca"] = str(client_ca)
        else:
            grpc["tokens"] = str(self.tokens)
        self.desk = await line(listen=["127.0.0.1:0"], grpc={"tls": tls, **grpc}, default_phone=RINGS)
        return self.desk

    @property
    def log(self) -> list[dict[str, Any]]:
        return log_lines(self.desk.sandbox)

    @property
    def address(self) -> str:
        """Where the daemon listens now."""
        return str([entry for entry in self.log if entry["message"] == "gRPC listens"][-1]["addresses"][1])

    def connect(self, token: str | None = None, **options: Any) -> agentic.Client:
        return agentic.connect(f"tls:{self.address}", token, **{"ca": self.ca, **options})

    async def reload(self) -> dict[str, Any]:
        """SIGHUP; what the log says of it."""
        told = ("the configuration was reloaded", "the configuration was not reloaded")
        before = len(self.log)
        self.desk.sandbox.daemon.tell(signal.SIGHUP)
        async with asyncio.timeout(20):
            while True:
                for entry in self.log[before:]:
                    if entry["message"] in told:
                        return entry
                await self.desk.client.status()


@pytest.fixture
def door(tmp_path: Path, ours: Certificate, monkeypatch: pytest.MonkeyPatch) -> Door:
    for name in ("AGENTCTL_ADDR", "AGENTCTL_TOKEN_FILE", "AGENTCTL_CA_FILE", "AGENTCTL_CERT_FILE", "AGENTCTL_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Door(tmp_path, ours)


@asynccontextmanager
async def following(client: agentic.Client) -> AsyncIterator[tuple[agentic.EventStream[Event], str]]:
    """A stream that has had an event: the caller's client has placed a call."""
    placed = await client.place_call(TO)
    async with client.events(after=0) as stream:
        assert (await anext(stream)).WhichOneof("payload") == "call_queued"
        yield stream, placed.call.call_id


async def until_ended(stream: agentic.EventStream[Event], call_id: str) -> None:
    async with asyncio.timeout(20):
        async for event in stream:
            if event.call_id == call_id and event.WhichOneof("payload") == "call_closed":
                return


async def test_a_token_opens_the_door_and_names_who_comes(line: Make, door: Door) -> None:
    billing, desk = door.token("billing"), door.token("desk")
    await door.open(line)
    async with door.connect(billing) as one, door.connect(desk) as other:
        placed = await one.place_call(TO, request_id="order-17")
        assert (await one.place_call(TO, request_id="order-17")).call.call_id == placed.call.call_id
        theirs = await other.place_call("+15550003333", request_id="order-17")
        assert theirs.call.call_id != placed.call.call_id, "a request id is its caller's own"
    with agentic.sync.connect(f"tls:{door.address}", billing, ca=door.ca) as plain:
        assert plain.get_call(placed.call.call_id).call.to_address == TO


async def test_without_a_good_token_nobody_comes_in_and_only_the_log_says_why(line: Make, door: Door) -> None:
    good = door.token("billing")
    await door.open(line)
    unknown = "0123456789ab." + "x" * 43
    said = []
    for wrong in (None, good[:-1] + ("A" if good[-1] != "A" else "B"), unknown, "junk", good.partition(".")[0]):
        async with door.connect(wrong) as client:
            with pytest.raises(agentic.errors.Unauthenticated) as caught:
                await client.place_call(TO)
            said.append(caught.value.message)
            with pytest.raises(agentic.errors.Unauthenticated):
                async for _ in client.events():
                    pass
    assert len(set(said)) == 1, "it does not say what was wrong"
    refusals = [entry for entry in door.log if entry["message"] == "an RPC was refused"]
    assert {entry["why"] for entry in refusals} == {"no token", "an unknown token", "no token of ours"}
    (by_kid,) = [entry for entry in refusals if "kid" in entry]
    assert by_kid["kid"] == good.partition(".")[0]
    assert by_kid["peer"].startswith("ipv4:127.0.0.1:")
    assert good.partition(".")[2][:-1] not in (door.folder / "daemon.log").read_text()
    assert door.desk.sandbox.twilio.calls == {}


async def test_health_and_reflection_ask_for_a_token_like_all_else(line: Make, door: Door) -> None:
    good = door.token("monitor")
    await door.open(line)
    credentials = grpc.ssl_channel_credentials(door.ca.read_bytes())
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    async with aio.secure_channel(door.address, credentials) as channel:
        for metadata, code in (((), "UNAUTHENTICATED"), ((("authorization", f"Bearer {good}"),), "OK")):
            check = HEALTH(channel).Check(health_pb2.HealthCheckRequest(), metadata=metadata)
            assert (await check.code()).name == code
            listing = REFLECTION(channel).ServerReflectionInfo(iter(asked), metadata=metadata)
            assert (await listing.code()).name == code if code != "OK" else [answer async for answer in listing]


async def test_a_revoked_token_is_refused_and_its_streams_end(line: Make, door: Door) -> None:
    gone, stays = door.token("gone"), door.token("stays")
    await door.open(line)
    async with (
        door.connect(gone) as theirs,
        door.connect(stays) as ours,
        following(theirs) as (ending, call_id),
        ours.events(after=0) as going,
    ):
        await anext(going)
        tokens.revoke(door.tokens, "gone")
        await theirs.status()  # until the daemon is told
        await door.reload()
        with pytest.raises(agentic.errors.Unauthenticated):
            await until_ended(ending, call_id)
        with pytest.raises(agentic.errors.Unauthenticated):
            await theirs.status()
        await ours.hang_up(call_id)
        await until_ended(going, call_id)
        fresh = door.token("fresh")
        await door.reload()
    async with door.connect(fresh) as client:
        await client.status()


async def test_a_certificate_is_enough_and_names_who_comes(line: Make, door: Door, ours: Certificate) -> None:
    billing = make("billing", ours).write(door.folder, "billing")
    nameless = make("", ours, hosts=["desk.internal"]).write(door.folder, "desk")
    stranger = make("billing", authority("another")).write(door.folder, "stranger")
    await door.open(line, client_ca=door.ca)
    async with (
        door.connect(cert=billing[0], key=billing[1]) as one,
        door.connect(cert=nameless[0], key=nameless[1]) as other,
    ):
        placed = await one.place_call(TO, request_id="order-17")
        assert (await one.place_call(TO, request_id="order-17")).replayed
        assert (await other.place_call(TO, request_id="order-17")).call.call_id != placed.call.call_id
    for options in ({}, {"cert": stranger[0], "key": stranger[1]}):
        async with door.connect("a.token", **options) as client:
            with pytest.raises(agentic.errors.Unreachable) as caught:
                await client.status()
            assert caught.value.why == "closed"


async def test_a_new_certificate_is_shown_to_new_connections_and_old_streams_go_on(
    line: Make, door: Door, ours: Certificate
) -> None:
    token = door.token("billing")
    await door.open(line)
    successor = authority("its successor")
    async with door.connect(token) as old, following(old) as (stream, call_id):
        make("door", successor, hosts=LOOPBACK).write(door.folder, "door")
        assert (await door.reload())["level"] == "info"
        async with door.connect(token, ca=door.trusted(successor, "new")) as new:
            await new.hang_up(call_id)
        async with door.connect(token) as late:
            with pytest.raises(agentic.errors.Unreachable) as caught:
                await late.status()
            assert caught.value.why == "untrusted"
        await until_ended(stream, call_id)


async def test_what_is_wrong_at_a_reload_leaves_all_as_it_was_but_for_tokens_that_are_gone(
    line: Make, door: Door
) -> None:
    token, gone = door.token("billing"), door.token("gone")
    await door.open(line)
    new = make("door", authority("its successor"), hosts=LOOPBACK)
    door.cert.write_bytes(new.pem)  # and not its key
    tokens.revoke(door.tokens, "gone")
    refused = await door.reload()
    assert refused["level"] == "error"
    assert f"grpc.tls.key: {door.key}: does not belong to the certificate {door.cert}" in refused["problem"]
    async with door.connect(token) as client:
        await client.status()
    async with door.connect(gone) as client:
        with pytest.raises(agentic.errors.Unauthenticated):
            await client.status()
    log = door.folder / "daemon.log"
    log.write_text(log.read_text().replace('"level": "error"', '"level": "told"'))  # it is meant


async def test_an_authority_of_clients_can_be_replaced(line: Make, door: Door, ours: Certificate) -> None:
    client_ca = door.trusted(ours, "clients")
    old = make("billing", ours).write(door.folder, "old")
    successor = authority("its successor")
    new = make("billing", successor).write(door.folder, "new")
    await door.open(line, client_ca=client_ca)
    async with door.connect(cert=old[0], key=old[1]) as client:
        await client.status()
        client_ca.write_bytes(successor.pem)
        await door.reload()
        await client.status()  # the connection is there already
    async with door.connect(cert=new[0], key=new[1]) as client:
        await client.status()
    async with door.connect(cert=old[0], key=old[1]) as client:
        with pytest.raises(agentic.errors.Unreachable):
            await client.status()


async def test_why_there_is_no_connection(line: Make, door: Door, ours: Certificate) -> None:
    token = door.token("billing")
    make("door", ours, hosts=["voice.example.com"]).write(door.folder, "door")
    await door.open(line)
    stranger = door.trusted(authority("another"), "another")
    whys = {}
    for name, client in {
        "wrong_name": door.connect(token),
        "untrusted": door.connect(token, ca=stranger),
        "closed": agentic.connect(door.address, token),
    }.items():
        async with client:
            with pytest.raises(agentic.errors.Unreachable) as caught:
                await client.status()
        whys[name] = caught.value.why
    assert whys == {name: name for name in whys}


async def test_plain_loopback_keeps_its_token_and_takes_the_others(
    line: Make, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    billing = door.token("billing")
    run = door.folder / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    door.desk = await line(listen=["127.0.0.1:0"], grpc={"tokens": str(door.tokens)}, default_phone=RINGS)
    own = (run / "agenticd" / "token").read_text().strip()
    for token in (None, own, billing):  # None: the client finds that of this machine
        async with agentic.connect(door.address, token) as client:
            await client.status()
    async with door.connect(billing) as client:
        with pytest.raises(agentic.errors.Unreachable) as caught:
            await client.status()
        assert caught.value.why == "no_tls"


async def test_agentctl_comes_from_another_machine(line: Make, door: Door) -> None:
    (door.folder / "token").write_text(door.token("desk") + "\n")
    await door.open(line)
    environ = os.environ | {
        "AGENTCTL_ADDR": f"tls:{door.address}",
        "AGENTCTL_CA_FILE": str(door.ca),
        "AGENTCTL_TOKEN_FILE": str(door.folder / "token"),
    }

    def agentctl(**changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agentctl", "node", "status", "-o", "id"]
        return subprocess.run(command, env=environ | changes, capture_output=True, text=True, timeout=30)

    done, *failed = await asyncio.gather(
        *(
            asyncio.to_thread(agentctl, **changes)
            for changes in (
                {},
                {"AGENTCTL_TOKEN_FILE": ""},
                {"AGENTCTL_CA_FILE": ""},
                {"AGENTCTL_CA_FILE": str(door.key)},
                {"AGENTCTL_CERT_FILE": str(door.cert)},
                {"AGENTCTL_ADDR": door.address},
            )
        )
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "sandbox\n", "")
    names_ca = "hint: AGENTCTL_CA_FILE names the file with the authorities that sign for the daemon"
    names_cert = "hint: AGENTCTL_CERT_FILE names the file with your certificate"
    no_connection = f"error: no connection to tls:{door.address}"
    assert [(one.returncode, one.stderr.splitlines()) for one in failed] == [
        (6, [f"error: tls:{door.address} needs a token or a certificate",
             "hint: name the file with your token in AGENTCTL_TOKEN_FILE, or use the daemon's Unix socket"]),
        (5, [f"{no_connection}: the daemon's certificate is signed by nobody who is believed here",
             "hint: name the file with the authority that signed it in AGENTCTL_CA_FILE"]),
        (2, [f"error: {door.key}: there is no certificate in it, in PEM", names_ca]),
        (2, [f"error: {door.cert}: its key is missing: a certificate and its key belong together", names_cert]),
        (5, [f"error: no connection to {door.address}: the connection is closed at once; perhaps TLS, or a client's "
             "certificate, is missing",
             "hint: where it speaks TLS: --addr tls:HOST:PORT; where it asks for certificates: AGENTCTL_CERT_FILE and "
             "AGENTCTL_KEY_FILE"]),
    ]  # fmt: skip


LISTENS = 'listen: "127.0.0.1:0"'
REFUSED = {
    'listen: "0.0.0.0:0"': "grpc.listen: is outside loopback, where the API needs TLS: write grpc.tls:",
    f"{LISTENS}, tls: {{cert: door.crt, key: door.key}}": "grpc.tls: needs something that tells who comes: write",
    f"{LISTENS}, tls: {{cert: none, key: door.key}}, tokens: tokens": "grpc.tls.cert: {folder}/none: there is no such",
    f"{LISTENS}, tls: {{cert: door.crt, key: other.key}}, tokens: tokens": "grpc.tls.key: {folder}/other.key: does not",
    f"{LISTENS}, tls: {{cert: old.crt, key: old.key}}, tokens: tokens": "grpc.tls.cert: {folder}/old.crt: has expired",
    f"{LISTENS}, tls: {{cert: door.crt, key: open.key}}, tokens: tokens": "grpc.tls.key: {folder}/open.key: every user",
    f"{LISTENS}, tls: {{cert: door.crt, key: door.key, client_ca: door.crt}}": "grpc.tls.client_ca: {folder}/door.crt",
    f"{LISTENS}, tls: {{cert: door.crt, key: door.key}}, tokens: none": "grpc.tokens: {folder}/none: there is no",
}


@pytest.mark.parametrize("grpc", REFUSED)
async def test_a_door_that_is_not_shut_well_keeps_the_daemon_from_starting(
    grpc: str, tmp_path: Path, ours: Certificate
) -> None:
    door = Door(tmp_path, ours)
    door.token("billing")
    make("other", ours).write(tmp_path, "other")
    make("old", ours, days=(-9, -1)).write(tmp_path, "old")
    (tmp_path / "open.key").write_bytes(door.key.read_bytes())
    (tmp_path / "open.key").chmod(0o644)
    (tmp_path / "config.yaml").write_text(
        f"grpc: {{{grpc}}}\n"
        "public_url: https://voice.example.com\n"
        "twilio: {account_sid: AC0123456789abcdef0123456789abcdef, auth_token: t, from_number: '+15550001111'}\n"
        "openai: {api_key: k}\n"
        "agents: {default: {instructions: Be brief.}}\n"
    )

    def run(*command: str) -> tuple[int, str]:
        agenticd = [sys.executable, "-m", "agenticd", *command]
        done = subprocess.run(agenticd, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    started, checked = await asyncio.gather(asyncio.to_thread(run, "serve"), asyncio.to_thread(run, "config", "check"))
    assert started == checked
    code, said = started
    assert code == 78
    assert said.count("\n") == 1
    assert REFUSED[grpc].replace("{folder}", str(tmp_path)) in said
