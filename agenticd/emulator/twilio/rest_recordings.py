"""Recordings over REST: of the account and of one call, their sound, and the recording of a call that runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from aiohttp import web

from agenticd.emulator.twilio import listing, params
from agenticd.emulator.twilio.call import Call
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import NOT_BUILT, Debugger
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.recording import Recording
from agenticd.emulator.twilio.rest_calls import Account, read_form

_SID = "{recording:RE[0-9a-f]+}"


class RecordingResources:
    """Recordings.json and below, and the same of one call."""

    def __init__(self, config: TwilioConfig, debugger: Debugger, account: Account) -> None:
        self._config = config
        self._debugger = debugger
        self._account = account

    def routes(self, app: web.Application, root: str) -> None:
        """Add the paths."""
        app.router.add_get(f"{root}/Recordings.json", self._list)
        app.router.add_get(f"{root}/Calls/{{sid}}/Recordings.json", self._list)
        app.router.add_post(f"{root}/Calls/{{sid}}/Recordings.json", self._start)
        for path in (f"{root}/Recordings/{_SID}", f"{root}/Calls/{{sid}}/Recordings/{_SID}"):
            app.router.add_get(f"{path}.json", self._fetch)
            app.router.add_delete(f"{path}.json", self._delete)
            app.router.add_get(f"{path}.wav", self._media)
            app.router.add_get(f"{path}.mp3", self._mp3)
            app.router.add_get(path, self._media)
        app.router.add_post(f"{root}/Calls/{{sid}}/Recordings/{{recording}}.json", self._update)

    async def _list(self, request: web.Request) -> web.Response:
        at = self._config.now.read_at()
        found = listing.recordings(self._known(request, at), request.query)
        return web.json_response(
            listing.page("recordings", found, lambda one: self._shown(request, one, at), request.path, request.query)
        )

    async def _fetch(self, request: web.Request) -> web.Response:
        at = self._config.now.read_at()
        return web.json_response(self._shown(request, self._recording(request, at), at))

    async def _delete(self, request: web.Request) -> web.Response:
        recording = self._recording(request)
        if recording.live:
            raise RestError(20009, recording.sid)
        recording.call.recordings.remove(recording)
        return web.Response(status=204)

    async def _media(self, request: web.Request) -> web.Response:
        recording = self._recording(request)
        if recording.status != "completed":
            raise RestError(20404, request.path)
        wanted = request.query.get("RequestedChannels", "")
        channels: dict[str, Literal[1, 2] | None] = {"": None, "1": 1, "2": 2}
        if wanted not in channels or (wanted == "2" and recording.channels == 1):
            raise RestError(20001, f"RequestedChannels {wanted}: the recording has {recording.channels}")
        return web.Response(body=recording.wav(channels[wanted]), content_type="audio/x-wav")

    async def _mp3(self, request: web.Request) -> web.Response:
        recording = self._recording(request)
        self._debugger.note(NOT_BUILT, recording.call.sid, "this emulator offers no mp3 of a recording: ask for .wav")
        raise RestError(20404, request.path)

    # Of a call that runs.

    async def _start(self, request: web.Request) -> web.Response:
        call = self._call(request)
        form = await read_form(request)
        wanted = params.recorded(form, lambda code, text: self._debugger.note(code, call.sid, text), trim=False)
        life = self._account.life(call.sid)
        if life is None or call.status != "in-progress":
            raise RestError(21220, "Requested resource is not eligible for recording")
        recording = life.recorder.begin(
            "StartCallRecordingAPI", wanted.channels, wanted.track, trim=wanted.trim, told=wanted.told
        )
        return web.json_response(self._shown(request, recording), status=201)

    async def _update(self, request: web.Request) -> web.Response:
        call = self._call(request)
        form = await read_form(request)
        status, behaviour = form.get("Status"), form.get("PauseBehavior") or "silence"
        recording = self._current(call) if request.match_info["recording"] == "Twilio.CURRENT" else None
        recording = recording or self._recording(request)
        life = self._account.life(call.sid)
        if status not in ("in-progress", "paused", "stopped") or behaviour not in ("skip", "silence"):
            raise RestError(20001, f"Status is in-progress, paused or stopped, not {status!r}")
        if life is None or not recording.live:
            raise RestError(21220, f"the recording is {recording.status}")
        match status:
            case "stopped":
                life.recorder.finish(recording)
            case "paused" if recording.status == "in-progress":
                recording.pause("skip" if behaviour == "skip" else "silence")
            case "in-progress" if recording.status == "paused":
                recording.resume()
        return web.json_response(self._shown(request, recording))

    @staticmethod
    def _current(call: Call) -> Recording | None:
        live = [recording for recording in call.recordings if recording.live]
        return live[0] if len(live) == 1 else None

    def _known(self, request: web.Request, at: float | None = None) -> Iterator[Recording]:
        """Those under the path of a request, oldest first, as of a time, None: now."""
        calls = [self._call(request, at)] if "sid" in request.match_info else self._account.calls.values()
        for call in calls:
            yield from (recording for recording in call.recordings if at is None or recording.started <= at)

    def _recording(self, request: web.Request, at: float | None = None) -> Recording:
        for recording in self._known(request, at):
            if recording.sid == request.match_info["recording"]:
                return recording
        raise RestError(20404, request.path)

    def _call(self, request: web.Request, at: float | None = None) -> Call:
        call = self._account.calls.get(request.match_info["sid"])
        if call is None or (at is not None and call.created > at):
            raise RestError(20404, request.path)
        return call

    def _shown(self, request: web.Request, recording: Recording, at: float | None = None) -> dict[str, object]:
        return recording.resource(self._account.api_url, of_call="sid" in request.match_info, at=at)
