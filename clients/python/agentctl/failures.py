"""What is said of each error, and what can be done about it. Imported only when something went wrong."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Mapping

from agentctl.exits import Exit, Failure
from agentic import errors
from agentic.errors import AgenticError
from agentic.target import ADDRESS_VARIABLE, TOKEN_VARIABLE, Target
from agentic.tls import CA_VARIABLE, CERT_VARIABLE, KEY_VARIABLE

_EXITS: Mapping[type[AgenticError], Exit] = {
    errors.InvalidArgument: Exit.USAGE,
    errors.CallNotFound: Exit.NOT_FOUND,
    errors.CallNotLive: Exit.PRECONDITION,
    errors.CursorInvalid: Exit.CURSOR,
    errors.Unavailable: Exit.UNREACHABLE,
    errors.Unauthenticated: Exit.DENIED,
    errors.DeadlineExceeded: Exit.TIMEOUT,
}
_LOOK = "look at it: systemctl status agenticd; or start it: agenticd serve"
_ELSEWHERE = f"name another address with --addr or {ADDRESS_VARIABLE}"


_TOKEN_WANTED = f"name the file with your token in {TOKEN_VARIABLE}, or use the daemon's Unix socket"
_FILES: Mapping[str, str] = {
    TOKEN_VARIABLE: "your token",
    CA_VARIABLE: "the authorities that sign for the daemon",
    CERT_VARIABLE: "your certificate",
    KEY_VARIABLE: "your certificate's key",
}


def of_file(path: str, message: str, code: Exit = Exit.USAGE) -> Failure:
    """The failure that a file of the environment is."""
    named = [f"{name} names the file with {what}" for name, what in _FILES.items() if os.environ.get(name) == path]
    data: dict[str, object] = {"code": "", "reason": "", "message": message, "metadata": {}}
    return Failure(code, [message], "; ".join(named), data)


def failure(error: AgenticError, target: Target) -> Failure:
    """The failure that an error of the client is."""
    data: dict[str, object] = {
        "code": error.code,
        "reason": error.reason,
        "message": error.message,
        "metadata": dict(error.metadata),
    }
    if isinstance(error, errors.Unreachable):
        exit_code, message, hint = _unreachable(target, error)
        return Failure(exit_code, [message], hint, data | {"message": message})
    if isinstance(error, errors.Unauthenticated) and target.path is None:
        message, hint = _unknown_here(target)
        return Failure(Exit.DENIED, [message], hint, data | {"message": message})
    exit_code = next((code for kind, code in _EXITS.items() if isinstance(error, kind)), Exit.FAILED)
    messages = [typed(f"{wrong.field} {wrong.description}") for wrong in error.violations] or [error.message]
    return Failure(exit_code, messages, _hint(error), data)


# Fields of requests, as they are typed on the command line.
_TYPED: Mapping[str, str] = {
    "to_address": "TO",
    "from_address": "--from",
    "call_id": "CALL_ID",
    "call_ids": "--call",
    "after_revision": "--after",
    "variables": "--var",
    "metadata": "--meta",
    "request_id": "--request-id",
    "reason": "--reason",
    "agent": "--agent",
    "types": "--type",
    "page_size": "--limit",
}
_FIELD = re.compile(
    r"^(call_ids|metadata|variables|types)\[([^]]*)\]|^[a-z_]+(?![\w.])|\b(?:options|overrides)\.[a-z_]+"
)


def typed(text: str) -> str:
    """What is wrong with a field, in the words of who typed it: "--ring-timeout must …"."""

    def name(match: re.Match[str]) -> str:
        if match[1]:
            key = "" if match[2].isdigit() else f" {match[2]}"
            return _TYPED[match[1]] + key
        part, dot, option = match[0].partition(".")
        return f"--{option.replace('_', '-')}" if dot else _TYPED.get(part, part)

    return _FIELD.sub(name, text)


def _hint(error: AgenticError) -> str:
    match error:
        case errors.RequestIdReused():
            return "give another --request-id, or none"
        case errors.CallNotFound():
            return "agentctl call ls shows the calls that the daemon knows"
        case errors.CursorCompacted():
            return f"events before {error.first_revision} are gone; --after 0 begins with the oldest that is kept"
        case errors.LogReplaced():
            return "the daemon has another log now; --after 0 begins with the oldest event that is kept"
        case errors.TooManyCalls():
            return f"try again in {error.retry_after or 5:.0f} s"
        case errors.Draining():
            return "it takes no new calls until it is started again: systemctl restart agenticd"
        case errors.Unavailable():
            return "nothing was done; try again"
        case errors.Unauthenticated():
            return _TOKEN_WANTED
        case errors.DeadlineExceeded():
            return "whether it was done is not known; allow more time with --timeout"
        case errors.Internal():
            return f"report it with what the daemon's log has: journalctl -u agenticd -g {error.incident}"
    return ""


def _unknown_here(target: Target) -> tuple[str, str]:
    """What is said where the token is wrong or missing, and what can be done about it."""
    if target.token is None:
        certificate = "" if target.tls is None else " or a certificate"
        return f"{target.shown} needs a token{certificate}", _TOKEN_WANTED
    if not os.environ.get(TOKEN_VARIABLE):
        hint = _TOKEN_WANTED
    elif target.tls is None:
        hint = "the daemon's own token is in the file token beside its socket; or use that socket"
    else:
        hint = "agenticd token ls, on the daemon's machine, shows which are good"
    return f"the token in {target.token_file} is not good at {target.shown}", hint


_WRONG_PORT = "is it the right port?"
# By Unreachable.why.
_OF_CONNECTIONS: Mapping[str, str] = {
    "untrusted": f"name the file with the authority that signed it in {CA_VARIABLE}",
    "expired": "renew it there, then: systemctl reload agenticd",
    "wrong_name": "use a name or an address that is in it, or have one made for this one",
    "no_tls": f"there agenticd has no grpc.tls; {_WRONG_PORT}",
    "no_grpc": _WRONG_PORT,
    "closed": f"where it speaks TLS: --addr tls:HOST:PORT; where it asks for certificates: {CERT_VARIABLE} and "
    f"{KEY_VARIABLE}",
}


def _unreachable(target: Target, error: errors.Unreachable) -> tuple[Exit, str, str]:
    """Why nobody answers, by trying the address once more without gRPC, which does not always tell."""
    said = error.message
    silent = f"agenticd does not answer on {target.shown}"
    path = target.path
    if path is None:
        host, _, port = target.address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1.0).close()
        except ConnectionRefusedError:
            said = "nobody listens"
        except OSError as broken:
            said = (broken.strerror or said).lower()
        else:
            if error.why:
                return Exit.UNREACHABLE, f"no connection to {target.shown}: {said}", _OF_CONNECTIONS[error.why]
        return Exit.UNREACHABLE, f"{silent} ({said})", f"is it running there? Else {_ELSEWHERE}"
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except FileNotFoundError:
            places = " or ".join(target.places)
            none = f"agenticd does not answer: no socket is at {places}" if places else f"{silent} (no such socket)"
            return Exit.UNREACHABLE, none, f"start it, or {_ELSEWHERE}"
        except PermissionError:
            hint = 'join the group that may use it: sudo usermod -aG agenticd "$USER", then log in again'
            return Exit.DENIED, f"{silent} (permission denied)", hint
        except OSError as broken:
            reason = errno.errorcode.get(broken.errno or 0, "").lower()
            text = "nobody listens" if reason == "econnrefused" else (broken.strerror or reason).lower()
            return Exit.UNREACHABLE, f"{silent} ({text})", _LOOK
    return Exit.UNREACHABLE, f"{silent} ({said})", _LOOK
