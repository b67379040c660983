"""The child's end of `worker`: requests on stdin, answers on stdout, each 4 bytes of length and so many bytes."""

from __future__ import annotations

import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO

LENGTH = struct.Struct(">I")


def answer(answers: BinaryIO, body: bytes) -> None:
    """Send one answer."""
    answers.write(LENGTH.pack(len(body)) + body)
    answers.flush()


def run(serve: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Serve on stdin and stdout; what a library may print goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:
        os._exit(0)  # nobody listens any more
