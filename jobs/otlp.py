"""The figures of `/metrics` in OpenTelemetry's form, and the way to its receiver.

They go over HTTP (OTLP) by OpenTelemetry's own exporter. Names, labels and values are
those of `/metrics`, translated as its specification "Prometheus and OpenMetrics
Compatibility" says. The operator's OTEL_EXPORTER_OTLP_HEADERS and the like hold.

Needs the packages of `requirements-optional.txt`.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric
from prometheus_client.samples import Sample

from jobs.push_problem import Problem
from utils.config import Settings

SERVICE = "duet-id"
PATH = "/v1/metrics"
_CUMULATIVE = otlp.AggregationTemporality.CUMULATIVE
_SECOND_NS = 10**9
Labels = tuple[tuple[str, str], ...]
UNKNOWN: Any = None
"""The least and the greatest of a histogram, which Prometheus does not keep."""


class Receiver:
    """The receiver at DUET_OTLP_ENDPOINT.

    Each push has a thread of its own, as `requests` limits each read of an answer and not
    the whole. One that hangs is left alone, and no other is begun beside it.
    """

    def __init__(self, settings: Settings, limit_s: float) -> None:
        """`limit_s` is for a whole push. Its tries end after half of it, to tell why."""
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # our line says it all
        self._begun_ns = time.time_ns()
        self._limit_s = limit_s
        self._pushing: threading.Thread | None = None
        self._is_done = threading.Event()
        self._session = _Session(limit_s / 2)
        self._exporter = OTLPMetricExporter(
            settings.server.otlp_endpoint.rstrip("/") + PATH,
            timeout=limit_s / 2,
            session=self._session,
        )
        place = f"{socket.gethostname()}:{settings.server.port}"
        self._resource = Resource.create({"service.name": SERVICE, "service.instance.id": place})

    def push(self, families: Iterable[Metric]) -> Problem | None:
        """Push figures. Returns why they were not taken (None = they were)."""
        if self._pushing is not None and self._pushing.is_alive():
            return _slow(self._limit_s)
        scope = otlp.ScopeMetrics(
            InstrumentationScope(SERVICE), list(translate(families, self._begun_ns)), ""
        )
        figures = otlp.MetricsData([otlp.ResourceMetrics(self._resource, [scope], "")])
        self._is_done.clear()
        self._pushing = threading.Thread(
            target=self._export, args=(figures,), name="telemetry-push", daemon=True
        )
        self._pushing.start()
        return self._session.problem if self._is_done.wait(self._limit_s) else _slow(self._limit_s)

    def _export(self, figures: otlp.MetricsData) -> None:
        self._session.problem = Problem("failed")
        try:
            self._exporter.export(figures)
        finally:
            self._is_done.set()

    def close(self) -> None:
        """End the push at hand: what waits for it goes on at once."""
        self._exporter.shutdown()  # ends its pauses, closes the session and takes no more
        self._is_done.set()


class _Session(requests.Session):
    """Asks the named address alone: follows no redirection, and uses no proxy.

    What is answered is not read, and what came of it is remembered in `problem`.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self.trust_env = False
        self.problem: Problem | None = None
        self._limit_s = limit_s

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Ask, and remember what came of it. Raises requests.RequestException, OSError."""
        sparing = {"allow_redirects": False, "stream": True}
        try:
            answer = super().request(*args, **(kwargs | sparing))
        except requests.Timeout:
            self.problem = _slow(self._limit_s)
            raise
        except requests.RequestException as error:
            self.problem = Problem("silent", type(error).__name__)
            raise
        except OSError:  # of the certificates alone: all else is a RequestException
            self.problem = Problem("file")
            raise
        answer.close()
        taken = 200 <= answer.status_code < 300
        self.problem = None if taken else Problem("refused", str(answer.status_code))
        return answer


def _slow(limit_s: float) -> Problem:
    return Problem("slow", f"{limit_s:g}")


def translate(families: Iterable[Metric], begun_ns: int) -> Iterator[otlp.Metric]:
    """Translate families of Prometheus, but those without a value.

    A counter begins at `begun_ns` if it does not say when.
    """
    span_ns = (begun_ns, time.time_ns())
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        data = _translate_points(family, name, span_ns)
        if data.data_points:
            yield otlp.Metric(name, family.documentation, "", data)


def _translate_points(family: Metric, name: str, span_ns: tuple[int, int]) -> otlp.DataT:
    if family.type == "histogram":
        return otlp.Histogram(list(_histogram_points(family, span_ns)), _CUMULATIVE)
    numbers = list(_numbers(family, name, span_ns))
    if family.type == "counter":
        return otlp.Sum(numbers, _CUMULATIVE, is_monotonic=True)
    return otlp.Gauge(numbers)


def _numbers(family: Metric, name: str, span_ns: tuple[int, int]) -> Iterator[otlp.NumberDataPoint]:
    """Translate the samples that are named `name`."""
    starts_ns = _starts_ns(family)
    begun_ns, now_ns = span_ns
    for labels, value in _by_labels(family, name.removeprefix(family.name)).items():
        start_ns = starts_ns.get(labels, begun_ns)
        yield otlp.NumberDataPoint(dict(labels), start_ns, now_ns, float(value))


def _histogram_points(
    family: Metric, span_ns: tuple[int, int]
) -> Iterator[otlp.HistogramDataPoint]:
    """Translate a histogram: the counts of Prometheus add up, those of OpenTelemetry do not."""
    starts_ns = _starts_ns(family)
    begun_ns, now_ns = span_ns
    sums = _by_labels(family, "_sum")
    for labels, total in _by_labels(family, "_count").items():
        buckets = [
            (float(sample.labels["le"]), sample.value)
            for sample in family.samples
            if sample.name == f"{family.name}_bucket" and _labels(sample) == labels
        ]
        counts = [0.0, *(count for _, count in buckets)]
        yield otlp.HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=starts_ns.get(labels, begun_ns),
            time_unix_nano=now_ns,
            count=int(total),
            sum=float(sums[labels]),
            bucket_counts=[int(above - below) for below, above in pairwise(counts)],
            explicit_bounds=[bound for bound, _ in buckets[:-1]],  # the last is infinity
            min=UNKNOWN,
            max=UNKNOWN,
        )


def _starts_ns(family: Metric) -> dict[Labels, int]:
    """Unix times at which counts began, where the family says so."""
    created = _by_labels(family, "_created")
    return {labels: int(at * _SECOND_NS) for labels, at in created.items()}


def _by_labels(family: Metric, suffix: str) -> dict[Labels, float]:
    """Values of the samples whose name has this suffix, by their labels."""
    name = family.name + suffix
    return {_labels(sample): sample.value for sample in family.samples if sample.name == name}


def _labels(sample: Sample) -> Labels:
    """Labels of a sample, without the bound of a bucket."""
    return tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
