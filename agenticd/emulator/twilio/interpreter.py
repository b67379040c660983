"""Fetches TwiML and performs its verbs, one after the other, until there is no more to do.

What each verb does is in `verbs`. It knows no telephone network: who answers, and who hangs up, is `life`. It is
cancelled when the call ends.
"""

from __future__ import annotations

from typing import assert_never

from agenticd.emulator.twilio import twiml
from agenticd.emulator.twilio.steps import SORRY, Fetch, HangUp, Inline, Next, Step
from agenticd.emulator.twilio.twiml import Document, TwimlInvalid
from agenticd.emulator.twilio.verbs import Line, perform
from agenticd.emulator.twilio.webhook import Answer, NoAnswer


class _Failed(Exception):
    """No document came of a fetch; `code` is Twilio's."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


class Interpreter:
    """Performs the documents of one call."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def run(self, step: Step) -> bool:
        """Perform documents from `step` on, until one ends without naming the next; whether nothing hung up. Where none
        can be had, Twilio says so, and hangs up."""
        following: Next = step
        while following is not None:
            if isinstance(following, HangUp):
                return False
            following = await self._perform(await self.obtain(following) or SORRY)
        return True

    async def obtain(self, step: Step) -> Document | None:
        """Get the document, from the fallback URL if need be; None if there is none to be had."""
        try:
            return await self._document(step)
        except _Failed as failed:
            self._line.note(failed.code, str(failed))
            options = self._line.call.options
            if not options.fallback_url or (isinstance(step, Fetch) and step.kind == "fallback"):
                return None
            said, url = (step.extra, step.url) if isinstance(step, Fetch) else ({}, "")
            extra = {**said, "ErrorCode": str(failed.code), "ErrorUrl": url}
        try:
            return await self._document(Fetch("fallback", options.fallback_url, options.fallback_method, extra))
        except _Failed as failed:
            self._line.note(failed.code, f"the fallback URL: {failed}")
            return None

    async def _document(self, step: Step) -> Document:
        match step:
            case Document():
                return step
            case Inline():
                return self._parse(step.text.encode(), "")
            case Fetch():
                try:
                    answer = await self._line.webhooks.request(step.kind, step.method, step.url, step.extra)
                except NoAnswer as error:
                    raise _Failed(error.code, str(error)) from error
                return self._judge(answer)
            case _:
                assert_never(step)

    def _judge(self, answer: Answer) -> Document:
        """An HTTP answer as a document, by Twilio's rules for status, size and content type."""
        if not 200 <= answer.status < 300:
            raise _Failed(11200, f"{answer.url} answered {answer.status}")
        if not answer.body and answer.chunked:
            raise _Failed(11770, f"{answer.url} answered in chunks, of which there were none")
        content_type = answer.content_type.partition(";")[0].strip().lower()
        if content_type.startswith("audio/"):  # played, then the call ends
            return Document((twiml.Sound(answer.body, content_type, answer.url),), url=answer.url)
        if len(answer.body) > twiml.MAX_BYTES:
            raise _Failed(11750, f"{answer.url} answered with more than 64 kB")
        match content_type:
            case "text/xml" | "application/xml" | "text/html":
                return self._parse(answer.body, answer.url)
            case "":
                raise _Failed(11200, f"{answer.url} answered without a content type")
            case "text/plain":  # TwiML if it is some, else spoken
                try:
                    return self._parse(answer.body, answer.url)
                except _Failed:
                    return twiml.spoken(answer.body.decode(errors="replace"), answer.url)
            case _:
                raise _Failed(12300, f"{answer.url} answered with content type {content_type!r}")

    def _parse(self, body: bytes, url: str) -> Document:
        try:
            document = twiml.parse(body, url)
        except TwimlInvalid as error:
            raise _Failed(error.code, str(error)) from error
        for warning in document.warnings:
            self._line.note(warning.code, warning.text)
        return document

    async def _perform(self, document: Document) -> Next:
        """Do the verbs in order; what comes next, None: nothing does."""
        for verb in document.verbs:
            following = await perform(self._line, verb, document)
            if following is not None:
                return following
        return None
