"""A TwiML document into its verbs: case-sensitive, tolerant of the unknown, with Twilio's own warnings."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Literal

from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.debugger import NOT_BUILT
from agenticd.emulator.twilio.twiml.attributes import KNOWN, SCHEMA, Attributes
from agenticd.emulator.twilio.twiml.nodes import (
    Connect,
    Dial,
    Document,
    Event,
    Flaw,
    Gather,
    Hangup,
    NotBuilt,
    Number,
    Pause,
    Play,
    Prompt,
    Record,
    RecordingEvent,
    Redirect,
    Reject,
    Say,
    StartRecording,
    StopRecording,
    Stream,
    Told,
    Track,
    Verb,
)

MAX_BYTES = 64 * 1024
SAY_LIMIT = 4096
"""Characters of a `<Say>` in Twilio's basic voice."""

_NOT_BUILT_VERBS = frozenset(["Echo", "Enqueue", "Leave", "Pay", "Prompt", "Queue", "Refer", "Siprec", "Sms"])
_NOT_BUILT_CONNECT = frozenset(
    [
        "AiSession",
        "Assistant",
        "Autopilot",
        "Conversation",
        "ConversationRelay",
        "ConversationRelaySession",
        "Room",
        "VirtualAgent",
    ]
)
_NOT_BUILT_DIAL = frozenset(["Application", "Client", "Conference", "Queue", "Sim", "Sip", "WhatsApp"])
_NOT_BUILT_START = frozenset(["Siprec", "Stream", "Transcription"])
_NO_VERBS = frozenset(["Response", "Stream", "Parameter", "Number", "Recording"])
_PARAMETER_LIMIT = 500  # characters of name and value together: fewer than this
_MOST_NUMBERS = 10
_KEYS = "0123456789*#"
_TONES = re.compile(r"[0-9A-D*#wW]*")
_LOCAL = re.compile(r"(?:\+?1)?(\d{10})")  # a number as people in the US write it
_E164 = re.compile(r"\+[1-9]\d{6,14}")

_EVENTS: Mapping[str, Event] = {
    "initiated": "initiated",
    "ringing": "ringing",
    "answered": "answered",
    "completed": "completed",
}
_RECORDING_EVENTS: Mapping[str, RecordingEvent] = {
    "in-progress": "in-progress",
    "completed": "completed",
    "absent": "absent",
}
_TRIM = {"trim-silence": True, "do-not-trim": False}
# From ringing is from the answer: before it there is nothing to be heard here.
_DIAL_RECORD: Mapping[str, Literal["", "mono", "dual"]] = {
    "do-not-record": "",
    "false": "",
    "true": "mono",
    "record-from-answer": "mono",
    "record-from-ringing": "mono",
    "record-from-answer-dual": "dual",
    "record-from-ringing-dual": "dual",
}
_CHANNELS: Mapping[str, Literal[1, 2]] = {"dual": 2, "mono": 1}
_TRACKS: Mapping[str, Track] = {"both": "both", "inbound": "inbound", "outbound": "outbound"}


class TwimlInvalid(Exception):
    """The document cannot be read at all; `code` is Twilio's: 12100 no XML, 12102 another root than Response."""

    def __init__(self, text: str, code: int = 12100) -> None:
        self.code = code
        super().__init__(text)


def parse(body: bytes, url: str = "") -> Document:
    """Read a document.

    Raises:
        TwimlInvalid: if it is not XML, or no TwiML at all.

    """
    try:
        root = ET.fromstring(body)
    except (ET.ParseError, LookupError, ValueError) as error:  # the last two: of its encoding
        raise TwimlInvalid(f"cannot parse the document: {error}") from error
    if root.tag != "Response":
        raise TwimlInvalid(f"the root element is <{root.tag}>, not <Response>", 12102)
    reader = _Reader()
    Attributes(root, reader.flaws)
    verbs = tuple(reader.verbs(root))
    return Document(verbs, tuple(reader.flaws), url)


def spoken(text: str, url: str = "") -> Document:
    """The document for an answer that is mere text: Twilio says it."""
    response = ET.Element("Response")
    ET.SubElement(response, "Say").text = text
    reader = _Reader()
    verbs = tuple(reader.verbs(response))
    return Document(verbs, tuple(reader.flaws), url)


class _Reader:
    def __init__(self) -> None:
        self.flaws: list[Flaw] = []

    def verbs(self, root: ET.Element) -> Iterator[Verb]:
        for element in root:
            verb = self._verb(element)
            if verb is not None:
                yield verb

    def _warn(self, text: str, code: int = SCHEMA) -> None:
        self.flaws.append(Flaw(code, text))

    def _verb(self, element: ET.Element) -> Verb | None:
        if element.tag in _NOT_BUILT_VERBS:
            return NotBuilt(element.tag)
        if element.tag in _NO_VERBS or element.tag not in KNOWN:
            self._warn(f"<{element.tag}> is no verb")
            return None
        given = Attributes(element, self.flaws)
        match element.tag:
            case "Connect":
                return self._connect(element, given)
            case "Redirect":
                return Redirect((element.text or "").strip(), given.method(code=13710))
            case "Pause" | "Say" | "Play":
                return self._prompt(element, given)
            case "Gather":
                return self._gather(element, given)
            case "Record":
                return self._record(given)
            case "Dial":
                return self._dial(element, given)
            case "Start":
                return self._start(element)
            case "Stop":
                return self._stop(element)
            case "Reject":
                reasons: Mapping[str, Reject] = {"rejected": Reject(), "busy": Reject("busy")}
                return given.choice("reason", reasons, "rejected", 13810)
            case _:
                return Hangup()

    # What is heard.

    def _prompt(self, element: ET.Element, given: Attributes, *, gathers: bool = False) -> Prompt | NotBuilt | None:
        match element.tag:
            case "Pause":
                return Pause(given.whole("length", 1, 13910))
            case "Say":
                return self._say(element, given, 13322 if gathers else 13510)
            case _:
                return self._play(element, given)

    def _say(self, element: ET.Element, given: Attributes, code: int) -> Say | NotBuilt | None:
        """Twilio: without a text, or with one that is too long, it warns, says nothing and goes on."""
        if len(element):  # SSML
            return NotBuilt(f"Say/{element[0].tag}")
        text = " ".join((element.text or "").split())
        if not text:
            self._warn("<Say> has no text", 13520)
            return None
        if len(text) > SAY_LIMIT:
            self._warn(f"the text of <Say> is longer than {SAY_LIMIT} characters", 13521)
            return None
        return Say(text, given.whole("loop", 1, code, least=0))

    def _play(self, element: ET.Element, given: Attributes) -> Play | None:
        url, digits = (element.text or "").strip(), given.text("digits")
        loop = given.whole("loop", 1, 13410, least=0)
        if not _TONES.fullmatch(digits):
            self._warn(f"<Play digits> is some of 0-9, A-D, *, #, w and W, not {digits[:40]!r}", 13430)
            return None
        if not (url or digits):
            self._warn("<Play> has neither a URL nor digits")
            return None
        return Play(url, loop, digits)

    # What is asked of the caller.

    def _gather(self, element: ET.Element, given: Attributes) -> Gather:
        inputs: Mapping[str, tuple[bool, bool]] = {
            "dtmf": (True, False),
            "speech": (False, True),
            "dtmf speech": (True, True),
            "speech dtmf": (True, True),
        }
        dtmf, speech = given.choice("input", inputs, "dtmf", 13326)
        timeout = given.whole("timeout", 5, 13313)
        auto = given.text("speechTimeout") == "auto"
        digits = given.whole("numDigits", 0, 13314) if given.optional("numDigits") is not None else 0
        finish = given.keys("finishOnKey", "#", _KEYS, 13310)
        if len(finish) > 1:
            self._warn(f"<Gather finishOnKey> is one key or none, not {finish!r}", 13311)
            finish = "#"
        return Gather(
            prompts=tuple(self._prompts(element)),
            dtmf=dtmf,
            speech=speech,
            action=given.text("action"),
            method=given.method(code=13312),
            timeout=timeout,
            speech_timeout=None if auto else given.whole("speechTimeout", timeout, 13327),
            num_digits=digits or None,
            finish_on_key=finish,
            barge_in=given.flag("bargeIn", True, 13332),
            action_on_empty_result=given.flag("actionOnEmptyResult", False, 13338),
        )

    def _prompts(self, gather: ET.Element) -> Iterator[Prompt]:
        for child in gather:
            if child.tag not in ("Say", "Play", "Pause"):
                self._warn(f"<{child.tag}> cannot stand in <Gather>: Say, Play and Pause can", 13320)
                continue
            prompt = self._prompt(child, Attributes(child, self.flaws), gathers=True)
            if isinstance(prompt, NotBuilt):
                self._warn(f"this emulator cannot do <{prompt.name}>: skipped", NOT_BUILT)
            elif prompt is not None:
                yield prompt

    def _record(self, given: Attributes) -> Record:
        if given.text("transcribe", "false") != "false":
            self._warn("this emulator transcribes no recording: <Record transcribe> is ignored", NOT_BUILT)
        return Record(
            action=given.text("action"),
            method=given.method(code=13610),
            timeout=given.whole("timeout", 5, 13611),
            finish_on_key=given.keys("finishOnKey", "1234567890*#", _KEYS, 13613),
            max_length=given.whole("maxLength", 3600, 13612),
            play_beep=given.flag("playBeep", True, 13616),
            trim=given.choice("trim", _TRIM, "trim-silence", 13699),
            told=self._told(given),
        )

    def _told(self, given: Attributes) -> Told:
        url = given.text("recordingStatusCallback")
        if url and not urls.is_web(urls.resolve("http://base.invalid/", url)):
            self._warn(f"recordingStatusCallback is no URL: {url[:80]!r}", 13256)
            url = ""
        method = given.method("recordingStatusCallbackMethod")
        return Told(url, method, given.words("recordingStatusCallbackEvent", _RECORDING_EVENTS, "completed", 13621))

    # Who else is on the line.

    def _connect(self, element: ET.Element, given: Attributes) -> Connect | NotBuilt | None:
        noun: Stream | NotBuilt | None = None
        for child in element:
            if child.tag == "Stream" and noun is None:
                noun = self._stream(child)
            elif child.tag in _NOT_BUILT_CONNECT and noun is None:
                noun = NotBuilt(child.tag)
            else:
                self._warn(f"<{child.tag}> cannot stand here in <Connect>")
        if isinstance(noun, Stream):
            return Connect(noun, given.optional("action"), given.method())
        if noun is None:
            self._warn("<Connect> has nothing to connect to")
        return noun

    def _stream(self, element: ET.Element) -> Stream:
        given = Attributes(element, self.flaws)
        parameters: dict[str, str] = {}
        for child in element:
            if child.tag != "Parameter":
                self._warn(f"<{child.tag}> cannot stand in <Stream>")
                continue
            parameter = Attributes(child, self.flaws)
            name, value = parameter.text("name"), parameter.text("value")
            if not name or len(name) + len(value) >= _PARAMETER_LIMIT:
                self._warn(f"<Parameter> {name[:40]!r} has no name, or 500 characters and more")
                continue
            parameters[name] = value
        return Stream(
            url=given.text("url"),
            name=given.text("name"),
            track=given.text("track"),
            status_callback=given.text("statusCallback"),
            status_callback_method=given.method("statusCallbackMethod"),
            parameters=parameters,
        )

    def _dial(self, element: ET.Element, given: Attributes) -> Dial | NotBuilt | None:
        numbers: list[Number] = []
        text = (element.text or "").strip()
        if text:
            numbers.append(Number(e164(text)))
        for child in element:
            if child.tag == "Number":
                numbers.append(self._number(child))
            elif child.tag in _NOT_BUILT_DIAL:
                return NotBuilt(f"Dial/{child.tag}")
            else:
                self._warn(f"<{child.tag}> cannot stand in <Dial>", 13215)
        if not numbers:
            self._warn("<Dial> has nobody to call")
            return None
        for more in numbers[_MOST_NUMBERS:]:
            self._warn(f"<Dial> calls {_MOST_NUMBERS} numbers at most, not {more.number[:40]!r}", 13250)
        return Dial(
            numbers=tuple(numbers[:_MOST_NUMBERS]),
            action=given.optional("action"),
            method=given.method(code=13210),
            caller_id=given.text("callerId"),
            timeout=given.whole("timeout", 30, 13212, most=600),
            time_limit=given.whole("timeLimit", 4 * 3600, 13216),
            hangup_on_star=given.flag("hangupOnStar", False, 13213),
            sequential=given.flag("sequential", False, 13218),
            record=given.choice("record", _DIAL_RECORD, "do-not-record", 13217),
            trim=given.choice("trim", _TRIM, "trim-silence", 13699),
            told=self._told(given),
        )

    def _number(self, element: ET.Element) -> Number:
        given = Attributes(element, self.flaws)
        digits = given.text("sendDigits")
        if not _TONES.fullmatch(digits):
            self._warn(f"<Number sendDigits> is some of 0-9, A-D, *, #, w and W, not {digits[:40]!r}", 13222)
            digits = ""
        return Number(
            number=e164((element.text or "").strip()),
            url=given.text("url"),
            method=given.method(code=13221),
            send_digits=digits,
            status_callback=given.text("statusCallback"),
            status_callback_method=given.method("statusCallbackMethod"),
            events=given.words("statusCallbackEvent", _EVENTS, "completed", 21626),
        )

    # What goes on beside the verbs.

    def _start(self, element: ET.Element) -> StartRecording | NotBuilt | None:
        for child in element:
            if child.tag == "Recording":
                return self._start_recording(Attributes(child, self.flaws))
            if child.tag in _NOT_BUILT_START:
                return NotBuilt(f"Start/{child.tag}")
            self._warn(f"<{child.tag}> cannot stand in <Start>", 14300)
        self._warn("<Start> has nothing to start")
        return None

    def _start_recording(self, given: Attributes) -> StartRecording:
        return StartRecording(
            channels=given.choice("channels", _CHANNELS, "dual", SCHEMA),
            track=given.choice("track", _TRACKS, "both", SCHEMA),
            trim=given.choice("trim", _TRIM, "do-not-trim", 13699),
            told=self._told(given),
        )

    def _stop(self, element: ET.Element) -> StopRecording | NotBuilt | None:
        for child in element:
            if child.tag == "Recording":
                Attributes(child, self.flaws)
                return StopRecording()
            if child.tag in _NOT_BUILT_START:
                return NotBuilt(f"Stop/{child.tag}")
            self._warn(f"<{child.tag}> cannot stand in <Stop>", 14300)
        self._warn("<Stop> has nothing to stop")
        return None


def e164(number: str) -> str:
    """A number in E.164; as it is if it is none that Twilio would complete."""
    bare = re.sub(r"[\s().-]", "", number)
    if _E164.fullmatch(bare):
        return bare
    local = _LOCAL.fullmatch(bare)
    return f"+1{local[1]}" if local else number


def is_e164(number: str) -> bool:
    """Whether it is a number that can be dialled."""
    return _E164.fullmatch(number) is not None
