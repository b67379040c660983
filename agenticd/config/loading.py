"""Finds the configuration's files, reads them together, and gives settings or all that is wrong."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from agenticd.config import document, door, envfile, values
from agenticd.config.document import Node
from agenticd.config.files import read_text
from agenticd.config.places import find_config, places
from agenticd.config.problems import ConfigError, Problems
from agenticd.config.reading import Reading
from agenticd.config.schema import ELSEWHERE, Surroundings, agents_of, build
from agenticd.config.tree import Settings
from agenticd.config.variables import Variables

DOTENV = ".env"


def load(path: Path | None = None, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """The settings from `path`, else from the usual places (places.py). Raises ConfigError with all problems.

    `environ` and `cwd`: those of the process, if not given.
    """
    environ = os.environ if environ is None else environ
    file, shown = find_config(path, environ, Path.cwd() if cwd is None else cwd)
    root, problems, variables = _opened(file, shown, environ)
    settings = None
    if root is not None:
        home = environ.get("HOME", "")
        around = Surroundings(file.parent, places(environ), home, socket.gethostname())
        settings = build(root, Reading(problems, variables, ELSEWHERE), around)
    if problems.found or settings is None:
        assert problems.found, "no settings, and no problem that says why"
        raise ConfigError(problems.found)
    return settings


def load_agents(path: Path, environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The agents of a configuration by name, as they are written there, variables filled in. The rest of the file is
    not judged: whoever only tries out agents needs no secrets. Raises ConfigError with all problems of theirs."""
    root, problems, variables = _opened(path, str(path), environ)
    found = agents_of(root, Reading(problems, variables, ELSEWHERE)) if root is not None else {}
    if problems.found:
        raise ConfigError(problems.found)
    return found


def load_token_file(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Where the configuration, from `path` or the usual places, has its tokens: grpc.tokens. The rest of the file is
    not judged: whoever makes a token needs no secrets. Raises ConfigError."""
    file, shown = find_config(path, environ, cwd)
    root, problems, variables = _opened(file, shown, environ)
    home = environ.get("HOME", "")
    found = None
    if root is not None:
        leaf = values.file_under(file.parent, home, door.TOKENS)
        found = door.tokens_of(root, Reading(problems, variables, ELSEWHERE), leaf)
    if problems.found:
        raise ConfigError(problems.found)
    if found is None:
        raise ConfigError.of(shown, f"grpc.tokens: is not set; write tokens: {door.TOKENS}, or name the file: --file")
    return found


def _opened(file: Path, shown: str, environ: Mapping[str, str]) -> tuple[Node | None, Problems, Variables]:
    """The document, where problems go, and what ${NAME} can be. Raises ConfigError where none of it can be had."""
    try:
        text = read_text(file, shown)
    except (FileNotFoundError, NotADirectoryError):  # gone since it was found
        raise ConfigError.of(shown, "there is no such file") from None
    beside = shown.removesuffix(file.name) + DOTENV
    in_dotenv, problems = Problems(beside), Problems(shown)
    dotenv = envfile.read(file.parent / DOTENV, beside, in_dotenv)
    if in_dotenv.found:  # else each of its variables would be missing, too
        raise ConfigError(in_dotenv.found)
    variables = Variables(environ, dotenv, beside)
    return document.parse(text, problems), problems, variables
