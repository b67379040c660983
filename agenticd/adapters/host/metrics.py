"""The names of the daemon's metrics, all of them, and how Prometheus gets them. Nothing is measured here.

Values are asked for when they are scraped. No call id is a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the values come from: each is asked on the event loop, and answers from memory."""

    calls: Callable[[], Mapping[str, int]]
    """How many calls there are, by state."""
    webhooks_refused: Callable[[], Mapping[str, int]]
    """Requests refused since the start, by reason."""
    media_faults: Callable[[], Mapping[str, int]]
    """Faults of media sockets since the start, by reason."""
    model_faults: Callable[[], Mapping[str, int]]
    """Faults of the model's sockets since the start, by reason."""
    media_dropped: Callable[[], Mapping[str, int]]
    """Audio frames that nobody got since the start, by reason: they waited too long, and for what."""
    loop_lag: Callable[[], float]
    """Seconds by which the event loop is late."""
    log_head: Callable[[], int]
    """The newest durable revision."""
    tasks: Callable[[], int]
    """How many tasks the event loop holds."""


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
        sources = self._sources
        calls = GaugeMetricFamily("agenticd_calls", "Calls that have not ended, by state.", labels=["state"])
        for state, number in sources.calls().items():
            calls.add_metric([state], number)
        yield calls
        yield _by_reason(
            "agenticd_webhooks_refused",
            "Requests to the public port that were refused, by reason.",
            sources.webhooks_refused(),
        )
        yield _by_reason(
            "agenticd_media_faults", "What went wrong on media sockets, by reason.", sources.media_faults()
        )
        yield _by_reason(
            "agenticd_model_faults", "What went wrong on sockets to the model, by reason.", sources.model_faults()
        )
        yield _by_reason(
            "agenticd_media_dropped_frames",
            "Audio frames that waited too long and were dropped, by reason.",
            sources.media_dropped(),
        )
        yield GaugeMetricFamily(
            "agenticd_loop_lag_seconds", "By how much the event loop is late.", value=sources.loop_lag()
        )
        yield GaugeMetricFamily("agenticd_tasks", "Tasks of the event loop.", value=sources.tasks())
        yield GaugeMetricFamily(
            "agenticd_log_head_revision",
            "The newest durable revision of the event log.",
            value=sources.log_head(),
        )


def _by_reason(name: str, text: str, numbers: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=["why"])
    for why, number in numbers.items():
        family.add_metric([why], number)
    return family
