"""Recordings of a call: cut out of what its telephone sent and heard, byte for byte, and told of as Twilio does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from agenticd.emulator.phone.ear import FRAME, is_voice
from agenticd.emulator.phone.playout import RATE, SILENCE
from agenticd.emulator.twilio import sound
from agenticd.emulator.twilio.call import API_VERSION, Call, Kind, new_sid, rfc2822
from agenticd.emulator.twilio.twiml import Method, RecordingEvent, Told, Track

# Twilio's API document does not name the last one: it is older than <Start><Recording>, and this was seen there.
Source: TypeAlias = Literal["RecordVerb", "DialVerb", "OutboundAPI", "StartCallRecordingAPI", "StartCallRecordingTwiML"]
State: TypeAlias = Literal["in-progress", "paused", "completed", "absent"]
_LIVE: tuple[State, ...] = ("in-progress", "paused")


class Report(Protocol):
    """How callbacks leave: in the background, in order."""

    def __call__(self, kind: Kind, method: Method, url: str, params: Mapping[str, str]) -> None:
        """Queue one."""


class Recording:
    """One recording. Its first channel is what the person on the phone said, the second what they heard."""

    def __init__(
        self,
        call: Call,
        source: Source,
        channels: Literal[1, 2] = 1,
        track: Track = "both",
        trim: bool = False,
        told: Told = Told(),  # noqa: B008 - frozen
    ) -> None:
        self.sid = new_sid("RE")
        self.call = call
        self.source = source
        self.channels = channels
        self.track = track
        self.told = told
        self.started = time.time()
        self.history: list[tuple[State, float]] = [("in-progress", self.started)]
        """Every status that it had, and since when (s since 1970)."""
        self._trim = trim
        self._parts: list[tuple[bytes, bytes]] = []
        self._since = len(call.phone.sent)
        self._silent = False  # a pause that counts
        self._said = self._heard = b""

    @property
    def status(self) -> State:
        """What it is now."""
        return self.history[-1][0]

    @property
    def live(self) -> bool:
        """Whether it goes on, or could."""
        return self.status in _LIVE

    @property
    def seconds(self) -> int:
        """How long it is."""
        return round(max(len(self._said), len(self._heard)) / RATE)

    def pause(self, behaviour: Literal["skip", "silence"]) -> None:
        """Take nothing more until `resume`; "silence": the time counts."""
        self._cut()
        self._silent = behaviour == "silence"
        self._become("paused")

    def resume(self) -> None:
        """Go on after a pause."""
        if self._silent:
            self._parts.append((SILENCE * (len(self.call.phone.sent) - self._since), b""))
        self._since = len(self.call.phone.sent)
        self._become("in-progress")

    def finish(self, length: int | None = None) -> None:
        """It is complete; without a sound in it, it is absent. Once it is, nothing changes.

        `length` are the bytes that it may have; None: all until now.
        """
        if not self.live:
            return
        if self.status == "in-progress":
            self._cut(length)
        said = b"".join(part[0] for part in self._parts) if self.track != "outbound" else b""
        heard = b"".join(part[1].ljust(len(part[0]), SILENCE) for part in self._parts)
        heard = heard if self.track != "inbound" else b""
        if self._trim:
            said, heard = _trimmed(said, heard)
        self._said, self._heard = said, heard
        self._become("completed" if said or heard else "absent")

    def _become(self, status: State) -> None:
        self.history.append((status, time.time()))

    def _cut(self, length: int | None = None) -> None:
        phone, end = self.call.phone, len(self.call.phone.sent)
        if length is not None:
            end = min(end, self._since + max(0, length - sum(len(said) for said, _ in self._parts)))
        self._parts.append((bytes(phone.sent[self._since : end]), bytes(phone.heard[self._since : end])))
        self._since = end

    def wav(self, channels: Literal[1, 2] | None = None) -> bytes:
        """Its sound as a file; None: with its own number of channels."""
        length = max(len(self._said), len(self._heard))
        if (channels or self.channels) == 2:
            return sound.wav([self._said.ljust(length, SILENCE), self._heard.ljust(length, SILENCE)])
        return sound.wav([sound.mixed(self._said, self._heard)])

    @property
    def uri(self) -> str:
        """Where it is, without `.json`; its sound is there, too."""
        return f"/{API_VERSION}/Accounts/{self.call.account_sid}/Recordings/{self.sid}"

    def resource(self, api_url: str, *, of_call: bool = False, at: float | None = None) -> dict[str, object]:
        """The Recording as REST shows it, among the account's or among its call's. `at`: as it was then, None: now."""
        status, updated = [entry for entry in self.history if at is None or entry[1] <= at][-1]
        uri = f"{self.call.uri}/Recordings/{self.sid}" if of_call else self.uri
        shown: dict[str, object] = {
            "sid": self.sid,
            "account_sid": self.call.account_sid,
            "call_sid": self.call.sid,
            "conference_sid": None,
            "api_version": API_VERSION,
            "date_created": rfc2822(self.started),
            "date_updated": rfc2822(updated),
            "start_time": rfc2822(self.started),
            "duration": None if status in _LIVE else str(self.seconds),
            "status": status,
            "channels": self.channels,
            "source": self.source,
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "encryption_details": None,
            "uri": f"{uri}.json",
        }
        if of_call:
            return {**shown, "track": self.track}
        below = {name: f"{self.uri}/{name}.json" for name in ("AddOnResults", "Transcriptions")}
        return {
            **shown,
            "media_url": f"{api_url}{self.uri}",
            "subresource_uris": {"add_on_results": below["AddOnResults"], "transcriptions": below["Transcriptions"]},
        }


class Recorder:
    """Begins and finishes the recordings of one call, and tells of them."""

    def __init__(self, call: Call, report: Report, api_url: str) -> None:
        self._call = call
        self._report = report
        self._api_url = api_url

    def begin(
        self, source: Source, channels: Literal[1, 2], track: Track = "both", *, trim: bool, told: Told
    ) -> Recording:
        """Record from now on."""
        recording = Recording(self._call, source, channels, track, trim, told)
        self._call.recordings.append(recording)
        self._tell(recording, "in-progress")
        return recording

    def finish(self, recording: Recording, length: int | None = None) -> None:
        """Until now, or until it has this length."""
        if recording.live:
            recording.finish(length)
            self._tell(recording, "completed" if recording.status == "completed" else "absent")

    def finish_all(self, source: Source | None = None) -> None:
        """All that go on; of one source, or of all."""
        for recording in self._call.recordings:
            if source in (None, recording.source):
                self.finish(recording)

    def params(self, recording: Recording) -> dict[str, str]:
        """What webhooks say of it."""
        return {
            "RecordingUrl": f"{self._api_url}{recording.uri}",
            "RecordingSid": recording.sid,
            "RecordingDuration": str(recording.seconds),
        }

    def _tell(self, recording: Recording, event: RecordingEvent) -> None:
        told = recording.told
        if not told.url or event not in told.events:
            return
        params = self.params(recording)
        if event == "in-progress":
            del params["RecordingDuration"]
        about = {
            "RecordingStatus": event,
            "RecordingChannels": str(recording.channels),
            "RecordingStartTime": rfc2822(recording.started),
            "RecordingSource": recording.source,
            "RecordingTrack": recording.track,
        }
        self._report("recording", told.method, told.url, {**params, **about})


def _trimmed(said: bytes, heard: bytes) -> tuple[bytes, bytes]:
    """Both without the silence before the first and after the last sound in either. A frame more stays at both ends: a
    sound may begin in the last samples of one that is silent as a whole."""
    length = max(len(said), len(heard))
    loud = [
        at
        for at in range(0, length, FRAME)
        if any(is_voice(audio[at : at + FRAME].ljust(FRAME, SILENCE)) for audio in (said, heard) if audio)
    ]
    if not loud:
        return b"", b""
    within = slice(max(0, loud[0] - FRAME), loud[-1] + 2 * FRAME)
    return said[within], heard[within]
