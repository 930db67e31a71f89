"""The dashboard of the example asks for metrics and labels that exist."""

from __future__ import annotations

import json
import re

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

import realtime_trio as rt
from tests.source import ROOT

DASHBOARD = ROOT / "examples" / "metrics-dashboard.json"
_METRIC = re.compile(r"\b(?:realtime_trio|messaging|gen_ai)_\w+")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}


def _described() -> list[Metric]:
    with rt.instrument.prometheus(registry=CollectorRegistry()) as metrics:
        return list(metrics.describe())


def test_the_dashboard_uses_only_what_there_is() -> None:
    names = {m.name + suffix for m in _described() for suffix in _SUFFIXES[m.type]}
    labels = {a.replace(".", "_") for m in rt.instrument.MEASURES for a in m.attributes}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    used = {word for query in queries for word in _METRIC.findall(query)}
    assert used <= names | labels
    missing = [m.name for m in _described() if not any(m.name in query for query in queries)]
    assert set(missing) <= {"realtime_trio_lane_waiting_bytes", "realtime_trio_lane_subscriptions"}
    assert len({panel["id"] for panel in panels}) == len(panels)
