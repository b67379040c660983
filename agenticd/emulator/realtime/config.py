"""How the emulated Realtime server behaves: its speeds, its limits, what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agenticd.emulator.realtime.faults import Present, RealtimeFaults

MODELS = (
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-realtime-2",
    "gpt-realtime-1.5",
    "gpt-realtime",
    "gpt-realtime-2025-08-28",
    "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06",
    "gpt-realtime-mini-2025-12-15",
    "gpt-audio-1.5",
    "gpt-audio-mini",
    "gpt-audio-mini-2025-10-06",
    "gpt-audio-mini-2025-12-15",
)
"""The models that OpenAI still serves to sessions."""

DYING: Mapping[str, str] = dict.fromkeys(
    (
        "gpt-realtime",
        "gpt-realtime-2025-08-28",
        "gpt-realtime-mini",
        "gpt-realtime-mini-2025-12-15",
        "gpt-audio-mini",
        "gpt-audio-mini-2025-12-15",
    ),
    "2027-01-20",
)
"""When some of them are shut down."""


@dataclass(frozen=True, slots=True)
class RealtimeConfig:
    """Times are seconds of the wall clock unless a name says otherwise."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""

    api_key: str = "sk-emulator"
    models: tuple[str, ...] = MODELS

    response_delay: float = 0.25
    """From the commit of the caller's audio, or from `response.create`, to the first audio."""

    transcript_delay: float = 0.4
    """From the commit to the caller's transcript. By default a little after the response began, as it often
    is; 0 brings it before the response's audio, `math.inf` after the end of the response."""

    chunk_ms: int | tuple[int, ...] = 200
    """Audio in one delta; several sizes are used in turn. They need not be multiples of 20 ms."""

    speed: float = 8.0
    """How many times faster than real time audio is generated."""

    session_seconds: float = 3600.0
    """After this the session expires: error `session_expired`, close 1001."""

    learn: tuple[str, ...] = ()
    """Callers' sentences without a clip that shall be understood, as the emulator's voice says them."""

    keep_sessions: int = 64
    """Finished sessions that stay in `RealtimeServer.sessions` for tests to look at; the oldest go first."""

    keep_audio: bool = True
    """Whether a session remembers the bytes that it received and sent."""

    faults: RealtimeFaults = RealtimeFaults()
    """What goes wrong at first; by default nothing does."""

    now: Present = field(init=False, repr=False, compare=False)
    """What goes wrong at present: what reads of it. Each copy of a configuration has its own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "now", Present(self.faults))
        sizes = self.chunk_ms if isinstance(self.chunk_ms, tuple) else (self.chunk_ms,)
        if not sizes or min(sizes) < 1:
            raise ValueError("chunk_ms must be at least 1 ms")
        if self.speed <= 0 or self.session_seconds <= 0:
            raise ValueError("speed and session_seconds must be above 0")
        if self.response_delay < 0 or self.transcript_delay < 0:
            raise ValueError("response_delay and transcript_delay must not be below 0")

    @property
    def chunks(self) -> tuple[int, ...]:
        """The sizes of deltas in ms, to be used in turn."""
        return self.chunk_ms if isinstance(self.chunk_ms, tuple) else (self.chunk_ms,)
