"""What stands in an element's attributes. What makes no sense there has Twilio's own warning, and the default holds."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import TypeVar

from agenticd.emulator.twilio.debugger import NOT_BUILT
from agenticd.emulator.twilio.twiml.nodes import Flaw, Method

Choice = TypeVar("Choice")

SCHEMA = 12200
_LONGEST = 9  # digits of a number

_RECORDING = ["recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent"]
_MACHINE = [
    "amdStatusCallback",
    "amdStatusCallbackMethod",
    "machineDetection",
    "machineDetectionSilenceTimeout",
    "machineDetectionSpeechEndThreshold",
    "machineDetectionSpeechThreshold",
    "machineDetectionTimeout",
]

# Names are case-sensitive. Attributes of verbs that are not built are not judged.
KNOWN: Mapping[str, frozenset[str]] = {
    "Response": frozenset(),
    "Connect": frozenset({"action", "method"}),
    "Stream": frozenset({"url", "name", "track", "statusCallback", "statusCallbackMethod"}),
    "Parameter": frozenset({"name", "value"}),
    "Redirect": frozenset({"method"}),
    "Pause": frozenset({"length"}),
    "Say": frozenset({"voice", "language", "loop"}),
    "Play": frozenset({"loop", "digits"}),
    "Gather": frozenset(
        [
            "action",
            "method",
            "input",
            "timeout",
            "speechTimeout",
            "numDigits",
            "finishOnKey",
            "bargeIn",
            "actionOnEmptyResult",
            "language",
            "hints",
            "profanityFilter",
            "speechModel",
            "enhanced",
            "debug",
            "maxSpeechTime",
            "partialResultCallback",
            "partialResultCallbackMethod",
        ]
    ),
    "Record": frozenset(
        ["action", "method", "timeout", "finishOnKey", "maxLength", "playBeep", "trim", *_RECORDING]
        + ["transcribe", "transcribeCallback"]
    ),
    "Dial": frozenset(
        [
            "action",
            "method",
            "callerId",
            "timeout",
            "timeLimit",
            "hangupOnStar",
            "sequential",
            "record",
            "trim",
            "answerOnBridge",
            "ringTone",
            "recordingTrack",
            "referUrl",
            "referMethod",
            "events",
            "callReason",
            "passports",
        ]
        + _RECORDING
    ),
    "Number": frozenset(
        ["url", "method", "sendDigits", "statusCallback", "statusCallbackMethod", "statusCallbackEvent", "byoc"]
        + _MACHINE
    ),
    "Start": frozenset({"action", "method"}),
    "Stop": frozenset(),
    "Recording": frozenset({"channels", "track", "trim", "name", *_RECORDING}),
    "Hangup": frozenset(),
    "Reject": frozenset({"reason"}),
}

# What the emulator leaves out of a verb that it has otherwise.
_NOT_BUILT: Mapping[str, frozenset[str]] = {
    "Gather": frozenset({"maxSpeechTime", "partialResultCallback"}),
    "Record": frozenset({"transcribeCallback"}),
    "Dial": frozenset({"answerOnBridge", "passports", "recordingTrack", "referUrl", "ringTone"}),
    "Number": frozenset({"byoc", "machineDetection", "amdStatusCallback"}),
}


class Attributes:
    """One element's attributes. What is wrong with them is added to `flaws`."""

    def __init__(self, element: ET.Element, flaws: list[Flaw]) -> None:
        self._element = element
        self._flaws = flaws
        tag = element.tag
        for name in element.attrib.keys() - KNOWN[tag]:
            self._warn(SCHEMA, f"<{tag}> has no attribute {name!r}")
        for name in sorted(element.attrib.keys() & _NOT_BUILT.get(tag, frozenset())):
            if element.get(name) != "false":
                self._warn(NOT_BUILT, f"this emulator cannot do <{tag} {name}>: ignored")

    def text(self, name: str, default: str = "") -> str:
        """As it is."""
        return self._element.get(name, default)

    def optional(self, name: str) -> str | None:
        """As it is, None without it."""
        return self._element.get(name)

    def method(self, name: str = "method", code: int = SCHEMA) -> Method:
        """GET or POST, the latter without it."""
        given = self._element.get(name, "POST").upper()
        return "GET" if given == "GET" else self._or_default(given == "POST", "POST", name, "GET or POST", code)

    def flag(self, name: str, default: bool, code: int) -> bool:
        """True or false."""
        given = self._element.get(name, "true" if default else "false").lower()
        return self._or_default(given in ("true", "false"), given == "true", name, "true or false", code, default)

    def whole(self, name: str, default: int, code: int, least: int = 1, most: int | None = None) -> int:
        """A whole number from `least` on; one that is above `most` is an error, too."""
        given = self._element.get(name, str(default))
        number = int(given) if given.isdecimal() and len(given) <= _LONGEST else -1
        good = number >= least and (most is None or number <= most)
        wanted = f"a whole number of {least} and more" if most is None else f"a whole number of {least} to {most}"
        return self._or_default(good, number, name, wanted, code, default)

    def keys(self, name: str, default: str, allowed: str, code: int) -> str:
        """Keys of the telephone, perhaps none."""
        given = self._element.get(name, default)
        return self._or_default(set(given) <= set(allowed), given, name, f"some of {allowed}", code, default)

    def choice(self, name: str, choices: Mapping[str, Choice], default: str, code: int) -> Choice:
        """One of several words, as what it stands for."""
        given = self._element.get(name, default)
        value = choices.get(given, choices[default])
        return self._or_default(given in choices, value, name, " or ".join(choices), code)

    def words(self, name: str, choices: Mapping[str, Choice], default: str, code: int) -> frozenset[Choice]:
        """Several words, spaces between them."""
        given = self._element.get(name, default).split()
        good = bool(given) and all(word in choices for word in given)
        chosen = frozenset(choices[word] for word in (given if good else default.split()))
        return self._or_default(good, chosen, name, f"some of {', '.join(choices)}", code)

    def _or_default(
        self, good: bool, value: Choice, name: str, wanted: str, code: int, default: Choice | None = None
    ) -> Choice:
        if good:
            return value
        given = (self._element.get(name) or "")[:40]
        self._warn(code, f"<{self._element.tag} {name}> is {wanted}, not {given!r}")
        return value if default is None else default

    def _warn(self, code: int, text: str) -> None:
        self._flaws.append(Flaw(code, text))
