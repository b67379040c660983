"""The reference pages say what the code says: every RPC, event, error and setting, and none that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import EnumDescriptor

from agentic.v1 import call_pb2, call_service_pb2, errors_pb2, event_pb2, node_service_pb2
from agenticd.adapters.host import metrics
from agenticd.config import door, schema, show, tree, values
from agenticd.config.problems import Wrong
from agenticd.config.reading import Many
from agenticd.emulator.faultbook import settings
from agenticd.reload import AT_ONCE
from agenticd.service.orders import AgentProfile
from tests.docs.markdown import DOCUMENTS, ROOT, anchors, blocks, links, named, rows
from tools import diagram, faults

API, EVENTS, CONFIGURATION, OPERATING = (
    (ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("api", "events", "configuration", "operating")
)
SERVICES = (
    call_service_pb2.DESCRIPTOR.services_by_name["CallService"],
    node_service_pb2.DESCRIPTOR.services_by_name["NodeService"],
)


def code(cell: str) -> str:
    """The one thing in a cell that stands in `code`; empty if there is none."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    return found[1] if found else ""


def values_of(enum: EnumDescriptor) -> set[str]:
    """The names of an enum's values without the prefix, but for the first, which is never sent."""
    prefix = f"{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', enum.name).upper()}_"
    return {value.name.removeprefix(prefix) for value in enum.values if value.number}


def payload_fields() -> dict[str, set[str]]:
    """The kinds of events, and the names of their fields."""
    kinds = event_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"].fields
    return {kind.name: {field.name for field in kind.message_type.fields} for kind in kinds if kind.message_type}


def test_the_diagram_is_that_of_the_state_table() -> None:
    text = diagram.DOCUMENT.read_text(encoding="utf-8")
    assert diagram.replaced(text) == text, "stale: run `python -m tools.diagram`"


def test_the_table_of_faults_is_that_of_the_emulators_vocabulary() -> None:
    text = faults.DOCUMENT.read_text(encoding="utf-8")
    assert faults.replaced(text) == text, "stale: run `python -m tools.faults`"


def test_every_fault_is_in_the_table_with_what_it_does() -> None:
    told = {name: about for names, *_, about in rows(faults.table(), 4) for name in named(names)}
    assert {setting.path for setting in settings()} <= set(told)
    assert all(told.values())


def test_every_rpc_has_a_section_with_an_example_in_python_and_in_shell_and_no_other_has() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", API, re.MULTILINE | re.DOTALL))
    rpcs = {method.name: service.name for service in SERVICES for method in service.methods}
    assert set(sections) - {"Errors"} == set(rpcs)
    for name in rpcs:
        assert "```python" in sections[name], name
    called = set(re.findall(r"\brpc (\w+/\w+)", API))
    assert called == {f"{service}/{name}" for name, service in rpcs.items()}


def test_every_error_reason_is_in_the_table_with_its_status_code() -> None:
    told = {code(reason): code(status) for reason, status, *_ in rows(API, 4) if code(reason)}
    enum = errors_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"]
    assert set(told) == values_of(enum)
    # The contract's comments begin with the status code.
    proto = (ROOT / "proto/agentic/v1/errors.proto").read_text(encoding="utf-8")
    for reason, status in told.items():
        comment = re.search(rf"((?:  //.*\n)+)  ERROR_REASON_{reason} =", proto)
        assert comment is not None
        assert re.match(rf"  // {status}\.", comment[1]), reason


def test_every_kind_of_event_is_told_with_all_its_fields() -> None:
    kinds = payload_fields()
    told = {code(kind): set(named(fields)) for kind, fields, _ in rows(EVENTS, 3) if code(kind) in kinds or "_" in kind}
    reasons = values_of(call_pb2.EndReason.DESCRIPTOR)
    told = {kind: fields for kind, fields in told.items() if kind not in reasons}
    assert set(told) == set(kinds)
    for kind, fields in kinds.items():
        inner = set(call_pb2.CallEnd.DESCRIPTOR.fields_by_name) if kind == "call_ended" else set()
        assert told[kind] == fields | inner, kind


def test_every_end_reason_and_who_ended_it_is_told_and_none_that_the_contract_lacks() -> None:
    reasons = values_of(call_pb2.EndReason.DESCRIPTOR)
    section = EVENTS.partition("## Why a call ended")[2].partition("\n## ")[0]
    enders = values_of(call_pb2.EndedBy.DESCRIPTOR)
    capitals = {name for name in named(section) if name.isupper()}
    assert capitals == reasons | (enders - {"CALLER", "AGENT", "API", "DAEMON", "CARRIER"}) | enders
    table = {code(reason): by for reason, by, _ in rows(section, 3) if code(reason)}
    reserved = set(named(section.partition("Reserved")[2]))
    assert set(table) | reserved == reasons
    source = "".join(path.read_text() for path in (ROOT / "agenticd").rglob("*.py") if "events.py" not in path.name)
    for reason in reserved:
        assert f"EndReason.{reason}" not in source, f"{reason} is given by something now: tell when"


def test_the_frames_the_live_words_and_the_fields_of_an_event_are_those_of_the_contract() -> None:
    told = named(EVENTS)
    frames = call_service_pb2.StreamEventsResponse.DESCRIPTOR.oneofs_by_name["frame"].fields
    assert {code(name) for name, _ in rows(EVENTS, 2) if code(name)} == {frame.name for frame in frames} | {
        "revision", "call_id", "call_sequence", "time",
    }  # fmt: skip
    words = EVENTS.partition("## Words while they are spoken")[2]
    assert set(event_pb2.LiveWords.DESCRIPTOR.fields_by_name) <= named(words)
    request = set(call_service_pb2.StreamEventsRequest.DESCRIPTOR.fields_by_name)
    assert request <= told


def test_the_codes_of_warnings_are_those_that_the_core_and_the_log_give() -> None:
    files = [*(ROOT / "agenticd/core").glob("*.py"), *(ROOT / "agenticd/adapters/store").glob("*.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    given = set(re.findall(r"(?:\bWarning|_warn)\(\s*\"([A-Z_]+)\"", source))
    assert given == set(
        re.findall(r"`([A-Z_]+)`", EVENTS.partition("Codes of warnings today:")[2].partition("\n\n")[0])
    )


# Settings.

GRPC, TLS = door.shapes(lambda example: values.file_under(Path("/"), "/", example))
SHAPES: dict[str, Any] = {
    "": schema._TOP, "http": schema._HTTP, "admin": schema._ADMIN, "grpc": GRPC, "grpc.tls": TLS,
    "twilio": schema._TWILIO, "openai": schema._OPENAI, "agents.*": schema._AGENT,
    "inbound.*": schema._INBOUND, "limits": schema._LIMITS,
    "log": schema._LOG,
}  # fmt: skip
STORE = {"path": None, "keep": values.keep, "keep_size": values.keep_size}
IN_WORDS = {
    "node_id": "the host's name",
    "grpc.listen": "`agenticd.sock` in the runtime directory",
    "store.path": "`agenticd.db` in the state directory",
    "agents.*.model": "`openai.model`",
    "agents.*.transcription_model": "`openai.transcription_model`",
}
SETTINGS = {code(key): (default, limits, hup) for key, default, limits, hup in rows(CONFIGURATION, 4) if code(key)}


def leaves() -> Iterator[tuple[str, object]]:
    """Every setting: its key and what reads its text."""
    for section, shape in SHAPES.items():
        for name, leaf in shape.leaves.items():
            yield (f"{section}.{name}" if section else name), leaf
    for name, read in STORE.items():
        yield f"store.{name}", read


def default_of(key: str) -> str:
    """The default as the page must show it."""
    if key in IN_WORDS:
        return IN_WORDS[key]
    section, _, name = key.rpartition(".")
    classes = {
        "": tree.Settings, "http": tree.Http, "admin": tree.Admin, "grpc": tree.Grpc, "grpc.tls": tree.Tls,
        "twilio": tree.Twilio, "openai": tree.OpenAI, "agents.*": AgentProfile, "inbound.*": tree.Inbound,
        "store": tree.Store, "limits": tree.Limits, "log": tree.Log,
    }  # fmt: skip
    field = classes[section].__dataclass_fields__[name]  # type: ignore[attr-defined]
    if type(field.default).__name__ == "_MISSING_TYPE":
        return "required"
    if field.default is None and name not in show._NONE_SAYS:
        return "none"
    shown = show._plain(field.default, name)
    if isinstance(shown, bool):
        shown = str(shown).lower()
    if isinstance(shown, float):
        shown = f"{shown:g}"
    return f"`{shown}`" if shown != "" else "empty"


def test_every_setting_is_told_and_none_that_does_not_exist() -> None:
    assert set(SETTINGS) == {key for key, _ in leaves()}
    assert {key.partition(".")[0] for key in SETTINGS} == set(schema.KNOWN)


@pytest.mark.parametrize("key", [key for key, _ in leaves()])
def test_a_setting_has_the_default_and_the_reload_that_are_told(key: str) -> None:
    default, _, hup = SETTINGS[key]
    assert default == default_of(key)
    assert hup == ("at once" if key.partition(".")[0] in AT_ONCE else "restart")


@pytest.mark.parametrize("key", [key for key in SETTINGS if re.match(r"`[\d.]+\w*` to `", SETTINGS[key][1])])
def test_what_lies_between_its_limits_is_taken_and_nothing_else(key: str) -> None:
    found = re.match(r"`([\d.]+)(\w*)` to `([\d.]+)(\w*)`", SETTINGS[key][1])
    assert found is not None
    low, low_unit, high, high_unit = found.groups()
    leaf = dict(leaves())[key]
    assert callable(leaf)
    leaf(values.Text(low + low_unit))
    leaf(values.Text(high + high_unit))
    beyond = [f"{int(high) + 1}{high_unit}"]
    if float(low) > 0:
        fewer = float(low) / 2 if "." in low else int(low) - 1
        beyond.append(f"{fewer}{low_unit}")
    for text in beyond:
        with pytest.raises(Wrong):
            leaf(values.Text(text))


@pytest.mark.parametrize(
    "key", [key for key in SETTINGS if "at most" in SETTINGS[key][1] or "one of `" in SETTINGS[key][1]]
)
def test_lengths_and_choices_are_those_that_are_told(key: str) -> None:
    limits = SETTINGS[key][1]
    leaf = dict(leaves())[key]
    assert callable(leaf)
    if size := re.search(r"at most (\d+) bytes", limits):
        leaf(values.Text("a" * int(size[1])))
        with pytest.raises(Wrong):
            leaf(values.Text("a" * (int(size[1]) + 1)))
    elif choices := re.match(r"one of ((?:`\w+`(?:, )?)+)", limits):
        for choice in named(choices[1]):
            leaf(values.Text(choice))
        with pytest.raises(Wrong, match=", ".join(re.findall(r"`(\w+)`", choices[1])[:1])):
            leaf(values.Text("nonsense"))
    else:
        assert key == "inbound.*.agent"


def test_lists_of_settings_are_those_that_take_several() -> None:
    assert [key for key, leaf in leaves() if isinstance(leaf, Many)] == ["grpc.listen"]
    assert "list" in SETTINGS["grpc.listen"][1]


# The rest.


def test_the_table_of_metrics_is_that_of_the_daemon() -> None:
    assert metrics.table() in OPERATING, "stale: paste agenticd.adapters.host.metrics.table()"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in links(text):
        if re.match(r"[a-z]+://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_page_is_reached_from_the_readme() -> None:
    readme = links((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {f"docs/{path.name}" for path in DOCUMENTS[1:]} <= {link.partition("#")[0] for link in readme}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_says_what_it_is_in(path: object) -> None:
    assert hasattr(path, "read_text")
    languages = {block.language for block in blocks(path.read_text(encoding="utf-8"))}
    assert languages <= {"sh", "console", "python", "yaml", "mermaid", "ini", ""}
