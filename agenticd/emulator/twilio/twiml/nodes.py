"""The verbs and nouns of TwiML as values. Absent texts are `""`, absent URLs that Twilio would fill in are None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Method: TypeAlias = Literal["GET", "POST"]
RecordingEvent: TypeAlias = Literal["in-progress", "completed", "absent"]
Track: TypeAlias = Literal["inbound", "outbound", "both"]
Event: TypeAlias = Literal["initiated", "ringing", "answered", "completed"]
"""What a call's status callback can be asked for; "completed" stands for every end."""


@dataclass(frozen=True, slots=True)
class Stream:
    """`<Stream>` inside `<Connect>`: a bidirectional media stream."""

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
class Play:
    """`<Play>`: a sound from `url`, `loop` times as in `<Say>`; or the tones of `digits`, if there are some."""

    url: str
    loop: int = 1
    digits: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """No verb of a document's: an answer that is audio itself. Twilio plays it, and hangs up."""

    body: bytes
    content_type: str
    url: str = ""


Prompt: TypeAlias = Say | Play | Pause


@dataclass(frozen=True, slots=True)
class Gather:
    """`<Gather>`: keys, speech or both, while and after the prompts. Without an `action` the present URL is asked.

    `num_digits` is None for any number. `speech_timeout` is None for "auto". `speech`, `dtmf`: what is listened for.
    """

    prompts: tuple[Prompt, ...] = ()
    dtmf: bool = True
    speech: bool = False
    action: str = ""
    method: Method = "POST"
    timeout: float = 5.0
    speech_timeout: float | None = 5.0
    num_digits: int | None = None
    finish_on_key: str = "#"
    barge_in: bool = True
    action_on_empty_result: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Whom to tell of a recording, and of what."""

    url: str = ""
    method: Method = "POST"
    events: frozenset[RecordingEvent] = frozenset({"completed"})


@dataclass(frozen=True, slots=True)
class Record:
    """`<Record>`: what the caller says, until they are silent, press a key or hang up."""

    action: str = ""
    method: Method = "POST"
    timeout: float = 5.0
    finish_on_key: str = "1234567890*#"
    max_length: float = 3600.0
    play_beep: bool = True
    trim: bool = True
    told: Told = Told()


@dataclass(frozen=True, slots=True)
class Number:
    """`<Number>` in a `<Dial>`, or a `<Dial>`'s text: whom to call.

    `url` has TwiML for the called alone, before they are joined.
    """

    number: str
    url: str = ""
    method: Method = "POST"
    send_digits: str = ""
    status_callback: str = ""
    status_callback_method: Method = "POST"
    events: frozenset[Event] = frozenset({"completed"})


@dataclass(frozen=True, slots=True)
class Dial:
    """`<Dial>`: call others, join the first who answers with the caller. `action` is None if absent."""

    numbers: tuple[Number, ...]
    action: str | None = None
    method: Method = "POST"
    caller_id: str = ""
    timeout: int = 30
    time_limit: int = 4 * 3600
    hangup_on_star: bool = False
    sequential: bool = False
    record: Literal["", "mono", "dual"] = ""
    trim: bool = True
    told: Told = Told()


@dataclass(frozen=True, slots=True)
class StartRecording:
    """`<Start><Recording>`: the whole call from here on, whatever comes next."""

    channels: Literal[1, 2] = 2
    track: Track = "both"
    trim: bool = False
    told: Told = Told()


@dataclass(frozen=True, slots=True)
class StopRecording:
    """`<Stop><Recording>`: what `<Start>` began is complete."""


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


Verb: TypeAlias = (
    Connect
    | Redirect
    | Pause
    | Say
    | Play
    | Sound
    | Gather
    | Record
    | Dial
    | StartRecording
    | StopRecording
    | Hangup
    | Reject
    | NotBuilt
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a document that Twilio warns of and goes on; `code` is Twilio's, or 0: not built here."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A TwiML document: what to do, and what Twilio would warn of. `url` is where it came from."""

    verbs: tuple[Verb, ...]
    warnings: tuple[Flaw, ...] = ()
    url: str = ""
