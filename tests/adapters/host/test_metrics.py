"""A scrape shows what is so now, under names that stay."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from agenticd.adapters.host.metrics import Metrics, Sources


def test_a_scrape_shows_the_values_of_the_moment():
    calls = {"IN_PROGRESS": 2}
    refused: dict[str, int] = {}
    sources = Sources(
        calls=lambda: calls,
        webhooks_refused=lambda: refused,
        media_faults=lambda: {"binary": 4},
        model_faults=lambda: {"unknown_event": 3},
        media_dropped=lambda: {"model_not_ready": 5, "model_slow": 6},
        loop_lag=lambda: 0.25,
        log_head=lambda: 4711,
        tasks=lambda: 12,
    )
    metrics = Metrics(sources)

    def scraped() -> dict[tuple[str, str], float]:
        body, content_type = metrics.render()
        assert content_type.startswith("text/plain")
        families = text_string_to_metric_families(body.decode())
        return {
            (sample.name, ",".join(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }

    first = scraped()
    assert first["agenticd_calls", "IN_PROGRESS"] == 2
    assert first["agenticd_media_faults_total", "binary"] == 4
    assert first["agenticd_model_faults_total", "unknown_event"] == 3
    assert first["agenticd_media_dropped_frames_total", "model_not_ready"] == 5
    assert first["agenticd_media_dropped_frames_total", "model_slow"] == 6
    assert first["agenticd_loop_lag_seconds", ""] == 0.25
    assert first["agenticd_log_head_revision", ""] == 4711
    assert first["agenticd_tasks", ""] == 12
    assert first["process_open_fds", ""] > 0
    assert not [name for name, _ in first if name.startswith("agenticd_webhooks")]
    calls["IN_PROGRESS"] = 0
    refused["no_signature"] = 9
    second = scraped()
    assert second["agenticd_calls", "IN_PROGRESS"] == 0
    assert second["agenticd_webhooks_refused_total", "no_signature"] == 9
