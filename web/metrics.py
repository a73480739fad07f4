"""Counters and times for Prometheus, which name nobody.

Each application has a registry of its own, and counts from zero. `web/api/metrics.py`
adds what the service holds, and shows all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, current_app, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
)
from prometheus_client.registry import Collector

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
"""Label of what is no route: the path of a stranger is no label."""
DECISIONS = ("fused", "face", "voice")
SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)


class Metrics:
    """Counters and times of one application."""

    def __init__(self, gauges: Collector) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "duet_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._request_s = Histogram(
            "duet_request_seconds",
            "Time from a request to its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._stage_s = Histogram(
            "duet_stage_seconds",
            "Time of each stage of a clip. The stage wait is the queue.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._outcomes = Counter(
            "duet_outcomes",
            "Answers about clips, by what decided and the outcome.",
            ("by", "outcome"),
            registry=self.registry,
        )
        ProcessCollector(namespace="duet", registry=self.registry)
        self.registry.register(gauges)

    def count_request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request that was answered."""
        label = method if method in METHODS else "other"
        self._requests.labels(label, route, str(status)).inc()
        self._request_s.labels(route).observe(took_s)

    def count_answer(self, answer: Mapping[str, Any]) -> None:
        """Count the outcomes of an answer about a clip, and the time of its stages."""
        for stage, took_ms in answer.get("timings_ms", {}).items():
            if took_ms is not None:
                self._stage_s.labels(stage).observe(took_ms / 1000)
        for by in DECISIONS:
            decision = answer.get(by)
            if decision and decision.get("outcome"):
                self._outcomes.labels(by, decision["outcome"]).inc()


def metrics() -> Metrics:
    """Get the figures of the application that answers this request."""
    figures: Metrics = current_app.extensions["duet_metrics"]
    return figures


def reader_of(app: Flask) -> Callable[[], list[Metric]]:
    """Make what reads the figures of an application outside a request."""

    def read() -> list[Metric]:
        with app.app_context():
            return list(metrics().registry.collect())

    return read


def init_app(app: Flask, gauges: Collector) -> None:
    """Count every request. `gauges` are read when somebody asks for the figures."""
    app.extensions["duet_metrics"] = Metrics(gauges)

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else NO_ROUTE
        took_s = time.perf_counter() - g.started
        metrics().count_request(request.method, route, response.status_code, took_s)
        return response
