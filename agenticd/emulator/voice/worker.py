"""A child process that answers requests of bytes, one at a time: bounded, started anew when it dies, ended with us."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time

_LENGTH = struct.Struct(">I")
_MOST_ANSWER = 16 * 1024 * 1024


class WorkerFailed(Exception):
    """The child gave no answer, twice; the text says why."""


class Worker:
    """Runs `python -m module` while it is needed. Each request and answer is 4 bytes of length, and so many bytes.

    Its first answer, empty, says that it is ready. `ask` blocks: the answers take milliseconds.
    """

    def __init__(self, module: str, *arguments: str, seconds: float = 20.0) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts the child, if it does not run; it gets ready while we do other things. WorkerFailed if it cannot."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environ,
                bufsize=0,
            )
        except OSError as error:
            raise WorkerFailed(f"{self._command[2]} cannot be started: {error.strerror}") from None
        assert self._process.stdout is not None  # it is a pipe
        os.set_blocking(self._process.stdout.fileno(), False)
        self._ready = False

    def ask(self, request: bytes) -> bytes:
        """The child's answer; where it dies on the way, that of a second one. WorkerFailed."""
        try:
            return self._ask(request)
        except WorkerFailed:
            self.close()
        try:
            return self._ask(request)
        except WorkerFailed:
            self.close()
            raise

    def _ask(self, request: bytes) -> bytes:
        self.start()
        until = time.monotonic() + self._seconds
        if not self._ready:
            self._read(until)
            self._ready = True
        assert self._process is not None  # just started
        assert self._process.stdin is not None  # a pipe
        try:
            self._process.stdin.write(_LENGTH.pack(len(request)) + request)
        except OSError:
            raise WorkerFailed(f"{self._command[2]} ended") from None
        return self._read(until)

    def _read(self, until: float) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, until))
        if length > _MOST_ANSWER:
            raise WorkerFailed(f"{self._command[2]} answered with {length} bytes")
        return self._exactly(length, until)

    def _exactly(self, count: int, until: float) -> bytes:
        assert self._process is not None  # who reads has started it
        assert self._process.stdout is not None  # a pipe
        source = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(source, select.POLLIN)
        read = bytearray()
        while len(read) < count:
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise WorkerFailed(f"{self._command[2]} did not answer within {self._seconds:g} s")
            try:
                piece = os.read(source, count - len(read))
            except BlockingIOError:
                continue
            if not piece:
                raise WorkerFailed(f"{self._command[2]} ended")
            read += piece
        return bytes(read)

    def close(self) -> None:
        """Ends the child and waits for it; it may be used again."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # pipes
        assert process.stdout is not None
        process.kill()  # it has nothing to save
        process.wait()
        process.stdin.close()
        process.stdout.close()
