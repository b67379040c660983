"""`agentctl node backup`: the copy of the log as a file. Loaded only by that command."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from agentctl import output
from agentctl.connect import run
from agentctl.exits import Exit
from agentctl.options import Env

if TYPE_CHECKING:
    from agentic import Client
    from agentic.v1.node_service_pb2 import BackupOpened


def copy(env: Env, name: str | None, *, force: bool) -> int:
    """Ask the daemon for a copy, and write it under that name; None: one made of the log's epoch and revision."""
    file = None if name is None else Path(name)
    if file is not None and file.exists() and not force:
        raise click.UsageError(f"{file} exists: name another file, or add --force to replace it.")
    folder = Path.cwd() if file is None else file.parent
    copied: list[BackupOpened] = []

    async def work(client: Client) -> int:
        copied.append(await client.backup(target))
        return Exit.OK

    try:
        with _unfinished(folder) as (target, part):
            code = run(env, work)
            if code != Exit.OK:
                return code
            (opened,) = copied
            done = file or folder / f"agenticd-{opened.epoch}-{opened.revision}.db"
            target.flush()
            os.fsync(target.fileno())
            part.replace(done)
    except OSError as error:
        raise click.ClickException(f"{folder}: {(error.strerror or str(error)).lower()}") from None
    _show_backup(env, opened, done)
    return Exit.OK


@contextmanager
def _unfinished(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A file that only its owner can read, and that is gone afterwards unless it has got another name."""
    descriptor, name = tempfile.mkstemp(prefix=".agenticd-backup-", dir=folder)
    try:
        with open(descriptor, "wb") as target:
            yield target, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _show_backup(env: Env, opened: BackupOpened, done: Path) -> None:
    from agentctl import words

    match env.format():
        case "json" | "jsonl":
            output.json_line({"file": str(done), **output.to_dict(opened)})
        case "id":
            output.ident(str(done))
        case "table":
            covers = f"revisions {opened.first_revision} to {opened.revision}" if opened.revision else "no event"
            output.line(words.flat(f"{done}: {covers}, epoch {opened.epoch}, {opened.size:,} bytes"))
        case _:
            facts = {"file": str(done), "revision": str(opened.revision), "epoch": opened.epoch}
            output.pairs((label, words.flat(value)) for label, value in facts.items())
