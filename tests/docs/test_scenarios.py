"""docs/scenarios.md says what a scenario may say: every key, and none that does not exist; and its example is one."""

from __future__ import annotations

from pathlib import Path

from agenticd.scenario import demands, reading
from agenticd.scenario.reading import load
from tests.docs.markdown import ROOT, blocks, named, rows

PAGE = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")


def test_the_example_is_a_scenario(tmp_path: Path) -> None:
    pages = (PAGE, (ROOT / "README.md").read_text(encoding="utf-8"))
    examples = [b.text for page in pages for b in blocks(page) if b.language == "yaml" and "scenario:" in b.text]
    assert len(examples) == 2
    for text in examples:
        (tmp_path / "example.yaml").write_text(text)
        load(tmp_path / "example.yaml")


def test_every_key_is_told() -> None:
    told = {name.partition(":")[0].strip() for name in named(PAGE)}
    known = {
        *reading.TOP,
        *reading.CALL,
        *reading.CALLER,
        *reading.STEP,
        *reading.MODEL,
        *reading.ANSWER,
        *reading.MEANWHILE,
    }
    missing = (known | {*demands.KNOWN, "reason", "by", "carrier_code", "heard", "least", "most"}) - told
    assert missing == {"scenario", "about"}, "the first is in the example, the second is a comment"


def test_every_timing_is_told_and_no_other() -> None:
    assert {timing.strip("`") for timing, *_ in rows(PAGE, 3) if timing.strip("`") in demands.TIMINGS} == set(
        demands.TIMINGS
    )
