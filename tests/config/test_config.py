"""What the daemon gets from config.yaml, .env, the environment and credentials; and what nobody ever gets to see."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenticd.adapters.http.site import parse_listen
from agenticd.adapters.rpc.listen import parse_address
from agenticd.adapters.store.retention import REQUEST_SECONDS
from agenticd.config import ConfigError, Secret, Settings, Tls, effective, find_config, load, make_private, places
from agenticd.config.places import SYSTEM
from agenticd.core.errors import InvalidArgument
from agenticd.emulator.realtime.config import RealtimeConfig
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.service.orders import AgentProfile, PlaceOrder, resolve

ROOT = Path(__file__).resolve().parent.parent.parent
SID = "AC0123456789abcdef0123456789abcdef"
HEAD = f"""
public_url: https://voice.example.com
twilio: {{account_sid: {SID}, auth_token: tw1lio-secret, from_number: "+15550001111"}}
openai: {{api_key: sk-secret}}
"""
GOOD = HEAD + "agents: {default: {instructions: Be brief.}}\n"
HOME = {"HOME": "/people/ada"}


def read(text: str | bytes, environ: Mapping[str, str] = HOME, dotenv: str | None = None) -> Settings:
    """The settings of a config.yaml with that text and a .env beside it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        if dotenv is not None:
            (directory / ".env").write_bytes(dotenv.encode())
        return load(None, environ, directory)


def attempt(text: str | bytes, environ: Mapping[str, str] = HOME, dotenv: str | None = None) -> Settings | ConfigError:
    """The same, or why not. Any other exception is a failure of the test."""
    try:
        return read(text, environ, dotenv)
    except ConfigError as error:
        return error


def wrong(text: str, environ: Mapping[str, str] = HOME) -> str:
    found = attempt(text, environ)
    assert isinstance(found, ConfigError)
    return str(found)


def are_lines(error: ConfigError) -> bool:
    """Whether each problem is one line, for there to be any."""
    return bool(error.problems) and all(str(problem).isprintable() for problem in error.problems)


# --- the tree ----------------------------------------------------------------------------------------


def test_the_least_that_must_be_said_leaves_the_documented_defaults() -> None:
    tree = read(GOOD, HOME | {"XDG_RUNTIME_DIR": "/run/user/7"})
    assert (tree.version, tree.public_url) == (1, "https://voice.example.com")
    assert tree.http.listen == "127.0.0.1:8080"
    assert tree.admin.listen == "127.0.0.1:9090"
    assert tree.grpc.listen == ("unix:/run/user/7/agenticd/agenticd.sock",)
    assert tree.twilio.api_url == "https://api.twilio.com"
    assert tree.twilio.calls_per_second == 1.0
    assert tree.openai.url == "wss://api.openai.com/v1/realtime"
    assert (tree.openai.model, tree.openai.transcription_model) == ("gpt-realtime-2.1", "gpt-transcribe")
    assert tree.agents == {"default": AgentProfile(instructions="Be brief.")}
    assert tree.inbound == {}
    assert tree.store.path == Path("/people/ada/.local/state/agenticd/agenticd.db")
    assert tree.store.keep == 30 * 86400
    assert tree.store.keep_size is None
    assert tree.limits.max_calls == 500
    assert (tree.log.level, tree.log.pii) == ("info", False)
    assert tree.node_id


def test_all_that_can_be_said_arrives() -> None:
    tree = read(f"""
version: 1
public_url: https://voice.example.com/tel
node_id: voice-1
http: {{listen: "0.0.0.0:80"}}
admin: {{listen: "[::1]:0"}}
grpc: {{listen: ["unix:/run/a.sock", "127.0.0.1:0"]}}
twilio:
  account_sid: {SID}
  auth_token: t
  from_number: "+1 555 000-1111"
  api_url: http://localhost:4010/
  calls_per_second: 2.5
openai: {{api_key: k, url: "ws://127.0.0.1:4011", model: m-1, transcription_model: t-1}}
agents:
  default: {{instructions: Be brief.}}
  sales:
    instructions: "Sell to {{{{name}}}}."
    greeting: Hi!
    voice: cedar
    model: m-2
    transcription_model: t-2
    language: en-GB
    audio: pcm24
    max_duration: 1h30m
    protect_greeting: true
    min_interruption: 0.3s
    digits_to_model: true
    check_in_after: off
    check_in: Hello?
    hang_up_after: 1m
    apology: ""
inbound: {{"+15550002222": {{agent: default}}}}
store: {{path: data/log.db, keep: forever, keep_size: 1.5TB}}
limits: {{max_calls: 20}}
log: {{level: debug, pii: true}}
""")
    assert (tree.node_id, tree.http.listen, tree.admin.listen) == ("voice-1", "0.0.0.0:80", "[::1]:0")
    assert tree.grpc.listen == ("unix:/run/a.sock", "127.0.0.1:0")
    assert (tree.twilio.from_number, tree.twilio.api_url) == ("+15550001111", "http://localhost:4010")
    assert tree.twilio.calls_per_second == 2.5
    assert tree.openai.url == "ws://127.0.0.1:4011"
    assert tree.agents["default"] == AgentProfile(instructions="Be brief.", model="m-1", transcription_model="t-1")
    assert tree.agents["sales"] == AgentProfile(
        instructions="Sell to {{name}}.",
        greeting="Hi!",
        voice="cedar",
        model="m-2",
        transcription_model="t-2",
        language="en-GB",
        audio="pcm24",
        max_duration=5400.0,
        protect_greeting=True,
        min_interruption=0.3,
        digits_to_model=True,
        check_in_after=0.0,
        check_in="Hello?",
        hang_up_after=60.0,
        apology="",
    )
    assert {number: each.agent for number, each in tree.inbound.items()} == {"+15550002222": "default"}
    assert tree.store.keep is None
    assert tree.store.keep_size == 1_500_000_000_000
    assert tree.limits.max_calls == 20
    assert (tree.log.level, tree.log.pii) == ("debug", True)


def test_no_text_turns_into_anything_else() -> None:
    tree = read(HEAD + "agents: {no: {instructions: 0x10, greeting: yes, language: no, voice: 1e3}}\n")
    profile = tree.agents["no"]
    assert (profile.instructions, profile.greeting) == ("0x10", "yes")
    assert (profile.language, profile.voice) == ("no", "1e3")


def test_agents_can_share_a_text() -> None:
    shared = HEAD + "agents:\n  a: {instructions: &i Be brief.}\n  b: {instructions: *i}\n"
    assert {each.instructions for each in read(shared).agents.values()} == {"Be brief."}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/srv/log.db", "/srv/log.db"),
        ("~/log.db", "/people/ada/log.db"),
        ("data/log.db", "conf/data/log.db"),
    ],
)
def test_a_relative_path_begins_where_the_configuration_is(given: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/a.yaml").write_text(GOOD + f"store: {{path: {given}}}\n")
    assert load(Path("conf/a.yaml"), HOME, tmp_path).store.path == tmp_path / path


def test_where_no_place_is_known_the_log_needs_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwd.getpwuid", dict[int, object]().__getitem__)
    assert wrong(GOOD, {}) == (
        "config.yaml:1:1: store.path: is required; neither $STATE_DIRECTORY nor $HOME says where the event log could be"
    )
    assert read(GOOD + "store: {path: /srv/log.db}\n", {}).store.path == Path("/srv/log.db")


# --- variables -----------------------------------------------------------------------------------------


def test_credentials_win_over_the_environment_and_that_over_dotenv(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("credential\n")
    environ = HOME | {"CREDENTIALS_DIRECTORY": str(tmp_path), "A": "environment", "B": "environment"}
    text = HEAD + 'agents: {default: {instructions: "${A} ${B} ${C}"}}\n'
    tree = read(text, environ, dotenv="A=dotenv\nB=dotenv\nC=dotenv\n")
    assert tree.agents["default"].instructions == "credential environment dotenv"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NAME}", "Ada"),
        ("Hi ${NAME}, ${NAME}!", "Hi Ada, Ada!"),
        ("${EMPTY}x", "x"),
        ("${NONE:-Bob}", "Bob"),
        ("${EMPTY:-Bob}", "Bob"),
        ("${NAME:-Bob}", "Ada"),
        ("x${NONE:-}", "x"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME costs $5 {NAME} $$", "$NAME costs $5 {NAME} $$"),
        ("${TRICKY}", '${NAME}", voice: "x\n- # {'),
    ],
)
def test_variables_are_replaced_in_texts_and_only_once(text: str, value: str) -> None:
    environ = HOME | {"NAME": "Ada", "EMPTY": "", "TRICKY": '${NAME}", voice: "x\n- # {'}
    tree = read(HEAD + f"agents: {{default: {{instructions: '{text}'}}}}\n", environ)
    assert tree.agents["default"].instructions == value


def test_a_number_of_inbound_may_be_a_variable() -> None:
    text = GOOD + 'inbound: {"${NUMBER}": {agent: default}}\n'
    assert set(read(text, HOME | {"NUMBER": "+15550003333"}).inbound) == {"+15550003333"}


def test_an_unreadable_credential_is_an_error_and_no_reason_to_look_further(tmp_path: Path) -> None:
    (tmp_path / "KEY").mkdir()
    environ = HOME | {"CREDENTIALS_DIRECTORY": str(tmp_path), "KEY": "sk-1"}
    said = wrong(GOOD.replace("sk-secret", '"${KEY}"'), environ)
    assert said.endswith("openai.api_key: the credential KEY: cannot be read: Is a directory")


def test_an_environment_that_is_no_text_is_an_error() -> None:
    said = wrong(GOOD.replace("sk-secret", '"${KEY}"'), HOME | {"KEY": os.fsdecode(b"\xff")})
    assert said.endswith("openai.api_key: ${KEY} is not UTF-8 in the environment")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("V=plain", "plain"),
        ("  export V=plain  ", "plain"),
        ("V=", ""),
        ("V=a=b#c", "a=b#c"),
        ("V=a # comment", "a"),
        ("V='single $X \"q\" # \\'", 'single $X "q" # \\'),
        ('V="double \\$X \\"q\\" \\\\" # comment', 'double $X "q" \\'),
        ("V=plain\r", "plain"),
        ("# V=no\n\nV=yes", "yes"),
        ("\ufeffV=bom", "bom"),
    ],
)
def test_dotenv_means_what_it_means_to_a_shell(line: str, value: str) -> None:
    text = HEAD + 'agents: {default: {instructions: "x${V}"}}\n'
    assert read(text, HOME, dotenv=line + "\n").agents["default"].instructions == f"x{value}"


# --- secrets -------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_only_to_who_asks() -> None:
    tree = read(GOOD)
    assert tree.twilio.auth_token.reveal() == "tw1lio-secret"
    assert tree.openai.api_key.reveal() == "sk-secret"
    shown = f"{tree} {tree!r} {tree.openai.api_key} {asdict(tree)} {effective(tree)} {copy.deepcopy(tree)}"
    assert "tw1lio" not in shown
    assert "sk-secret" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(tree.openai.api_key)
    with pytest.raises(TypeError):
        json.dumps({"key": tree.openai.api_key})


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize("literal", ["'s3cret !'", '"${V}"'])
@pytest.mark.parametrize("field", ["account_sid", "auth_token", "from_number", "api_url", "calls_per_second", "s3cret"])
def test_no_error_shows_the_value_that_was_wrong(field: str, literal: str) -> None:
    twilio = {"account_sid": SID, "auth_token": "t", "from_number": '"+15550001111"'}
    written = ", ".join(f"{name}: {value}" for name, value in (twilio | {field: literal}).items())
    good = [line for line in GOOD.splitlines() if not line.startswith("twilio")]
    said = wrong("\n".join([*good, f"twilio: {{{written}}}"]), HOME | {"V": "s3cret !"})
    assert f"twilio.{field}: " in said
    assert "s3cret !" not in said


# --- what is in effect -----------------------------------------------------------------------------------


def again(tree: Settings) -> Settings:
    """What is read from what is shown, with a secret where the stars are."""
    return read(effective(tree).replace("'***'", "s3cret"))


def test_what_is_in_effect_can_be_read_again() -> None:
    tree = read(
        GOOD
        + 'inbound: {"+15550002222": {agent: default}}\nstore: {keep: forever, keep_size: 2.5GB}\n'
        + 'http: {listen: "[::1]:0"}\n'
    )
    assert effective(again(tree)) == effective(tree)
    assert replace(again(tree), twilio=tree.twilio, openai=tree.openai) == tree


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n\t"), min_size=1)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.integers(1000, 14_400_000), st.integers(1, 3650 * 24))
def test_any_text_and_time_in_effect_can_be_read_again(
    instructions: str, greeting: str, duration: int, hours: int
) -> None:
    text = HEAD + (
        f'agents: {{default: {{instructions: "x${{I}}", greeting: "${{G}}", max_duration: {duration / 1000:.3f}s}}}}\n'
        f"store: {{keep: {hours + 24}h}}\n"
    )
    tree = attempt(text, HOME | {"I": instructions, "G": greeting})
    if isinstance(tree, ConfigError):
        assert hours + 24 > 3650 * 24
        return
    assert tree.agents["default"].instructions == "x" + instructions
    assert tree.agents["default"].max_duration == duration / 1000
    assert again(tree).agents == tree.agents
    assert again(tree).store == tree.store


# --- anything ------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [*"\n\t :-?{}[]\"'&*!|>%@`#,~$", "\n  ", ": ", "- ", "${HOME}", "${X", "agents", "default", "instructions"]
    + ["twilio", "inbound", "+15550001111", "\\UFFFFFFFF", "\\x", "%YAML 1.1\n", "---\n", "<<", "&a ", "*a", "!!x "]
    + ["\x00", "\ufeff", "\x85", "\u2028", "0" * 400, "store", "keep", "listen", "grpc", "é"]
)
DOCUMENTS = st.one_of(st.text(), st.binary(), st.lists(PIECES, max_size=25).map("".join))


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, st.booleans())
def test_any_text_is_settings_or_a_config_error_of_whole_lines(document: str | bytes, after: bool) -> None:
    data = document if isinstance(document, bytes) else document.encode()
    found = attempt(GOOD.encode() + data if after else data)
    if isinstance(found, ConfigError):
        assert are_lines(found)
    else:
        assert again(found).agents == found.agents


LEAVES = st.sampled_from(
    [
        "version: {}",
        "public_url: {}",
        "node_id: {}",
        "http: {{listen: {}}}",
        "grpc: {{listen: [{}]}}",
        'grpc: {{listen: "127.0.0.1:0", tokens: {}}}',
        "agents: {{a: {{instructions: x, greeting: {}}}}}",
        "agents: {{a: {{instructions: x, max_duration: {}}}}}",
        "inbound: {{{}: {{agent: default}}}}",
        "store: {{path: {}}}",
        "store: {{keep: {}}}",
        "limits: {{max_calls: {}}}",
        "twilio: {{api_url: {}, calls_per_second: {}}}",
        "openai: {{url: {}, api_key: {}}}",
    ]
)
NEARLY = st.one_of(
    st.text(),
    st.from_regex(r"\A(https?|wss?|unix):/{0,3}[\[\]:@?#%a-z0-9.-]{0,20}\Z"),
    st.from_regex(r"\A\+?[0-9 ()-]{0,20}[dhms]?\Z"),
    st.from_regex(r"\A[a-z0-9.:\[\]-]{0,12}:[0-9]{0,7}\Z"),
)


@settings(max_examples=200, deadline=None)
@given(LEAVES, NEARLY)
def test_any_value_anywhere_is_settings_or_a_config_error(leaf: str, value: str) -> None:
    section = leaf.partition(":")[0]
    rest = [line for line in GOOD.splitlines() if line and line.partition(":")[0] != section]
    text = "\n".join([leaf.format('"${V}"', '"${V}"'), *rest]) + "\n"
    found = attempt(text, HOME | {"V": value})
    if isinstance(found, ConfigError):
        assert are_lines(found)
    else:
        assert parse_listen(found.http.listen, "http.listen")
        assert [parse_address(address) for address in found.grpc.listen]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from([*"A=' \"\\$#\n\t`", "export "]), max_size=12).map("".join)))
def test_any_dotenv_is_read_or_a_config_error(dotenv: str) -> None:
    found = attempt(GOOD, HOME, dotenv)
    if isinstance(found, ConfigError):
        assert are_lines(found)
        assert {problem.file for problem in found.problems} == {".env"}


# --- the rest of the daemon agrees -----------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:1", "[::1]:65535", "unix:/run/a.sock"])
def test_where_grpc_may_listen_the_server_can(address: str) -> None:
    (accepted,) = read(GOOD + f'grpc: {{listen: "{address}"}}\n').grpc.listen
    assert parse_address(accepted) is not None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("1h30m", 5400), ("0.5h", 1800), ("1.001m", 60.06), ("3600s", 3600), ("59m60s", 3600), ("1s", 1)],
)
def test_a_time_is_the_sum_of_its_parts(written: str, seconds: float) -> None:
    tree = read(HEAD + f"agents: {{default: {{instructions: x, max_duration: {written}}}}}\n")
    assert tree.agents["default"].max_duration == seconds


@pytest.mark.parametrize(("host", "node_id"), [("voice-1.example", "voice-1.example"), ("no host!", "localhost")])
def test_the_node_is_called_like_its_host(host: str, node_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert read(GOOD).node_id == node_id


def test_what_is_kept_is_what_the_store_needs_at_least() -> None:
    assert read(GOOD + "store: {keep: 1d}\n").store.keep == REQUEST_SECONDS


WORDS = st.one_of(st.text(max_size=70), st.from_regex(r"\A[A-Za-z0-9._-]{0,66}\Z"))
CODES = st.one_of(st.text(max_size=4), st.from_regex(r"\A[a-z]{1,4}(-[A-Za-z0-9]{1,9})?\Z"))
TEMPLATES = st.lists(st.sampled_from(["{{", "}}", "{", "}", " ", "a", "B_9", "-", "é"]), max_size=9).map("".join)


@settings(max_examples=120, deadline=None)
@given(WORDS, WORDS, CODES, TEMPLATES)
def test_an_agent_that_may_answer_is_one_that_a_call_can_have(
    voice: str, model: str, language: str, greeting: str
) -> None:
    text = HEAD + (
        'agents: {a: {instructions: x, voice: "${V}", model: "${M}", language: "${L}", greeting: "${G}"}}\n'
        'inbound: {"+15550002222": {agent: a}}\n'
    )
    profile = AgentProfile("x", greeting, voice, model, language)
    try:
        resolve(PlaceOrder("+15550003333", agent="a"), {"a": profile}, "+15550001111")
        usable = True
    except InvalidArgument:
        usable = False
    found = attempt(text, HOME | {"V": voice, "M": model, "L": language, "G": greeting})
    if isinstance(found, ConfigError):
        assert not usable
    else:
        assert usable
        assert found.agents == {"a": profile}


# --- where things are ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "runtime", "state"),
    [
        (
            {
                "RUNTIME_DIRECTORY": "/run/agenticd:/run/other",
                "STATE_DIRECTORY": "/var/lib/agenticd",
                "XDG_RUNTIME_DIR": "/run/user/7",
                "XDG_STATE_HOME": "/x",
                "HOME": "/people/ada",
            },
            "/run/agenticd",
            "/var/lib/agenticd",
        ),
        (
            {"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/x", "HOME": "/people/ada"},
            "/run/user/7/agenticd",
            "/x/agenticd",
        ),
        (
            {"XDG_RUNTIME_DIR": "relative", "XDG_STATE_HOME": "", "HOME": "/people/ada"},
            "/tmp/agenticd-7",
            "/people/ada/.local/state/agenticd",
        ),
        ({"TMPDIR": "/scratch", "HOME": "/h"}, "/scratch/agenticd-7", "/h/.local/state/agenticd"),
    ],
)
def test_directories_by_place(environ: Mapping[str, str], runtime: str, state: str) -> None:
    found = places(environ, uid=7)
    assert (str(found.runtime), str(found.state)) == (runtime, state)
    assert found.socket == Path(runtime, "agenticd.sock")
    assert found.database == Path(state, "agenticd.db")


def test_the_configuration_is_looked_for_in_order(tmp_path: Path) -> None:
    for name in ("flag.yaml", "named.yaml", "config.yaml"):
        (tmp_path / name).write_text(GOOD)
    named = {"AGENTICD_CONFIG": "named.yaml"}
    assert find_config(Path("flag.yaml"), named, tmp_path) == (tmp_path / "flag.yaml", "flag.yaml")
    assert find_config(None, named, tmp_path) == (tmp_path / "named.yaml", "named.yaml")
    assert find_config(None, {"AGENTICD_CONFIG": ""}, tmp_path) == (tmp_path / "config.yaml", "config.yaml")


def test_what_is_named_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"^a\.yaml: there is no such file, which --config names$"):
        load(Path("a.yaml"), HOME, tmp_path)
    with pytest.raises(ConfigError, match=r"^b\.yaml: there is no such file, which \$AGENTICD_CONFIG names$"):
        load(None, HOME | {"AGENTICD_CONFIG": "b.yaml"}, tmp_path)


@pytest.mark.skipif(SYSTEM.exists(), reason="this machine has a configuration")
def test_without_any_configuration_the_error_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, HOME, tmp_path)
    assert str(caught.value) == (
        "config.yaml: there is no configuration, neither here nor at /etc/agenticd/config.yaml; "
        "name one with --config or $AGENTICD_CONFIG, or begin with a copy of config.example.yaml"
    )


def test_a_private_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "a/b"
    make_private(directory)
    make_private(directory)
    assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_a_directory_that_another_user_laid_out_is_refused(trap: str, tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    match trap:
        case "link":
            (shared / "agenticd-7").symlink_to(tmp_path / "elsewhere")
        case "open":
            (shared / "agenticd-7").mkdir()
            (shared / "agenticd-7").chmod(0o755)
        case "file":
            (shared / "agenticd-7").write_text("")
    with pytest.raises(ConfigError, match=r"tmp/agenticd-7: (must be a directory of user|this directory cannot)"):
        make_private(shared / "agenticd-7")


# --- the examples ----------------------------------------------------------------------------------------


def test_the_examples_load_as_they_are_and_know_the_emulator(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.example.yaml").read_bytes())
    (tmp_path / ".env").write_bytes((ROOT / ".env.example").read_bytes())
    tree = load(None, HOME, tmp_path)
    twilio = TwilioConfig()
    assert (tree.twilio.account_sid, tree.twilio.auth_token) == (
        twilio.account_sid,
        Secret(twilio.auth_token),
    )
    assert tree.twilio.from_number in twilio.numbers
    assert tree.openai.api_key == Secret(RealtimeConfig().api_key)
    assert set(tree.inbound) == set(twilio.numbers)


def test_what_is_commented_out_in_the_example_is_the_default(tmp_path: Path) -> None:
    example = (ROOT / "config.example.yaml").read_text()
    uncommented, settings_shown = re.subn(r"^( *)# ( *\w+:(?: .*)?)$", r"\1\2", example, flags=re.MULTILINE)
    environ = HOME | {"RUNTIME_DIRECTORY": "/run/agenticd", "STATE_DIRECTORY": "/var/lib/agenticd"}
    dotenv = (ROOT / ".env.example").read_text()
    short, long = read(example, environ, dotenv), read(uncommented, environ, dotenv)
    assert settings_shown >= 21
    door = replace(long.grpc, tls=None, tokens=None)  # for other machines: without a default, as what it takes is made
    assert replace(long, node_id="", agents={}, grpc=door) == replace(short, node_id="", agents={})
    assert long.grpc.tls == Tls(Path("/etc/agenticd/tls.crt"), Path("/etc/agenticd/tls.key"))
    assert replace(long.agents["default"], language="") == short.agents["default"]
    assert long.agents["default"].language == "en"
