"""${NAME} in the texts of the configuration: from systemd's credentials, else the environment, else .env."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from agenticd.config.envfile import Value
from agenticd.config.files import read_text
from agenticd.config.problems import ConfigError, Wrong

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_USE = re.compile(rf"\$\$\{{|\$\{{(?P<name>{_NAME})(?::-(?P<default>[^}}]*))?\}}|(?P<bad>\$\{{)")


@dataclass(frozen=True, slots=True)
class Found:
    """A variable's value and where it came from, in words."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """A text with its variables filled in, and those that were."""

    text: str
    used: tuple[Found, ...]


class Variables:
    """All that can be used. A credential is a file of the variable's name in $CREDENTIALS_DIRECTORY."""

    def __init__(self, environ: Mapping[str, str], dotenv: Mapping[str, Value], dotenv_shown: str) -> None:
        self._environ = environ
        self._dotenv = dotenv
        self._shown = dotenv_shown
        directory = environ.get("CREDENTIALS_DIRECTORY", "")
        self._credentials = Path(directory) if directory.startswith("/") else None

    def find(self, name: str) -> Found | None:
        """The variable, by the order of places. Raises Wrong for one that cannot be read."""
        credential = self._credential(name)
        if credential is not None:
            return Found(name, credential, f"the credential {name}")
        if (value := self._environ.get(name)) is not None:
            if any("\ud800" <= char <= "\udfff" for char in value):
                raise Wrong(f"${{{name}}} is not UTF-8 in the environment")
            return Found(name, value, "the environment")
        if (entry := self._dotenv.get(name)) is not None:
            return Found(name, entry.text, f"{self._shown}:{entry.line}")
        return None

    def replace(self, text: str) -> Replaced:
        """The text with each ${NAME} and ${NAME:-default} replaced, once; $${ is ${. Raises Wrong."""
        wrong: list[str] = []
        used: list[Found] = []

        def value_of(use: re.Match[str]) -> str:
            name, default = use["name"], use["default"]
            if use["bad"] or "${" in (default or ""):
                wrong.append("${ begins a variable, ${NAME} or ${NAME:-default}; where it shall stay, write $${")
                return ""
            if name is None:
                return "${"
            try:
                found = self.find(name)
            except Wrong as error:
                wrong.append(str(error))
                return ""
            if found is not None and (found.value or default is None):
                used.append(found)
                return found.value
            if default is None:
                wrong.append(self._missing(name))
                return ""
            return str(default)

        replaced = _USE.sub(value_of, text)
        if wrong:
            raise Wrong("; ".join(dict.fromkeys(wrong)))
        return Replaced(replaced, tuple(used))

    def _missing(self, name: str) -> str:
        near = get_close_matches(name, {*self._dotenv, *self._environ}, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}, which is set?" if near else ""
        return (
            f"${{{name}}} is not set; set {name} in the environment or in {self._shown}, "
            f"or give it as the systemd credential {name}{hint}"
        )

    def _credential(self, name: str) -> str | None:
        if self._credentials is None:
            return None
        try:
            text = read_text(self._credentials / name, name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ConfigError as error:
            raise Wrong(f"the credential {error}") from None
        # A file that an editor or echo wrote ends with a line break that is no part of the secret.
        return text.removesuffix("\n")
