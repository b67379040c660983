"""The TwiML documents that we answer with. What Twilio does with them is said in call.py.

Written by Twilio's own library: nothing that a caller or a configuration says can become a verb. Importing
twilio.twiml costs 20 ms and 5 MB; the REST side of that library is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping

from twilio.twiml.voice_response import Connect, VoiceResponse

_SAY_LIMIT = 4096
_PARAMETER_LIMIT = 500
# XML 1.0 has no way at all to write these; one of them would make Twilio drop the whole document (12100).
_NOT_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF))


def connect_stream(*, stream_url: str, action_url: str, stream_status_url: str, parameters: Mapping[str, str]) -> str:
    """Connect the call's audio to `stream_url`; when that is over, however it ended, ask `action_url`.

    Twilio: the stream's URL has no query (error 31920), and a parameter's name and value have less than 500
    characters together. They arrive in `start`.
    """
    if "?" in stream_url:
        raise AssertionError("Twilio takes no query in a stream's URL; data goes in parameters")
    response = VoiceResponse()
    connect = Connect(action=action_url, method="POST")
    stream = connect.stream(url=stream_url, status_callback=stream_status_url, status_callback_method="POST")
    for name, value in parameters.items():
        if len(name) + len(value) >= _PARAMETER_LIMIT:
            raise AssertionError(f"stream parameter {name} is too long for Twilio")
        stream.parameter(name=name, value=value)
    response.append(connect)
    # Reached where Twilio goes on with the next verb in place of the action.
    response.redirect(action_url, method="POST")
    return str(response)


def hang_up() -> str:
    """End the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def reject(busy: bool) -> str:
    """Do not answer an inbound call, so that it costs nothing: a busy tone, or "not in service"."""
    response = VoiceResponse()
    response.reject(reason="busy" if busy else "rejected")
    return str(response)


def say_and_hang_up(text: str) -> str:
    """Say this in Twilio's voice, then end the call. Twilio says at most 4096 characters; the rest is cut."""
    response = VoiceResponse()
    response.say(text.translate(_NOT_XML)[:_SAY_LIMIT])
    response.hangup()
    return str(response)
