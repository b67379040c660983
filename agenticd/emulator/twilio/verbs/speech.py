"""`<Say>`, `<Play>` and `<Pause>`: what Twilio lets the person on the phone hear."""

from __future__ import annotations

import asyncio

from agenticd.emulator.phone import dtmf
from agenticd.emulator.twilio import sound as sounds
from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.debugger import NOT_BUILT
from agenticd.emulator.twilio.twiml import Document, Pause, Play, Prompt, Say, Sound
from agenticd.emulator.twilio.verbs.line import Line, rounds
from agenticd.emulator.twilio.webhook import MAX_SOUND, NoAnswer

NO_AUDIO = 13420
"""Twilio's code for a `<Play>` of something else; within a `<Gather>` it has another."""


async def perform(line: Line, verb: Prompt, document: Document, no_audio: int = NO_AUDIO) -> None:
    """Say it, play it, or wait."""
    match verb:
        case Say():
            audio = line.office.voice.say(verb.text, "agent")
            for _ in rounds(verb.loop):
                line.call.said.append(verb.text)
                await line.play(audio)
        case Play():
            await _play(line, verb, document, no_audio)
        case Pause():
            await asyncio.sleep(verb.length)


async def sound(line: Line, answer: Sound) -> None:
    """Play an answer that is audio itself."""
    audio = _decoded(line, answer.body, answer.content_type, answer.url)
    if audio:
        line.call.played.append(answer.url)
        await line.play(audio)


async def _play(line: Line, play: Play, document: Document, no_audio: int) -> None:
    if play.digits:  # a URL beside them is not asked
        name, audio = play.digits, dtmf.sound(play.digits)
    else:
        name = urls.resolve(document.url, play.url)
        audio = await _fetched(line, name, no_audio)
    if not audio:
        return
    for _ in rounds(play.loop):
        line.call.played.append(name)
        await line.play(audio)


async def _fetched(line: Line, url: str, no_audio: int) -> bytes:
    """The sound at a URL. Without one Twilio's debugger says why; that the next verb follows is not documented."""
    try:
        answer = await line.webhooks.request("media", "GET", url, {})
    except NoAnswer as error:
        line.note(error.code, f"<Play>: {error}")
        return b""
    kind = answer.content_type.partition(";")[0].strip().lower()
    if not 200 <= answer.status < 300:
        line.note(11200, f"<Play>: {answer.url} answered {answer.status}")
    elif not kind:
        line.note(11200, f"<Play>: {answer.url} answered without a content type")
    elif kind not in sounds.KNOWN_TYPES:
        line.note(no_audio, f"<Play>: {answer.url} answered with {kind!r}, which is no audio that Twilio plays")
    elif len(answer.body) >= MAX_SOUND:
        line.note(11200, f"<Play>: {answer.url} answered with more than {MAX_SOUND >> 20} MB")
    else:
        return _decoded(line, answer.body, kind, answer.url)
    return b""


def _decoded(line: Line, body: bytes, kind: str, url: str) -> bytes:
    try:
        return sounds.decode(body, kind)
    except sounds.NotAudio as error:
        # Documented: a content that does not fit its type is a failure of the retrieval.
        line.note(11200, f"<Play>: {url} is no {kind}: {error}")
    except sounds.NotDecoded as error:
        line.note(NOT_BUILT, f"<Play>: {url}: {error}")
    return b""
