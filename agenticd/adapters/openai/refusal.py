"""Why there is no session with the model, or none any more: a code, and words for whoever runs the daemon.

No text of a library and no secret gets in; of the peer's own text only its error code and its closing words.
"""

from __future__ import annotations

import re
import socket
import ssl
from http import HTTPStatus

from picows import WSCloseCode, WSHandshakeError
from picows.picows import WSCloseHandshake

_CODE = re.compile(rb'"code"\s*:\s*"([a-z0-9_]{1,64})"')
_BY_STATUS = {
    401: "OpenAI does not know the API key",
    403: "OpenAI does not allow this to the API key",
    404: "OpenAI has no such model or address",
    429: "OpenAI takes no more sessions: too many, or no credit",
}


def explain(error: Exception, timeout: float) -> tuple[int, str]:
    """The HTTP status, or 0, and the words for a connection that could not be had."""
    match error:
        case WSHandshakeError(response=response) if response is not None and response.status != 101:
            return _refused(response.status, error.raw_body or b"")
        case TimeoutError():
            return 0, f"OpenAI did not answer within {timeout:g} s"
        case ConnectionRefusedError():
            return 0, "OpenAI's address takes no connections"
        case socket.gaierror():
            return 0, "OpenAI's host name is unknown"
        case ssl.SSLCertVerificationError():
            return 0, f"OpenAI's certificate is not valid: {error.verify_message}"
        case ssl.SSLError():
            return 0, "no TLS connection with OpenAI"
        case OSError() | EOFError():
            return 0, "OpenAI cannot be reached"
        case _:
            return 0, "OpenAI's address does not speak WebSocket"


def explain_close(code: int, reason: str) -> str:
    """The words for a session that the peer closed; its own stand in “ ”: the log leaves them out (host/story.py)."""
    said = " ".join("".join(char if char.isprintable() else " " for char in reason).split())
    return f"OpenAI closed the session with {code}" + (f" “{said}”" if said else "")


def explain_loss(handshake: WSCloseHandshake | None) -> tuple[int, str]:
    """The close code and the words for a connection that ended without the peer's close frame."""
    sent = None if handshake is None else handshake.sent
    if sent is None:
        return 1006, "the connection to OpenAI was lost"
    if sent.code is WSCloseCode.GOING_AWAY:  # sent by picows' watch over pings, and by nobody else
        return 1006, "OpenAI gave no sign of life"
    return sent.code.value, "OpenAI broke the WebSocket protocol"


def _refused(status: HTTPStatus, body: bytes) -> tuple[int, str]:
    words = _BY_STATUS.get(status) or f"OpenAI answered with HTTP {status.value}"
    code = _CODE.search(body)
    return status.value, f"{words} ({code[1].decode()})" if code else words
