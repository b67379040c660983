"""What an operator reads who got the configuration wrong: the whole line, for every kind of mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agenticd.config import ConfigError, load

FIXTURES = Path(__file__).parent.parent / "fixtures"
BASE = {
    "public_url": "public_url: https://voice.example.com",
    "twilio": 'twilio: {account_sid: AC0123456789abcdef0123456789abcdef, auth_token: "${TOKEN}", '
    'from_number: "+15550001111"}',
    "openai": 'openai: {api_key: "${KEY}"}',
    "agents": "agents: {default: {instructions: Be brief.}}",
}
ENVIRON = {"HOME": "/people/ada", "TOKEN": "t0ken", "KEY": "sk-1"}


def problems(snippet: str, directory: Path, environ: dict[str, str] | None = None) -> list[str]:
    """The lines of the error for a good configuration whose sections are replaced by those of the snippet."""
    mine = set(re.findall(r'^"?(\w+)"?:', snippet, re.MULTILINE))
    rest = [text for name, text in BASE.items() if name not in mine]
    (directory / "config.yaml").write_text("\n".join([snippet.strip("\n"), *rest]) + "\n")
    with pytest.raises(ConfigError) as caught:
        load(None, ENVIRON if environ is None else environ, directory)
    return str(caught.value).splitlines()


def table() -> list[tuple[str, list[str]]]:
    """The cases of wrong.txt: a snippet, and the lines that are expected."""
    text = (FIXTURES / "config" / "wrong.txt").read_text()
    cases = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        said = [line.removeprefix("=> ") for line in lines if line.startswith("=> ")]
        if lines:
            cases.append(("\n".join(line for line in lines if not line.startswith("=> ")), said))
    return cases


@pytest.mark.parametrize(("snippet", "lines"), table())
def test_each_mistake_is_one_line_that_says_where_it_is_and_what_would_be_right(
    snippet: str, lines: list[str], tmp_path: Path
) -> None:
    found = problems(snippet, tmp_path, ENVIRON | {"EMPTY": ""})
    assert found == [f"config.yaml:{line}" for line in lines]


@pytest.mark.parametrize(
    ("snippet", "line"),
    [
        (
            f'grpc: {{listen: "unix:/{"x" * 107}"}}',
            "1:16: grpc.listen: is too long: the path of a Unix socket has at most 107 bytes",
        ),
        (
            f"agents: {{a: {{instructions: {'x' * 32769}}}}}",
            "1:28: agents.a.instructions: is longer than 32 KiB; it has 32769 bytes",
        ),
        (
            f"agents: {{a: {{instructions: x, greeting: {'é' * 1025}}}}}",
            "1:41: agents.a.greeting: is longer than 2 KiB; it has 2050 bytes",
        ),
        ("log: {level: 'x\x07'}", "1:16: this character cannot stand in YAML; is the file damaged?"),
        ("[" * 1000, "1:18: more than 16 levels deep; this cannot be a configuration"),
        (
            "inbound: [" + "x, " * 10_000 + "]",
            "1:30002: more than 10000 texts, lists and maps; this cannot be a configuration",
        ),
    ],
    ids=["socket", "instructions", "greeting", "control character", "depth", "nodes"],
)
def test_what_is_too_large_or_no_text_is_refused(snippet: str, line: str, tmp_path: Path) -> None:
    assert problems(snippet, tmp_path) == [f"config.yaml:{line}"]


def test_an_empty_file_is_told_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("# nothing yet\n")
    with pytest.raises(ConfigError) as caught:
        load(None, ENVIRON, tmp_path)
    assert [problem.path for problem in caught.value.problems] == [
        "public_url",
        "twilio.account_sid",
        "twilio.auth_token",
        "twilio.from_number",
        "openai.api_key",
        "agents",
    ]


@pytest.mark.parametrize(("text", "kind"), [("- a: b\n", "a list: leave out the -"), ("hello\n", "a text")])
def test_a_file_without_keys_is_one_mistake(text: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(None, ENVIRON, tmp_path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("config.yaml:1:1: must have keys in it (version, ")
    assert line.endswith(f"), not be {kind}")


def test_a_space_that_is_not_one_is_named(tmp_path: Path) -> None:
    (line,) = problems("log:\n  level\u00a0: info", tmp_path)
    assert line == (
        "config.yaml:2:3: log.level\ufffd: unknown key; has a character that is not seen in it, U+00A0; "
        "did you mean level?"
    )


def test_many_mistakes_are_counted_and_not_all_printed(tmp_path: Path) -> None:
    found = problems("\n".join(f"key{n}: x" for n in range(70)), tmp_path)
    assert len(found) == 51
    assert found[-1] == "... and 20 more"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("TOKEN", "must be NAME=value, or a comment that begins with #"),
        ("TOKEN = x", "TOKEN: there must be no space beside the ="),
        ("TOKEN= x", "TOKEN: there must be no space beside the ="),
        ("1TOKEN=x", "there is no name before the =: letters, digits and _, the first no digit"),
        ("=x", "there is no name before the =: letters, digits and _, the first no digit"),
        ("TOKEN='x", "TOKEN: the quote is not closed on this line"),
        ('TOKEN="x\\"', "TOKEN: the quote is not closed on this line"),
        ("TOKEN=x y", "TOKEN: has a space in it; put the whole value in single quotes"),
        ("TOKEN=x$Y", "TOKEN: has a $ in it; put the whole value in single quotes"),
        ("TOKEN=it's", "TOKEN: has a quote in it; put the whole value in single quotes"),
        ("TOKEN=#x", "TOKEN: a value that begins with # must be quoted"),
        ('TOKEN="$Y"', "TOKEN: nothing is replaced in this file; write \\$, or use single quotes"),
        (
            'TOKEN="x\\n"',
            'TOKEN: in double quotes a \\ stands only before \\ " $ `; use single quotes',
        ),
        (
            "TOKEN='x'#y",
            "TOKEN: something stands behind the closing quote; a comment needs a space before its #",
        ),
        ("A=1", "A is here twice; the first is on line 1"),
    ],
)
def test_a_wrong_line_of_dotenv_is_named_without_its_value(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"A=1\n  {line}\n")
    assert problems("", tmp_path) == [f".env:2:3: {message}"]


def test_a_dotenv_that_is_no_file_is_an_error_and_not_as_if_there_were_none(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert problems("", tmp_path) == [".env: cannot be read: Is a directory"]


def test_the_files_are_called_as_the_operator_called_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/voice.yaml").write_text('node_id: "${NODE}"\n' + "\n".join(BASE.values()))
    with pytest.raises(ConfigError) as caught:
        load(Path("etc/voice.yaml"), ENVIRON, tmp_path)
    assert str(caught.value) == (
        "etc/voice.yaml:1:10: node_id: ${NODE} is not set; set NODE in the environment or in etc/.env, "
        "or give it as the systemd credential NODE"
    )


def test_a_file_that_cannot_be_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin1").write_bytes(b"a: b\nc: \xe9\n")
    (tmp_path / "huge").write_text("#" * 600_000)
    (tmp_path / "folder").mkdir()
    said = []
    for name in ("latin1", "huge", "folder", "missing"):
        with pytest.raises(ConfigError) as caught:
            load(Path(name), ENVIRON, tmp_path)
        said.append(str(caught.value))
    assert said == [
        "latin1: must be UTF-8; line 2 is not",
        "huge: is larger than 512 KiB; this cannot be a configuration",
        "folder: cannot be read: Is a directory",
        "missing: there is no such file, which --config names",
    ]
