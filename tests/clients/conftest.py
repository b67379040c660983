"""Each chapter of the story, told in each language. What stops the daemon has one of its own; the others share one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import agentic
from agenticd.sandbox import Sandbox
from tests.clients.chapters import Results, keep, worse
from tests.clients.languages import Language, chosen
from tests.clients.stage import BUSY, PHONES, Stage
from tests.clients.teller import Teller

LONGEST = 300
"""Seconds for a chapter on a machine that is busy with other things."""

_results: Results = {}
_tellers: pytest.StashKey[list[Teller]] = pytest.StashKey()
_commands: dict[str, list[str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is told in languages is for `make test-clients`, which builds the clients before."""
    for item in items:
        if "language" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.client)
            item.add_marker(pytest.mark.timeout(LONGEST))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "language" in metafunc.fixturenames:
        metafunc.parametrize("language", chosen(), ids=lambda language: language.name)


@pytest.fixture
def command(language: Language) -> list[str]:
    """What starts the language's teller. Where its tools are missing the chapter is skipped; in CI that is an error."""
    if missing := language.missing:
        says = f"{language.title} is not installed: {', '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(says)
        pytest.skip(says)
    if language.name not in _commands:
        _commands[language.name] = language.command()
    return _commands[language.name]


@asynccontextmanager
async def played(folder: Path, **arguments: Any) -> AsyncIterator[Stage]:
    """A Stage on a sandbox that is made with these arguments."""
    arguments = {"phones": PHONES, "default_phone": BUSY, **arguments}
    async with Sandbox(folder, **arguments) as sandbox, agentic.connect(sandbox.address) as client:
        yield Stage(sandbox, client)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The stage that chapters share which leave the daemon alone. Others' calls are in its log."""
    async with played(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await stage(...)`: a Stage of the chapter's own, with a sandbox that is made with these arguments."""
    async with AsyncExitStack() as stack:

        async def make(**arguments: Any) -> Stage:
            return await stack.enter_async_context(played(tmp_path, **arguments))

        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def teller(
    language: Language, command: list[str], request: pytest.FixtureRequest
) -> AsyncIterator[Callable[..., Any]]:
    """`await teller(address, ...)`: a running Teller in the language, with these options of its command line."""
    tellers: list[Teller] = []
    request.node.stash[_tellers] = tellers
    async with AsyncExitStack() as stack:

        async def make(address: str, **options: Any) -> Teller:
            words = ["--address", address]
            for name, value in options.items():
                words += [f"--{name}", str(value)]
            made = Teller(f"{language.title}, teller {len(tellers) + 1}", [*command, *words], language.path)
            tellers.append(made)
            return await stack.enter_async_context(made)

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    callspec = getattr(item, "callspec", None)
    if callspec is not None and (language := callspec.params.get("language")) is not None:
        report.user_properties = [*report.user_properties, ("language", language.name)]
    if report.failed:
        for teller in item.stash.get(_tellers, []):
            report.sections.append((f"dialogue of {teller.name}", teller.story()))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What became of a part of a chapter. Of three reports for each test the worst counts."""
    language = dict(report.user_properties).get("language")
    if language is not None:
        chapter = report.nodeid.rpartition("/")[2].partition("[")[0]
        told = _results.setdefault(chapter, {})
        told[str(language)] = worse(told.get(str(language), "passed"), report.outcome)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _results and not hasattr(session.config, "workerinput"):  # a worker of xdist has only some of them
        keep(_results)
