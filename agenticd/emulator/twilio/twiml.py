"""TwiML documents into verbs. Reads only; what the verbs do is in `interpreter`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

MAX_BYTES = 64 * 1024
Method: TypeAlias = Literal["GET", "POST"]


class TwimlInvalid(Exception):
    """Twilio 12100: the document cannot be parsed at all."""


@dataclass(frozen=True, slots=True)
class Stream:
    """`<Stream>` inside `<Connect>`: a bidirectional media stream. Absent attributes are `""`."""

    url: str
    name: str = ""
    track: str = ""
    status_callback: str = ""
    status_callback_method: Method = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connect:
    """`<Connect>` with its one noun; it lasts until the stream ends. `action` is None if absent."""

    stream: Stream
    action: str | None = None
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Redirect:
    """`<Redirect>`: go on with another document. An empty `url` is the present one's."""

    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Pause:
    """`<Pause>`: wait `length` s."""

    length: int = 1


@dataclass(frozen=True, slots=True)
class Say:
    """`<Say>`: Twilio says `text` in its own voice, `loop` times; 0: until the call ends, at most 1000 times.

    Which voice and language were asked for is not kept: the emulator has one.
    """

    text: str
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Hangup:
    """`<Hangup>`."""


@dataclass(frozen=True, slots=True)
class Reject:
    """`<Reject>`: an unanswered inbound call ends without being answered."""

    reason: Literal["rejected", "busy"] = "rejected"


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A verb or noun of Twilio's that this emulator cannot perform."""

    name: str


Verb: TypeAlias = Connect | Redirect | Pause | Say | Hangup | Reject | NotBuilt


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a document that Twilio warns of and goes on; `code` is Twilio's."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A TwiML document: what to do, and what Twilio would warn of. `url` is where it came from."""

    verbs: tuple[Verb, ...]
    warnings: tuple[Flaw, ...] = ()
    url: str = ""


# Names are case-sensitive. Attributes of verbs that are not built are not judged.
_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "Response": frozenset(),
    "Connect": frozenset({"action", "method"}),
    "Stream": frozenset({"url", "name", "track", "statusCallback", "statusCallbackMethod"}),
    "Parameter": frozenset({"name", "value"}),
    "Redirect": frozenset({"method"}),
    "Pause": frozenset({"length"}),
    "Say": frozenset({"voice", "language", "loop"}),
    "Hangup": frozenset(),
    "Reject": frozenset({"reason"}),
}
_NOT_BUILT_VERBS = frozenset(
    [
        "Dial",
        "Echo",
        "Enqueue",
        "Gather",
        "Leave",
        "Pay",
        "Play",
        "Prompt",
        "Queue",
        "Record",
        "Refer",
        "Siprec",
        "Sms",
        "Start",
        "Stop",
    ]
)
_NOT_BUILT_NOUNS = frozenset(
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
_PARAMETER_LIMIT = 500  # characters of name and value together: fewer than this
SAY_LIMIT = 4096
"""Characters of a `<Say>` in Twilio's basic voice."""
_SCHEMA, _SAY_LOOP, _SAY_EMPTY, _SAY_LONG = 12200, 13510, 13520, 13521


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
        raise TwimlInvalid(f"the root element is <{root.tag}>, not <Response>")
    reader = _Reader()
    reader.judge_attributes(root)
    verbs = tuple(reader.verbs(root))
    return Document(verbs, tuple(reader.warnings), url)


def spoken(text: str, url: str = "") -> Document:
    """The document for an answer that is mere text: Twilio says it."""
    response = ET.Element("Response")
    ET.SubElement(response, "Say").text = text
    reader = _Reader()
    verbs = tuple(reader.verbs(response))
    return Document(verbs, tuple(reader.warnings), url)


class _Reader:
    def __init__(self) -> None:
        self.warnings: list[Flaw] = []

    def warn(self, text: str, code: int = _SCHEMA) -> None:
        """Note what Twilio warns of."""
        self.warnings.append(Flaw(code, text))

    def verbs(self, root: ET.Element) -> Iterator[Verb]:
        for element in root:
            verb = self._verb(element)
            if verb is not None:
                yield verb

    def judge_attributes(self, element: ET.Element) -> None:
        for name in element.attrib.keys() - _ATTRIBUTES[element.tag]:
            self.warn(f"<{element.tag}> has no attribute {name!r}")

    def _verb(self, element: ET.Element) -> Verb | None:
        if element.tag in _NOT_BUILT_VERBS:
            return NotBuilt(element.tag)
        if element.tag in ("Response", "Stream", "Parameter") or element.tag not in _ATTRIBUTES:
            self.warn(f"<{element.tag}> is no verb")
            return None
        self.judge_attributes(element)
        match element.tag:
            case "Connect":
                return self._connect(element)
            case "Redirect":
                return Redirect((element.text or "").strip(), self._method(element, "method"))
            case "Pause":
                return Pause(self._seconds(element))
            case "Say":
                return self._say(element)
            case "Reject":
                return self._reject(element)
            case _:
                return Hangup()

    def _connect(self, element: ET.Element) -> Connect | NotBuilt | None:
        noun: Stream | NotBuilt | None = None
        for child in element:
            if child.tag == "Stream" and noun is None:
                noun = self._stream(child)
            elif child.tag in _NOT_BUILT_NOUNS and noun is None:
                noun = NotBuilt(child.tag)
            else:
                self.warn(f"<{child.tag}> cannot stand here in <Connect>")
        if isinstance(noun, Stream):
            return Connect(noun, element.get("action"), self._method(element, "method"))
        if noun is None:
            self.warn("<Connect> has nothing to connect to")
        return noun

    def _stream(self, element: ET.Element) -> Stream:
        self.judge_attributes(element)
        parameters: dict[str, str] = {}
        for child in element:
            if child.tag != "Parameter":
                self.warn(f"<{child.tag}> cannot stand in <Stream>")
                continue
            self.judge_attributes(child)
            name, value = child.get("name", ""), child.get("value", "")
            if not name or len(name) + len(value) >= _PARAMETER_LIMIT:
                self.warn(f"<Parameter> {name[:40]!r} has no name, or 500 characters and more")
                continue
            parameters[name] = value
        return Stream(
            url=element.get("url", ""),
            name=element.get("name", ""),
            track=element.get("track", ""),
            status_callback=element.get("statusCallback", ""),
            status_callback_method=self._method(element, "statusCallbackMethod"),
            parameters=parameters,
        )

    def _say(self, element: ET.Element) -> Say | NotBuilt | None:
        """Twilio: without a text, or with one that is too long, it warns, says nothing and goes on."""
        if len(element):  # SSML
            return NotBuilt(f"Say/{element[0].tag}")
        text = " ".join((element.text or "").split())
        if not text:
            self.warn("<Say> has no text", _SAY_EMPTY)
            return None
        if len(text) > SAY_LIMIT:
            self.warn(f"the text of <Say> is longer than {SAY_LIMIT} characters", _SAY_LONG)
            return None
        loop = element.get("loop", "1")
        if not loop.isdecimal():
            self.warn(f"<Say loop> is a whole number of 0 and more, not {loop!r}", _SAY_LOOP)
            loop = "1"
        return Say(text, int(loop))

    def _reject(self, element: ET.Element) -> Reject:
        match element.get("reason", "rejected"):
            case "busy":
                return Reject("busy")
            case "rejected":
                return Reject("rejected")
            case other:
                self.warn(f"<Reject reason> is rejected or busy, not {other!r}")
                return Reject("rejected")

    def _seconds(self, element: ET.Element) -> int:
        length = element.get("length", "1")
        if length.isdecimal() and int(length) >= 1:
            return int(length)
        self.warn(f"<Pause length> is whole seconds, not {length!r}")
        return 1

    def _method(self, element: ET.Element, attribute: str) -> Method:
        match element.get(attribute, "POST").upper():
            case "GET":
                return "GET"
            case "POST":
                return "POST"
            case other:
                self.warn(f"<{element.tag} {attribute}> is GET or POST, not {other!r}")
                return "POST"
