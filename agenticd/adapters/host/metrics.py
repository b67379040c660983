"""The daemon's metrics: all names and help texts, and how Prometheus gets them. Nothing is measured here.

Values are asked for when they are scraped. No call id is a label, and no label has values that a stranger can make up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from agenticd.adapters.host.counts import CallCounts
from agenticd.core.events import CallState
from agenticd.core.tally import Tally
from agenticd.service.ports import PeerHealth


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the values come from: each is asked on the event loop, and answers from memory."""

    version: str
    counts: CallCounts
    """What the events of all calls come to."""
    ready: Callable[[], bool]
    """Whether new calls are taken."""
    calls: Callable[[], Mapping[str, int]]
    """How many calls there are, by state."""
    webhooks_refused: Callable[[], Mapping[str, int]]
    """Requests refused since the start, by reason."""
    media_faults: Callable[[], Mapping[str, int]]
    """Faults of media sockets since the start, by reason."""
    media_dropped: Callable[[], Mapping[str, int]]
    """Audio frames that nobody got since the start, by reason: they waited too long, and for what."""
    media_sockets: Callable[[], int]
    """How many there are."""
    media_gaps: Tally
    """The longest time without a frame, of each media stream that has ended."""
    unplayed: Callable[[], float]
    """Seconds of the agent's voice that the phone has not played, of the call that has most of it."""
    model_faults: Callable[[], Mapping[str, int]]
    """Faults of the model's sockets since the start, by reason."""
    model_connects: Callable[[], Mapping[str, int]]
    """Sessions of the model that were opened, or refused, since the start."""
    model_connect_seconds: Tally
    twilio_requests: Callable[[], Mapping[str, int]]
    """Requests to Twilio since the start, by what became of them."""
    twilio_request_seconds: Tally
    peers: Callable[[], Mapping[str, PeerHealth]]
    """How each peer answered last."""
    log_head: Callable[[], int]
    """The newest durable revision."""
    log_waiting: Callable[[], int]
    """How many things wait to be written."""
    log_append_seconds: Tally
    streams: Callable[[], int]
    """How many subscribers there are."""
    stream_lag: Callable[[], int]
    """How many revisions the slowest of them is behind."""
    rpcs_handled: Callable[[], Mapping[tuple[str, str, str], int]]
    """RPCs that have ended, by service, method and code."""
    rpcs_running: Callable[[], Mapping[tuple[str, str], int]]
    rpc_seconds: Callable[[], Mapping[tuple[str, str], Tally]]
    loop_lag: Callable[[], float]
    """Seconds by which the event loop is late."""
    tasks: Callable[[], int]
    """How many tasks the event loop holds."""


class Kind(Enum):
    """What a metric is. Values are Prometheus's words."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


Values = Iterable[tuple[tuple[str, ...], float | Tally]]
"""The values of the labels, and the value."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name as it is scraped (counters end in _total), its labels, its help text, its values."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    values: Callable[[Sources], Values]


def _one(value: float | Tally) -> Values:
    return [((), value)]


def _by(values: Mapping[str, int] | Mapping[str, Tally]) -> Values:
    return [((label,), value) for label, value in values.items()]


def _calls(sources: Sources) -> Values:
    numbers = sources.calls()
    return _by({state.value: numbers.get(state.value, 0) for state in CallState})


def _peers(sources: Sources) -> Values:
    return _by({name: int(health.ok) for name, health in sources.peers().items() if health.ok is not None})


FAMILIES: tuple[Family, ...] = (
    Family(
        "agenticd_info", Kind.GAUGE, ("version",), "Always 1; the version is a label.",
        lambda s: _by({s.version: 1}),
    ),
    Family(
        "agenticd_ready", Kind.GAUGE, (), "1 while new calls are taken, as /readyz and the gRPC health service say.",
        lambda s: _one(s.ready()),
    ),
    Family(
        "agenticd_calls", Kind.GAUGE, ("state",),
        "Calls that are not closed, by state. One that has ended is closed within seconds.", _calls,
    ),
    Family(
        "agenticd_calls_started_total", Kind.COUNTER, ("direction",), "Calls that were accepted or came in.",
        lambda s: _by(s.counts.started),
    ),
    Family(
        "agenticd_calls_ended_total", Kind.COUNTER, ("reason", "by"), "Calls whose line is down, by why and by whom.",
        lambda s: s.counts.ended.items(),
    ),
    Family(
        "agenticd_call_setup_seconds", Kind.HISTOGRAM, ("part",),
        "Time of each part of a call's setup. Outbound: queue (accepted to dialled), dial (to the first sign of the "
        "phone), ring (to the answer), media (to the connected media stream). Inbound: connect (webhook to answer).",
        lambda s: _by(s.counts.setup),
    ),
    Family(
        "agenticd_call_duration_seconds", Kind.HISTOGRAM, (), "Answer to end, of calls that were answered.",
        lambda s: _one(s.counts.duration),
    ),
    Family(
        "agenticd_greeting_seconds", Kind.HISTOGRAM, (),
        "Answer to the agent's first sound, of calls in which the agent spoke first.",
        lambda s: _one(s.counts.greeting),
    ),
    Family(
        "agenticd_first_audio_seconds", Kind.HISTOGRAM, (),
        "Once per turn: from the end of the caller's speech to the answer's first audio, as in turn_measured.",
        lambda s: _one(s.counts.first_audio),
    ),
    Family(
        "agenticd_first_audio_model_seconds", Kind.HISTOGRAM, (),
        "The model's part of that, from its word that speech stopped; the rest is its wait for silence.",
        lambda s: _one(s.counts.first_audio_model),
    ),
    Family(
        "agenticd_barge_in_clear_seconds", Kind.HISTOGRAM, (),
        "Once per interruption: from the caller's first sound, by the model's times, to the order to clear the "
        "phone's buffer. Detection by the model, the network, and min_interruption are in it.",
        lambda s: _one(s.counts.barge_in_clear),
    ),
    Family(
        "agenticd_media_sockets", Kind.GAUGE, (), "Media sockets, those without a valid start too.",
        lambda s: _one(s.media_sockets()),
    ),
    Family(
        "agenticd_media_in_gap_seconds", Kind.HISTOGRAM, (),
        "Once per media stream, at its end: the longest time in which it brought nothing. Twilio sends a frame each "
        "20 ms, so this is jitter on the way, or a loop that was late.",
        lambda s: _one(s.media_gaps),
    ),
    Family(
        "agenticd_playout_buffer_ms", Kind.GAUGE, (),
        "The agent's voice that was sent and not yet played by the phone, in milliseconds, of the call with the most.",
        lambda s: _one(s.unplayed() * 1000),
    ),
    Family(
        "agenticd_media_dropped_frames_total", Kind.COUNTER, ("why",),
        "Audio frames that waited too long and were dropped, by what they waited for.",
        lambda s: _by(s.media_dropped()),
    ),
    Family(
        "agenticd_media_faults_total", Kind.COUNTER, ("why",), "What went wrong on media sockets, by reason.",
        lambda s: _by(s.media_faults()),
    ),
    Family(
        "agenticd_webhooks_refused_total", Kind.COUNTER, ("why",),
        "Requests to the public port that were refused, by reason.", lambda s: _by(s.webhooks_refused()),
    ),
    Family(
        "agenticd_model_connects_total", Kind.COUNTER, ("result",),
        "Sessions of the model: opened (ok) or not (refused).", lambda s: _by(s.model_connects()),
    ),
    Family(
        "agenticd_model_connect_seconds", Kind.HISTOGRAM, (), "Time to open a session of the model, of those opened.",
        lambda s: _one(s.model_connect_seconds),
    ),
    Family(
        "agenticd_model_faults_total", Kind.COUNTER, ("why",), "What went wrong on sockets to the model, by reason.",
        lambda s: _by(s.model_faults()),
    ),
    Family(
        "agenticd_model_tokens_total", Kind.COUNTER, ("kind",),
        "Tokens that the model reported as used. input_cached are part of input_text and input_audio.",
        lambda s: _by(s.counts.tokens),
    ),
    Family(
        "agenticd_twilio_requests_total", Kind.COUNTER, ("code",),
        "REST requests to Twilio, repetitions too, by HTTP status, or why there was none: timeout, unreachable, "
        "broken, cancelled.",
        lambda s: _by(s.twilio_requests()),
    ),
    Family(
        "agenticd_twilio_request_seconds", Kind.HISTOGRAM, (), "Time of each of these.",
        lambda s: _one(s.twilio_request_seconds),
    ),
    Family(
        "agenticd_peer_up", Kind.GAUGE, ("peer",),
        "Whether the last use of Twilio or OpenAI went well. Absent until one was used.", _peers,
    ),
    Family(
        "agenticd_events_total", Kind.COUNTER, ("kind",),
        "Events that became durable, by kind: media_lost, model_lost and warning are worth an alert.",
        lambda s: _by(s.counts.events),
    ),
    Family(
        "agenticd_log_append_seconds", Kind.HISTOGRAM, (),
        "Once per transaction: time to write all that was waiting to the disk.", lambda s: _one(s.log_append_seconds),
    ),
    Family(
        "agenticd_log_waiting", Kind.GAUGE, (),
        "What waits to be written, of at most 10,000; new calls are refused from there on.",
        lambda s: _one(s.log_waiting()),
    ),
    Family(
        "agenticd_log_head_revision", Kind.GAUGE, (), "The newest durable revision of the event log.",
        lambda s: _one(s.log_head()),
    ),
    Family(
        "agenticd_streams", Kind.GAUGE, (), "Event streams that are open.", lambda s: _one(s.streams()),
    ),
    Family(
        "agenticd_stream_lag_revisions", Kind.GAUGE, (), "How far the slowest event stream is behind the head.",
        lambda s: _one(s.stream_lag()),
    ),
    Family(
        "grpc_server_handled_total", Kind.COUNTER, ("service", "method", "code"),
        "RPCs that have ended. CANCELLED: the client went away, or its deadline passed.",
        lambda s: s.rpcs_handled().items(),
    ),
    Family(
        "grpc_server_running", Kind.GAUGE, ("service", "method"), "RPCs that have not ended, streams too.",
        lambda s: s.rpcs_running().items(),
    ),
    Family(
        "grpc_server_handling_seconds", Kind.HISTOGRAM, ("service", "method"),
        "Time of RPCs with one answer. Streams are not in it.", lambda s: s.rpc_seconds().items(),
    ),
    Family(
        "agenticd_loop_lag_seconds", Kind.GAUGE, (),
        "By how much the event loop was late, at worst, in the last 10 s: what stands in front of every frame.",
        lambda s: _one(s.loop_lag()),
    ),
    Family("agenticd_tasks", Kind.GAUGE, (), "Tasks of the event loop.", lambda s: _one(s.tasks())),
)  # fmt: skip


class Metrics:
    """Renders the metrics of these sources, and of the process, for a scrape."""

    def __init__(self, sources: Sources) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Sampler(sources))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self) -> tuple[bytes, str]:
        """The body and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _Sampler(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        return (_sampled(family, family.values(self._sources)) for family in FAMILIES)

    def describe(self) -> list[Metric]:
        # Asked once, to find names that are taken: before there is anything to sample.
        return [_sampled(family, ()) for family in FAMILIES]


def _sampled(family: Family, values: Values) -> Metric:
    labels = family.labels
    match family.kind:
        case Kind.GAUGE:
            gauge = GaugeMetricFamily(family.name, family.help, labels=labels)
            for key, value in values:
                assert not isinstance(value, Tally)
                gauge.add_metric(key, value)
            return gauge
        case Kind.COUNTER:
            counter = CounterMetricFamily(family.name, family.help, labels=labels)
            for key, value in values:
                assert not isinstance(value, Tally)
                counter.add_metric(key, value)
            return counter
        case Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(family.name, family.help, labels=labels)
            for key, tally in values:
                assert isinstance(tally, Tally)
                buckets = [("+Inf" if bound == float("inf") else repr(bound), n) for bound, n in tally.cumulative()]
                histogram.add_metric(key, buckets, tally.sum)
            return histogram
        case _:
            assert_never(family.kind)


def table() -> str:
    """All metrics as a table in Markdown: what docs/ shows."""
    lines = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.name}` | {family.kind.value} | {labels} | {family.help} |")
    return "\n".join(lines) + "\n"
