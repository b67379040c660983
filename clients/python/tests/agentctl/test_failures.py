"""What is said of failures, and the exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from grpc import StatusCode

from agentctl.exits import Exit
from agentic.v1 import call_pb2
from tests.agentctl.conftest import Run
from tests.fake_daemon import CALL, FakeDaemon, Fault

FAULTS: list[tuple[Fault, Exit, str, str]] = [
    (Fault(StatusCode.NOT_FOUND, "CALL_NOT_FOUND"), Exit.NOT_FOUND, "CALL_NOT_FOUND", "agentctl call ls"),
    (Fault(StatusCode.FAILED_PRECONDITION, "CALL_NOT_LIVE"), Exit.PRECONDITION, "CALL_NOT_LIVE", ""),
    (Fault(StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), Exit.DENIED, "UNAUTH", "AGENTCTL_TOKEN_FILE"),
    (Fault(StatusCode.OUT_OF_RANGE, "CURSOR_COMPACTED", first_revision="40"), Exit.CURSOR, "", "--after 0"),
    (Fault(StatusCode.FAILED_PRECONDITION, "LOG_REPLACED"), Exit.CURSOR, "", "--after 0"),
    (Fault(StatusCode.NOT_FOUND, "DRAINING"), Exit.UNREACHABLE, "DRAINING", "started again"),
    (Fault(StatusCode.INTERNAL, "INTERNAL", incident="abc"), Exit.FAILED, "", "abc"),
    (Fault(StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"), Exit.FAILED, "", "try again in 5 s"),
    (Fault(StatusCode.DATA_LOSS), Exit.FAILED, "DATA_LOSS", ""),
]


@pytest.mark.parametrize(
    ("fault", "code", "message", "hint"), FAULTS, ids=lambda v: v.text if isinstance(v, Fault) else ""
)
async def test_failures_say_what_to_do(
    agentctl: Run, daemon: FakeDaemon, fault: Fault, code: Exit, message: str, hint: str
) -> None:
    daemon.faults = [fault, fault]
    done = await agentctl("call", "get", CALL)
    assert (done.code, done.out) == (code, "")
    first, *rest = done.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert hint in "".join(rest)
    assert all(line.startswith("hint: ") for line in rest)
    as_json = await agentctl("call", "get", CALL, "-o", "json")
    error = json.loads(as_json.err)["error"]
    assert (as_json.code, error["code"], error["reason"]) == (code, fault.code.name, fault.reason)
    assert error["metadata"] == fault.metadata


async def test_each_wrong_field_is_an_error_of_its_own(agentctl: Run, daemon: FakeDaemon) -> None:
    fields = [
        {"field": "to_address", "description": "must begin with +"},
        {"field": "agent", "description": "is unknown"},
    ]
    wrong = details.BadRequest(field_violations=fields)
    daemon.faults = [Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", wrong)]
    done = await agentctl("call", "place", "1555")
    assert done.code == Exit.USAGE
    assert done.err.splitlines()[:2] == ["error: TO must begin with +", "error: --agent is unknown"]


async def test_who_cannot_know_whether_it_was_placed_may_repeat_it(agentctl: Run, daemon: FakeDaemon) -> None:
    daemon.answers.clear()
    done = await agentctl("--timeout", "100ms", "call", "place", "+15550001111")
    assert done.code == Exit.TIMEOUT
    assert f"--request-id {daemon.requests[0].request_id}" in done.err


async def test_why_nobody_answers(agentctl: Run, daemon: FakeDaemon, tmp_path: Path) -> None:
    none = await agentctl("--addr", f"unix:{tmp_path}/none.sock", "node", "status")
    assert none.code == Exit.UNREACHABLE
    assert f"error: agenticd does not answer on unix:{tmp_path}/none.sock (no such socket)\n" in none.err
    (tmp_path / "dead.sock").touch()
    dead = await agentctl("node", "status", "--addr", f"{tmp_path}/dead.sock")
    assert dead.code == Exit.UNREACHABLE
    assert "(nobody listens)" in dead.err
    assert "systemctl status agenticd; or start it: agenticd serve" in dead.err
    with socket.socket() as bound:  # nobody else can have the port, and nobody listens on it
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        silent = await agentctl("node", "status", "--addr", f"127.0.0.1:{port}")
    assert silent.code == Exit.UNREACHABLE
    assert f"error: agenticd does not answer on 127.0.0.1:{port} (nobody listens)\n" in silent.err


async def test_every_place_where_a_socket_was_looked_for_is_named(
    agentctl: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTCTL_ADDR")
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("agentic.target.SYSTEM_RUNTIME", f"{tmp_path}/run")
    done = await agentctl("node", "status")
    assert done.code == Exit.UNREACHABLE
    places = f"{tmp_path}/agenticd/agenticd.sock or {tmp_path}/run/agenticd.sock"
    assert f"error: agenticd does not answer: no socket is at {places}\n" in done.err


class Web(socketserver.BaseRequestHandler):
    """A server of HTTP/1, as far as it is asked here."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self.request.shutdown(socket.SHUT_WR)
            while self.request.recv(4096):
                pass  # what is not read would take the answer away: a reset


async def test_another_server_than_a_daemon_is_told_so(agentctl: Run) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), Web) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        done = await agentctl("--addr", address, "node", "status")
        server.shutdown()
        serving.join()
    assert done.code == Exit.UNREACHABLE
    assert done.err == (
        f"error: no connection to {address}: what listens there is no gRPC\nhint: is it the right port?\n"
    )


async def test_a_token_that_is_wrong_empty_or_missing_is_told_apart(
    agentctl: Run, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await daemon.stop()
    (port,) = await daemon.start("127.0.0.1:0")
    address, file = f"127.0.0.1:{port}", tmp_path / "wt"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("agentic.target.SYSTEM_RUNTIME", f"{tmp_path}/run")

    async def said(code: Exit) -> list[str]:
        daemon.faults = [Fault(StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")]
        done = await agentctl("--addr", address, "node", "status")
        assert done.code == code
        return done.err.splitlines()

    wanted = "hint: name the file with your token in AGENTCTL_TOKEN_FILE, or use the daemon's Unix socket"
    assert await said(Exit.DENIED) == [f"error: {address} needs a token", wanted]
    (tmp_path / "token").write_text("old")
    assert await said(Exit.DENIED) == [f"error: the token in {tmp_path}/token is not good at {address}", wanted]
    monkeypatch.setenv("AGENTCTL_TOKEN_FILE", str(file))
    names = "hint: AGENTCTL_TOKEN_FILE names the file with your token"
    assert await said(Exit.USAGE) == [f"error: {file}: no such file or directory", names]
    file.touch()
    assert await said(Exit.USAGE) == [f"error: {file}: it is empty; a token is expected in it", names]
    file.write_text("wrong")
    beside = "hint: the daemon's own token is in the file token beside its socket; or use that socket"
    assert await said(Exit.DENIED) == [f"error: the token in {file} is not good at {address}", beside]


async def test_who_may_not_open_the_socket_is_told_the_group(
    agentctl: Run, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    await daemon.stop()
    monkeypatch.setattr(socket.socket, "connect", denied)  # root, who may run the tests, may open every socket
    done = await agentctl("node", "status")
    assert done.code == Exit.DENIED
    assert "(permission denied)" in done.err
    assert "usermod -aG agenticd" in done.err


async def test_waiting_for_the_daemon(agentctl: Run, daemon: FakeDaemon) -> None:
    await daemon.stop()
    waiting = asyncio.create_task(agentctl("--wait", "--timeout", "30s", "node", "status", "-o", "id"))
    await asyncio.sleep(0)
    await daemon.start()
    assert (await waiting).out == "node-1\n"


@pytest.mark.parametrize("module", ["click", "agentctl.listing", "grpc", "grpc._cython.cygrpc"])
async def test_ctrl_c_is_quiet_while_modules_are_loaded(daemon: FakeDaemon, module: str) -> None:
    program = f"""if True:
        import os, signal, sys
        class Pressed:
            def find_spec(self, name, path=None, target=None):
                if name == {module!r}:
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Pressed())
        from agentctl.__main__ import main
        sys.exit(main())
    """
    command = [sys.executable, "-c", program, "call", "ls", "-o", "table"]
    daemon.calls[CALL] = call_pb2.Call(call_id=CALL)
    running = await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"AGENTCTL_ADDR": daemon.address}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert await running.communicate() == (b"", b"")
    assert running.returncode == Exit.INTERRUPTED
