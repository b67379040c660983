"""What an operator has of a daemon: its admin port and its log."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from agenticd.sandbox import Sandbox


def log_lines(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the daemon logged so far."""
    text = (sandbox.folder / "daemon.log").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


async def logged(sandbox: Sandbox, message: str, **fields: object) -> dict[str, Any]:
    """The newest line with this message and these fields, when there is one."""
    async with asyncio.timeout(20):
        while True:
            for line in reversed(await asyncio.to_thread(log_lines, sandbox)):
                if line["message"] == message and fields.items() <= line.items():
                    return line


async def admin(sandbox: Sandbox, path: str) -> tuple[int, str]:
    """The answer of the admin port of the daemon that was started last: status and body."""
    port = (await logged(sandbox, "agenticd is ready"))["admin"]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


class Scrape:
    """What Prometheus got in one scrape, read by its own parser."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self._samples, f"{key} twice"
                self._samples[key] = sample.value

    @staticmethod
    async def of(sandbox: Sandbox) -> Scrape:
        """Scrape the daemon."""
        status, text = await admin(sandbox, "/metrics")
        assert status == 200
        return Scrape(text)

    def value(self, name: str, **labels: str) -> float:
        """The value of one time series; 0 where there is none."""
        return self._samples.get((name, frozenset(labels.items())), 0.0)

    def mean(self, name: str, **labels: str) -> float:
        """The mean of a histogram's values; it must have some."""
        return self.value(f"{name}_sum", **labels) / self.value(f"{name}_count", **labels)
