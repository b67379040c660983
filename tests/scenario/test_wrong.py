"""What the author of a scenario reads who got it wrong: the whole line, for every kind of mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agenticd.config import ConfigError
from agenticd.scenario.reading import load

TABLE = Path(__file__).parent.parent / "fixtures" / "scenario" / "wrong.txt"
BASE = {"scenario": "scenario: A call", "expect": "expect: {end: {reason: COMPLETED}}"}


def problems(snippet: str, directory: Path) -> list[str]:
    """The lines of the error for a good scenario whose parts are replaced by those of the snippet."""
    mine = set(re.findall(r"^(\w+):", snippet, re.MULTILINE))
    rest = [text for name, text in BASE.items() if name not in mine]
    file = directory / "call.yaml"
    file.write_text("\n".join([snippet.strip("\n"), *rest]) + "\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    return [line.removeprefix(f"{file}:") for line in str(caught.value).splitlines()]


def table() -> list[tuple[str, list[str]]]:
    cases = []
    for block in TABLE.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        said = [line.removeprefix("=> ") for line in lines if line.startswith("=> ")]
        if lines:
            cases.append(("\n".join(line for line in lines if not line.startswith("=> ")), said))
    return cases


@pytest.mark.parametrize(("snippet", "lines"), table())
def test_each_mistake_is_one_line_that_says_where_it_is_and_what_would_be_right(
    snippet: str, lines: list[str], tmp_path: Path
) -> None:
    assert problems(snippet, tmp_path) == lines


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = problems("within: 5\ncaller: {ring: soon}\nmeanwhile: [{hang_up: x, event: nothing}]", tmp_path)
    assert [line.partition(":")[0] for line in found] == ["1", "2", "3"]


def test_a_file_that_is_not_there_and_one_that_is_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    for name, said in (("none.yaml", "there is no such file"), ("bytes.yaml", "must be UTF-8; line 1 is not")):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {said}"


def test_an_empty_file_is_told_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "empty.yaml"
    file.write_text("")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [problem.path for problem in caught.value.problems] == ["scenario", "expect"]
