"""The lines that a teller reads and writes, as tests/clients/README.md has them. Both tellers share them."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from agentic import AgenticError, Cursor, _requests
from agentic.v1 import call_pb2, event_pb2
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.node_service_pb2 import GetStatusResponse

REFUSED = (ValueError, TypeError, OSError)
"""What the client says, before it asks anybody, to an argument or an address that is wrong."""

_lock = threading.Lock()
_sent: ContextVar[str] = ContextVar("request_id", default="")


def write(**line: Any) -> None:
    """One line, whole, at once."""
    text = json.dumps(line, ensure_ascii=False)
    with _lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def watch_requests() -> None:
    """Remember which request_id goes out: the client does not say which one it made, and the story asks."""
    make = _requests.place_call

    def place_call(*arguments: Any, **options: Any) -> pb.PlaceCallRequest:
        request = make(*arguments, **options)
        _sent.set(request.request_id)
        return request

    _requests.place_call = place_call


def error(failure: Exception) -> dict[str, Any]:
    """What went wrong."""
    told: dict[str, Any] = {"type": type(failure).__name__, "message": str(failure)}
    if not isinstance(failure, AgenticError):
        nothing: dict[str, Any] = {"metadata": {}, "violations": [], "retry_after": 0.0, "request_id": ""}
        return {**told, "code": "INVALID_ARGUMENT", "reason": "", **nothing}
    violations = [{"field": wrong.field, "description": wrong.description} for wrong in failure.violations]
    return {
        **told,
        "code": failure.code,
        "reason": failure.reason,
        "metadata": dict(failure.metadata),
        "violations": violations,
        "retry_after": failure.retry_after or 0.0,
        "request_id": failure.request_id,
    }


def placed(answer: pb.PlaceCallResponse) -> dict[str, Any]:
    """What PlaceCall answered."""
    return {
        **state(answer.call),
        "revision": answer.revision,
        "epoch": answer.epoch,
        "replayed": answer.replayed,
        "request_id": _sent.get(),
    }


def order_of(order: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of place_call."""
    names = ("request_id", "agent", "greeting", "metadata")
    return {"to_address": order["to"], **{name: order[name] for name in names if name in order}}


def state(call: call_pb2.Call) -> dict[str, Any]:
    """Which call, and where it stands."""
    return {"call_id": call.call_id, "state": _name(call_pb2.CallState.Name(call.state), "CALL_STATE_")}


def shown(answer: pb.GetCallResponse) -> dict[str, Any]:
    """What GetCall answered."""
    end = answer.call.end
    return {
        **state(answer.call),
        "end_reason": _name(call_pb2.EndReason.Name(end.reason), "END_REASON_"),
        "ended_by": _name(call_pb2.EndedBy.Name(end.ended_by), "ENDED_BY_"),
        "revision": answer.revision,
        "epoch": answer.epoch,
    }


def listed(pages: list[pb.ListCallsResponse]) -> dict[str, Any]:
    """All pages of a list."""
    calls = [call.call_id for page in pages for call in page.calls]
    return {"calls": calls, "revision": pages[0].revision, "epoch": pages[0].epoch}


def said(answer: pb.GetTranscriptResponse) -> dict[str, Any]:
    """What GetTranscript answered."""
    return {"utterances": [{"speaker": _speaker(one.speaker), "text": one.text} for one in answer.utterances]}


def status(answer: GetStatusResponse) -> dict[str, Any]:
    """What GetStatus answered."""
    return {"version": answer.version, "epoch": answer.epoch, "head_revision": answer.head_revision}


def to_follow(order: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `events`. Raises ValueError for a cursor that is none."""
    given = {name: order[name] for name in ("call_ids", "types", "live") if name in order}
    if "cursor" in order:
        given["after"] = Cursor.parse(order["cursor"])
    elif "after" in order:
        given["after"] = order["after"]
    return given


def placed_of(order: Mapping[str, Any]) -> pb.PlaceCallResponse:
    """The answer of a `place` that was told before."""
    call = call_pb2.Call(call_id=order["call_id"])
    return pb.PlaceCallResponse(call=call, revision=order["revision"], epoch=order["epoch"])


def item(name: str, one: event_pb2.Event | event_pb2.LiveWords) -> None:
    """Something that came on a stream."""
    if isinstance(one, event_pb2.LiveWords):
        speaker = _speaker(one.speaker)
        live = {"call_id": one.call_id, "speaker": speaker, "offset": one.offset, "text": one.text}
        write(follow=name, live=live)
        return
    event = {
        "revision": one.revision,
        "call_id": one.call_id,
        "call_sequence": one.call_sequence,
        "kind": one.WhichOneof("payload") or "",
        "text": one.transcript_final.text,
    }
    write(follow=name, event=event)


def end(name: str, failure: Exception | None, cursor: Cursor | None) -> None:
    """The end of a stream."""
    write(follow=name, end=failure and error(failure), cursor=str(cursor or ""))


def _name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).replace("UNSPECIFIED", "")


def _speaker(speaker: event_pb2.Speaker.ValueType) -> str:
    return _name(event_pb2.Speaker.Name(speaker), "SPEAKER_")
