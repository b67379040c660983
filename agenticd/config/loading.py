"""Finds the configuration's files, reads them together, and gives settings or all that is wrong."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from agenticd.config import document, envfile
from agenticd.config.files import read_text
from agenticd.config.places import find_config, places
from agenticd.config.problems import ConfigError, Problems
from agenticd.config.reading import Reading
from agenticd.config.schema import ELSEWHERE, Surroundings, build
from agenticd.config.tree import Settings
from agenticd.config.variables import Variables

DOTENV = ".env"


def load(path: Path | None = None, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """The settings from `path`, else from the usual places (places.py). Raises ConfigError with all problems.

    `environ` and `cwd`: those of the process, if not given.
    """
    environ = os.environ if environ is None else environ
    file, shown = find_config(path, environ, Path.cwd() if cwd is None else cwd)
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
    root = document.parse(text, problems)
    settings = None
    if root is not None:
        home = environ.get("HOME", "")
        around = Surroundings(file.parent, places(environ), home, socket.gethostname())
        settings = build(root, Reading(problems, variables, ELSEWHERE), around)
    if problems.found or settings is None:
        assert problems.found, "no settings, and no problem that says why"
        raise ConfigError(problems.found)
    return settings
