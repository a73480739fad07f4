"""GET /metrics: figures for Prometheus, which name nobody.

Each application has a registry of its own. Counters and times begin at zero with the
process. Gauges are read when they are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily

from jobs.backups import last_backup
from web.api.health import find_reasons
from web.state import jobs, live_room, settings, store
from web.wire import parse

blueprint = Blueprint("metrics", __name__)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
"""Label of what is no route: the path of a stranger is no label."""
DECISIONS = ("fused", "face", "voice")
SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
TROUBLES = ("backup_old", "clock", "database_slow", "disk_full", "worker_dead")


class Metrics:
    """Counters and times of one application."""

    def __init__(self) -> None:
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
        self.registry.register(_State())

    def count_request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request that was answered."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
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


class _State:
    """What the service holds now. Prometheus asks for it within a request."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Describe nothing, so that the registry does not ask before there is a request."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the gauges."""
        yield GaugeMetricFamily("duet_people", "People in the gallery.", store().count())
        files = GaugeMetricFamily("duet_job_files", "Files of batch jobs.", labels=["state"])
        for state, count in jobs().count_files().items():
            files.add_metric([state], count)
        yield files
        sessions = live_room().sessions
        yield GaugeMetricFamily("duet_live_sessions", "Live sessions that are open.", sessions)
        made_at = last_backup(settings())
        if made_at:
            yield GaugeMetricFamily(
                "duet_last_backup_timestamp_seconds",
                "Time of the last backup.",
                made_at.timestamp(),
            )
        found = {reason["code"] for reason in find_reasons()}
        troubles = GaugeMetricFamily("duet_trouble", "1: health names this.", labels=["code"])
        for code in TROUBLES:
            troubles.add_metric([code], float(code in found))
        yield troubles


def metrics() -> Metrics:
    """Get the figures of the application that answers this request."""
    figures: Metrics = current_app.extensions["duet_metrics"]
    return figures


def init_app(app: Flask) -> None:
    """Count every request, and answer at /metrics."""
    app.extensions["duet_metrics"] = Metrics()
    app.register_blueprint(blueprint)

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else NO_ROUTE
        took_s = time.perf_counter() - g.started
        metrics().count_request(request.method, route, response.status_code, took_s)
        return response


@blueprint.get("/metrics")
def show_metrics() -> Response:
    """Show the figures in the text form of Prometheus."""
    parse.check_query()
    return Response(generate_latest(metrics().registry), content_type=CONTENT_TYPE_LATEST)
