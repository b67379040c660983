"""How scenarios went, for machines: JUnit's XML, as CI systems read it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime

from agenticd.scenario.judge import Miss
from agenticd.scenario.report import Verdict

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(verdicts: Sequence[Verdict], began: datetime, seconds: float) -> bytes:
    """One suite with a test case for each scenario, in their order."""
    words = [verdict.word for verdict in verdicts]
    counts = {
        "tests": str(len(words)),
        "failures": str(words.count("failed")),
        "skipped": str(words.count("skipped")),
        "errors": "0",
        "time": f"{seconds:.3f}",
    }
    root = ET.Element("testsuites", counts)
    stamp = began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ET.SubElement(root, "testsuite", {"name": "agenticd scenarios", "timestamp": stamp, **counts})
    for verdict in verdicts:
        _case(suite, verdict)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ET.Element, verdict: Verdict) -> None:
    take, scenario = verdict.take, verdict.take.scenario
    names = {
        "classname": _clean(scenario.short),
        "name": _clean(scenario.name),
        "file": _clean(str(scenario.file)),
        "time": f"{verdict.seconds:.3f}",
    }
    case = ET.SubElement(suite, "testcase", names)
    if take.skipped:
        ET.SubElement(case, "skipped", {"message": _clean(take.skipped)})
    elif verdict.misses:
        lines = [_line(miss) for miss in verdict.misses]
        failure = ET.SubElement(case, "failure", {"type": "expectation", "message": _clean(lines[0])})
        failure.text = _clean("\n".join(lines))
        ET.SubElement(case, "system-out").text = _clean("\n".join(take.trace.lines()))


def _line(miss: Miss) -> str:
    return ": ".join(filter(None, (f"line {miss.line}" if miss.line else "", miss.path, miss.text)))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
