"""GET /metrics: the figures of the service for Prometheus, which name nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from align.decoder_process import DEATHS
from jobs.backups import last_backup
from web.api.health import find_reasons
from web.metrics import metrics
from web.state import jobs, live_room, settings, store
from web.wire import parse

blueprint = Blueprint("metrics", __name__)
TROUBLES = (
    "backup_old",
    "clock",
    "damaged",
    "database_slow",
    "disk_full",
    "other_models",
    "traces_left",
    "worker_dead",
)


@blueprint.get("/metrics")
def show_metrics() -> Response:
    """Show the figures in the text form of Prometheus."""
    parse.check_query()
    return Response(generate_latest(metrics().registry), content_type=CONTENT_TYPE_LATEST)


class Gauges(Collector):
    """What the service holds now. Prometheus asks for it within a request."""

    def describe(self) -> Iterator[Metric]:
        """Describe nothing, so that the registry does not ask before there is a request."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the gauges."""
        yield GaugeMetricFamily("duet_people", "People in the gallery.", store().count())
        visits = store().count_visits()
        yield _by("duet_visits", "Visits kept, by what was said of the answer.", "said", visits)
        strangers = store().count_strangers()
        yield GaugeMetricFamily("duet_strangers", "Unknown visitors who are kept.", strangers)
        yield _by("duet_job_files", "Files of batch jobs.", "state", jobs().count_files())
        sessions = live_room().sessions
        yield GaugeMetricFamily("duet_live_sessions", "Live sessions that are open.", sessions)
        deaths = CounterMetricFamily("duet_decoder_deaths", "Decoders that died or hung.")
        deaths.add_metric([], DEATHS.count)
        yield deaths
        if made_at := last_backup(settings()):
            name = "duet_last_backup_timestamp_seconds"
            yield GaugeMetricFamily(name, "Time of the last backup.", made_at.timestamp())
        reasons = {reason["code"] for reason in find_reasons()}
        troubles = {code: int(code in reasons) for code in TROUBLES}
        yield _by("duet_trouble", "1: health names this.", "code", troubles)


def _by(name: str, help_text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    """Make a gauge with a value for each of a label."""
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
