"""A scrape shows what is so now, under names that stay."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from agenticd.adapters.host.metrics import Metrics, Sources


def test_a_scrape_shows_the_values_of_the_moment():
    calls = {"IN_PROGRESS": 2}
    refused: dict[str, int] = {}
    sources = Sources(lambda: calls, lambda: refused, lambda: {"binary": 4}, lambda: 0.25, lambda: 4711, lambda: 12)
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
