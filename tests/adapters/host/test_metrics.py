"""A scrape shows what is so now, under names that stay."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from agenticd.adapters.host.counts import CallCounts
from agenticd.adapters.host.metrics import FAMILIES, Kind, Metrics, Sources, table
from agenticd.core.tally import Tally
from agenticd.service.ports import PeerHealth


def sources(**changed: Any) -> Sources:
    """Sources of a daemon to which nothing happened yet."""
    quiet = Sources(
        version="1.2.3",
        counts=CallCounts(),
        ready=lambda: True,
        calls=dict,
        webhooks_refused=dict,
        media_faults=dict,
        media_dropped=dict,
        media_sockets=lambda: 0,
        media_gaps=Tally((0.1, 1.0)),
        unplayed=lambda: 0.0,
        model_faults=dict,
        model_connects=dict,
        model_connect_seconds=Tally((1.0,)),
        twilio_requests=dict,
        twilio_request_seconds=Tally((1.0,)),
        peers=dict,
        log_head=lambda: 0,
        log_waiting=lambda: 0,
        log_append_seconds=Tally((1.0,)),
        streams=lambda: 0,
        stream_lag=lambda: 0,
        rpcs_handled=dict,
        rpcs_running=dict,
        rpc_seconds=dict,
        loop_lag=lambda: 0.0,
        tasks=lambda: 1,
    )
    return dataclasses.replace(quiet, **changed)


def scraped(metrics: Metrics) -> dict[tuple[str, str], float]:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_a_scrape_shows_the_values_of_the_moment():
    calls = {"IN_PROGRESS": 2}
    refused: dict[str, int] = {}
    gaps = Tally((0.1, 1.0))
    peers = {"twilio": PeerHealth(False, 1.0, "down"), "openai": PeerHealth()}
    metrics = Metrics(
        sources(
            calls=lambda: calls,
            webhooks_refused=lambda: refused,
            media_faults=lambda: {"binary": 4},
            media_dropped=lambda: {"model_not_ready": 5, "model_slow": 6},
            media_gaps=gaps,
            unplayed=lambda: 1.25,
            peers=lambda: peers,
            log_head=lambda: 4711,
            rpcs_handled=lambda: {("s", "m", "OK"): 3},
            rpc_seconds=lambda: {("s", "m"): gaps},
            loop_lag=lambda: 0.25,
        )
    )
    first = scraped(metrics)
    assert first["agenticd_info", "1.2.3"] == 1
    assert first["agenticd_calls", "IN_PROGRESS"] == 2
    assert first["agenticd_calls", "RINGING"] == 0
    assert first["agenticd_media_faults_total", "binary"] == 4
    assert first["agenticd_media_dropped_frames_total", "model_slow"] == 6
    assert first["agenticd_playout_buffer_ms", ""] == 1250
    assert first["agenticd_peer_up", "twilio"] == 0
    assert ("agenticd_peer_up", "openai") not in first
    assert first["agenticd_log_head_revision", ""] == 4711
    assert first["grpc_server_handled_total", "OK,m,s"] == 3
    assert first["agenticd_loop_lag_seconds", ""] == 0.25
    assert first["process_open_fds", ""] > 0
    assert first["agenticd_media_in_gap_seconds_count", ""] == 0
    assert not [name for name, _ in first if name.startswith("agenticd_webhooks")]
    calls["IN_PROGRESS"] = 0
    refused["no_signature"] = 9
    for value in (0.05, 0.5, 7.0):
        gaps.add(value)
    second = scraped(metrics)
    assert second["agenticd_calls", "IN_PROGRESS"] == 0
    assert second["agenticd_webhooks_refused_total", "no_signature"] == 9
    assert [second["agenticd_media_in_gap_seconds_bucket", le] for le in ("0.1", "1.0", "+Inf")] == [1, 2, 3]
    assert math.isclose(second["agenticd_media_in_gap_seconds_sum", ""], 7.55)
    assert second["grpc_server_handling_seconds_count", "m,s"] == 3


def test_every_metric_is_shown_from_the_start_and_says_what_it_is():
    body, _ = Metrics(sources()).render()
    shown = {family.name: family for family in text_string_to_metric_families(body.decode())}
    for family in FAMILIES:
        found = shown[family.name.removesuffix("_total")]
        assert (found.type, found.documentation) == (family.kind.value, family.help)


def test_the_names_are_good_ones():
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert re.fullmatch(r"(agenticd|grpc_server)_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER), family.name
        assert family.kind is not Kind.HISTOGRAM or family.name.endswith("_seconds")
        assert family.help.endswith(".")
        assert not {"call_id", "number", "le"} & set(family.labels)


def test_the_table_has_all_of_them():
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [family.name for family in FAMILIES]
    assert all(row.count("|") == 5 for row in rows)
