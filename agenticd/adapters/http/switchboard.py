"""What the public port needs of the use cases. service/calls.py is one; the tests have a smaller one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from agenticd.core.ids import CallId
from agenticd.core.inputs import Input
from agenticd.core.mediastream import StreamStarted
from agenticd.service.ports import MediaLink

Feed = Callable[[Input], None]
"""A live call's door. Never blocks, never raises."""


class Switchboard(Protocol):
    """Takes what the carrier says about a call. All of it is fast and synchronous.

    The form is the request's parameters, verified to come from the carrier; of a repeated one, the last. All
    but attach raise NotFound and NotLive for a call that there is not (any more), and other AgenticErrors for
    what may pass.
    """

    def voice_requested(self, call_id: CallId, form: Mapping[str, str]) -> str:
        """Our outbound call was answered: the TwiML for it."""

    def resume_requested(self, call_id: CallId, form: Mapping[str, str]) -> str:
        """A media stream has ended and the call has not, or a request failed: the TwiML to go on with."""

    def status_reported(self, call_id: CallId, form: Mapping[str, str]) -> None:
        """The call made progress."""

    def stream_reported(self, call_id: CallId, form: Mapping[str, str]) -> None:
        """The media stream made progress."""

    def arrived(self, form: Mapping[str, str]) -> str:
        """Somebody calls one of our numbers: the TwiML for it."""

    def attach(self, call_id: CallId, start: StreamStarted, link: MediaLink) -> Feed | None:
        """A media stream begins. With a valid token: the call's feed, already given MediaStarted; or None."""
