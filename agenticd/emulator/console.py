"""A line to type on, below lines that appear by themselves: neither disturbs the other. For terminals only."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Self

PROMPT = "> "
_MOST = 2000
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O.|.)?")
_ERASE = "\r\x1b[K"


def usable() -> bool:
    """Whether there is a terminal on both sides."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _in_front(fd: int) -> bool:
    """Whether the terminal is ours now: a job in the background that reads it, or changes it, is stopped."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


class Edited:
    """The line that is being typed: pure, keys in, whole lines out."""

    def __init__(self) -> None:
        self.text = ""

    def type(self, keys: str) -> list[str]:
        """The lines that these keys complete. EOFError for Ctrl-D on an empty line."""
        lines: list[str] = []
        for key in _ESCAPE.sub("", keys):
            match key:
                case "\r" | "\n":
                    lines.append(self.text)
                    self.text = ""
                case "\x7f" | "\b":
                    self.text = self.text[:-1]
                case "\x15":  # Ctrl-U
                    self.text = ""
                case "\x17":  # Ctrl-W
                    self.text = self.text.rstrip().rpartition(" ")[0]
                case "\x04" if not self.text:
                    raise EOFError
                case _ if key.isprintable() and len(self.text) < _MOST:
                    self.text += key
        return lines


class Console:
    """Owns the terminal while entered, except in the background. `typed` gets whole lines; `ended` is Ctrl-D."""

    def __init__(self, typed: Callable[[str], None], ended: Callable[[], None]) -> None:
        self._typed = typed
        self._ended = ended
        self._fd = sys.stdin.fileno()
        self._line = Edited()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._before = termios.tcgetattr(self._fd)
        self._reading = False

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, self._take)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCONT)
        self._let_go()

    def write(self, line: str) -> None:
        """A line above the one that is being typed."""
        if not self._reading and _in_front(self._fd):
            self._take()  # a shell's `fg` of a job that runs sends no signal
        sys.stdout.write(f"{_ERASE if self._reading else ''}{line}\n")
        self._draw()

    def _take(self) -> None:
        """The terminal is ours, perhaps again after a Ctrl-Z."""
        if not _in_front(self._fd):
            self._let_go()
            return
        if not self._reading:
            self._before = termios.tcgetattr(self._fd)
            asyncio.get_running_loop().add_reader(self._fd, self._read)
            self._reading = True
        tty.setcbreak(self._fd)
        self._draw()

    def _let_go(self) -> None:
        if not self._reading:
            return
        asyncio.get_running_loop().remove_reader(self._fd)
        self._reading = False
        if _in_front(self._fd):  # the shell that took over has its own settings
            sys.stdout.write(_ERASE)
            sys.stdout.flush()
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        if not _in_front(self._fd):
            self._let_go()
            return
        try:
            keys = os.read(self._fd, 4096)
        except OSError:
            keys = b""
        try:
            lines = self._line.type(self._decoder.decode(keys)) if keys else None
        except EOFError:
            lines = None
        if lines is None:  # Ctrl-D, or the terminal is gone
            self._let_go()
            self._ended()
            return
        for line in lines:
            sys.stdout.write(f"{_ERASE}{PROMPT}{line}\n")
            self._typed(line)
        self._draw()

    def _draw(self) -> None:
        if self._reading:
            room = max(1, shutil.get_terminal_size().columns - len(PROMPT) - 1)
            sys.stdout.write(f"{_ERASE}{PROMPT}{self._line.text[-room:]}")
        sys.stdout.flush()
