"""Reading the files of the configuration. Says plainly why one cannot be read."""

from __future__ import annotations

from pathlib import Path

from agenticd.config.problems import ConfigError

_LIMIT = 512 * 1024


def read_text(path: Path, shown: str) -> str:
    """The file's text, with \\n at the end of lines.

    Raises FileNotFoundError, NotADirectoryError; for the rest ConfigError, which calls it `shown`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise ConfigError.of(shown, f"cannot be read: {error.strerror or 'the system refuses it'}") from error
    if len(data) > _LIMIT:
        raise ConfigError.of(shown, f"is larger than {_LIMIT // 1024} KiB; this cannot be a configuration")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError.of(shown, f"must be UTF-8; line {line} is not") from None
    return text.replace("\r\n", "\n")
