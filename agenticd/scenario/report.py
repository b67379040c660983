"""How scenarios went, for a person: a line for each as it ends, what was wrong, and what it was in all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agentctl.page import Page
from agenticd.scenario.judge import Miss
from agenticd.scenario.stage import Take
from agenticd.scenario.timings import measure

Style = Callable[[str, str], str]
"""Puts a colour, by the role of a text, around it."""
_MARKS = {"passed": "✓", "failed": "✗", "skipped": "-"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A scenario that was played: what is not as it should be, and where its time line and its sound are."""

    take: Take
    misses: tuple[Miss, ...]
    seconds: float
    kept: Path | None = None

    @property
    def word(self) -> str:
        """passed, failed or skipped."""
        if self.take.skipped:
            return "skipped"
        return "failed" if self.misses else "passed"


class Report:
    """Makes the lines. `columns` asks for a terminal's width; None: nothing is broken."""

    def __init__(self, style: Style, columns: Callable[[], int] | None, longest: int) -> None:
        self._style = style
        self._page = Page(columns)
        self._longest = longest

    def verdict(self, verdict: Verdict) -> str:
        """One scenario, with all that was wrong."""
        scenario, word = verdict.take.scenario, verdict.word
        head = f"  {_MARKS[word]} {scenario.short:<{self._longest}}  "
        dressed = f"  {self._style(_MARKS[word], word)} {scenario.short:<{self._longest}}  "
        text = self._page.begin(head, dressed=dressed) + self._page.add(scenario.name)
        text += self._page.add(f"  {self._figures(verdict)}", lambda part: self._style(part, "note")) + "\n"
        for miss in verdict.misses:
            first, *more = miss.text.splitlines() or [""]
            text += self._row(self._where(verdict, miss), first, "failed")
            text += "".join(self._row("", line, "note") for line in more if line.strip())
        if verdict.kept is not None:
            text += self._row("", f"time line, sound and log: {verdict.kept}", "note")
        return text

    def _figures(self, verdict: Verdict) -> str:
        if verdict.take.skipped:
            return f"skipped: {verdict.take.skipped}"
        parts = [f"{verdict.seconds:.1f} s"]
        answers = measure(verdict.take.call)["answer"] if verdict.take.call is not None else []
        if answers:
            middle = sorted(answers)[len(answers) // 2]
            parts.append(f"answered after {middle * 1000:.0f} ms")
        return ", ".join(parts)

    @staticmethod
    def _where(verdict: Verdict, miss: Miss) -> str:
        place = f"{verdict.take.scenario.file}:{miss.line}" if miss.line else ""
        return ": ".join(filter(None, (place, miss.path)))

    def _row(self, where: str, text: str, role: str) -> str:
        begin = self._page.begin("      ")
        if where:
            begin += self._page.add(f"{where}: ", lambda part: self._style(part, "note"))
        return begin + self._page.add(text, lambda part: self._style(part, role)) + "\n"

    def summary(self, verdicts: list[Verdict], seconds: float) -> str:
        """What it was in all."""
        words = [verdict.word for verdict in verdicts]
        failed, skipped = words.count("failed"), words.count("skipped")
        parts = [f"{words.count('passed')} passed", f"{failed} failed"] + ([f"{skipped} skipped"] if skipped else [])
        role = "failed" if failed else "passed"
        return f"\n{self._style(', '.join(parts), role)} {self._style(f'in {seconds:.1f} s', 'note')}\n"
