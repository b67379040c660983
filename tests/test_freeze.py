"""The contract is frozen: `buf breaking` against proto/baseline.binpb, which `make proto-check` runs, lets it grow and
finds whatever breaks a client."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTO = Path(__file__).resolve().parent.parent / "proto"
BASELINE = PROTO / "baseline.binpb"
BUF = Path(sys.executable).parent / "buf"


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(PROTO, tmp_path / "proto"))


def changed(contract: Path, file: str, pattern: str, by: str) -> None:
    """One place in a file, otherwise."""
    path = contract / "agentic/v1" / file
    text, count = re.subn(pattern, by, path.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{pattern} is {count} times in {file}"
    path.write_text(text)


def broken(contract: Path) -> str:
    """What buf says of it; empty if every client goes on working."""
    done = subprocess.run([BUF, "breaking", contract, "--against", BASELINE], capture_output=True, text=True)
    assert done.returncode in (0, 100), done.stderr
    assert (done.returncode == 0) == (not done.stdout)
    return done.stdout


def test_the_contract_as_it_is_breaks_nobody(contract: Path) -> None:
    assert broken(contract) == ""


@pytest.mark.parametrize(
    ("file", "pattern", "by", "says"),
    [
        ("event.proto", r"^  string heard_text = 6;", "  string heard_text = 16;", 'field "6" with name "heard_text"'),
        ("event.proto", r"^  // What was said; .*\n  string text = 5;\n", "", 'field "5" with name "text"'),
        ("event.proto", r"^  int64 revision = 1;", "  int32 revision = 1;", 'Field "1" with name "revision"'),
        ("call.proto", r"^  // The line was busy\.\n  END_REASON_BUSY = 2;\n", "", 'enum value "2"'),
        ("call.proto", r"^  END_REASON_BUSY = 2;", "  END_REASON_ENGAGED = 2;", '"END_REASON_BUSY"'),
        ("call_service.proto", r"^  rpc GetTranscript\(.*\n", "", 'RPC "GetTranscript"'),
        ("call_service.proto", r"returns \(stream StreamEventsResponse\)", "returns (StreamEventsResponse)", "stream"),
        ("call_service.proto", r"^  optional int64 after_revision = 1;", "  int64 after_revision = 1;", "presence"),
    ],
    ids=["renumbered", "removed", "retyped", "value-removed", "value-renamed", "rpc-removed", "unstreamed", "presence"],
)  # fmt: skip
def test_what_breaks_a_client_is_found(contract: Path, file: str, pattern: str, by: str, says: str) -> None:
    changed(contract, file, pattern, by)
    assert says in broken(contract)


@pytest.mark.parametrize(
    ("file", "pattern", "by"),
    [
        ("event.proto", r"^  string heard_text = 6;", "  string heard_text = 6;\n  string mood = 99;"),
        ("event.proto", r"^    Warning warning = 37;", "    Warning warning = 37;\n    CallDialing call_parked = 99;"),
        ("call.proto", r"^  END_REASON_BUSY = 2;", "  END_REASON_BUSY = 2;\n  END_REASON_BORED = 99;"),
        (
            "call_service.proto",
            r"^  rpc GetTranscript\(",
            "  rpc Park(GetCallRequest) returns (GetCallResponse);\n  rpc GetTranscript(",
        ),
    ],
    ids=["field", "kind-of-event", "value", "rpc"],
)
def test_what_only_grows_breaks_nobody(contract: Path, file: str, pattern: str, by: str) -> None:
    changed(contract, file, pattern, by)
    assert broken(contract) == ""
