"""Figures reach a real OpenTelemetry receiver over HTTP, as `/metrics` shows them."""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate, chain
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from jobs import telemetry
from jobs.push_problem import Problem
from jobs.telemetry import (
    EVERY_S,
    MOST_PAUSE_S,
    TelemetryThread,
    next_pause,
    try_receiver,
)
from tests.support.addresses import BAD_ADDRESSES
from tests.support.http_server import in_thread
from tests.support.service import free_port
from tests.support.shapes import media, send
from utils.config import Settings
from utils.errors import ConfigError, StoreUnavailableError
from web.metrics import reader_of
from web.server import serve

needs_exporter = pytest.mark.skipif(
    not telemetry.is_exporter_installed(), reason="requirements-dev.txt is not installed"
)
Labels = tuple[tuple[str, str], ...]
Figures = dict[tuple[str, Labels], Any]


class Receiver(ThreadingHTTPServer):
    """Answers with `status`, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.drips = 0
        self.taken = threading.Event()
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.path, headers, body))
        self.send_response(self.server.status)
        self.flush_headers()
        for _ in range(self.server.drips):
            if self.server.ended.wait(0.05):
                break
            self.wfile.write(b"X: 1\r\n")
        if self.server.status == 307:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.server.taken.set()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    with in_thread(server):
        yield server
        server.ended.set()


def push(app: Flask, settings: Settings, endpoint: str, limit_s: float = 60.0) -> Problem | None:
    """Push the figures of an application. Within 1.5 s there is no second try."""
    from jobs.otlp import Receiver

    chosen = settings.replace(otlp_endpoint=endpoint)
    return Receiver(chosen, limit_s).push(reader_of(app)())


def read_body(body: bytes) -> tuple[dict[str, str], Figures]:
    """Resource and figures of a body, named and counted as Prometheus does."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    (sent,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    figures: Figures = {}
    for metric in sent.scope_metrics[0].metrics:
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points:
            labels = labels_of(point)
            if kind == "histogram":
                figures[f"{metric.name}_count", labels] = point.count
                figures[f"{metric.name}_sum", labels] = point.sum
                bounds = [*point.explicit_bounds, float("inf")]
                for bound, count in zip(bounds, accumulate(point.bucket_counts), strict=True):
                    figures[f"{metric.name}_bucket", (*labels, ("le", str(bound)))] = count
            else:
                figures[metric.name, labels] = point.as_double
            if kind != "gauge":
                assert 0 < point.start_time_unix_nano <= point.time_unix_nano
    return {one.key: one.value.string_value for one in sent.resource.attributes}, figures


def labels_of(point: Any) -> Labels:
    return tuple(sorted((one.key, one.value.string_value) for one in point.attributes))


def figures_of(text: str) -> Figures:
    """Figures of `/metrics`, in the same form."""
    families = text_string_to_metric_families(text)
    samples = chain.from_iterable(family.samples for family in families)
    return {
        (one.name, plain_labels(one.labels)): one.value
        for one in samples
        if not one.name.endswith("_created")
    }


def plain_labels(labels: dict[str, str]) -> Labels:
    """Labels in order, the bound of a bucket last and as a number."""
    bound = [("le", str(float(labels["le"])))] if "le" in labels else []
    return (*sorted((name, value) for name, value in labels.items() if name != "le"), *bound)


@needs_exporter
def test_what_is_pushed_is_what_metrics_shows(
    app: Flask, client: FlaskClient, settings: Settings, receiver: Receiver
) -> None:
    client.post("/v1/people", json={"person_id": "zoe", "name": "Zoe Secret"})
    client.get("/v1/people/nobody-secret")
    send(client, "/v1/identify", media=media(face="eve", voice="eve"))
    assert push(app, settings, f"{receiver.url}/") is None
    ((path, headers, body),) = receiver.got
    resource, pushed = read_body(body)
    shown = figures_of(client.get("/metrics").text)
    assert path == "/v1/metrics"
    assert headers["content-type"] == "application/x-protobuf"
    assert resource["service.name"] == "duet-id"
    assert pushed.keys() == shown.keys()
    still = [key for key in shown if not key[0].startswith("duet_process_")]
    assert {key: pushed[key] for key in still} == {key: shown[key] for key in still}
    assert pushed["duet_request_seconds_count", (("route", "/v1/identify"),)] == 1
    for name in (b"zoe", b"Zoe", b"secret"):
        assert name not in body


@needs_exporter
@pytest.mark.parametrize("status", [307, 400, 503])
def test_what_is_not_taken_is_told_and_not_taken_elsewhere(
    app: Flask, settings: Settings, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    assert push(app, settings, receiver.url, 1.5) == Problem("refused", str(status))
    assert {path for path, _, _ in receiver.got} == {"/v1/metrics"}


@needs_exporter
def test_nobody_answers(app: Flask, settings: Settings) -> None:
    assert push(app, settings, f"http://127.0.0.1:{free_port()}", 1.5) == Problem(
        "silent", "ConnectionError"
    )


@needs_exporter
def test_a_receiver_that_drips_its_answer_holds_up_nothing(
    settings: Settings, receiver: Receiver
) -> None:
    """Each read succeeds, and the whole never ends. A second push is not begun beside it."""
    from jobs.otlp import Receiver

    receiver.drips = 95  # http.client takes a hundred headers
    asked = Receiver(settings.replace(otlp_endpoint=receiver.url), 3.0)
    slow = Problem("slow", "3")
    assert [asked.push(()), asked.push(())] == [slow, slow]
    assert len(receiver.got) == 1
    asked.close()


@needs_exporter
def test_a_certificate_that_is_missing_is_no_silence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem")
    problem = try_receiver(settings.replace(otlp_endpoint="https://127.0.0.1:9"), 1.5)
    assert problem == Problem("file")
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in problem.text


@needs_exporter
def test_a_receiver_that_refuses_does_not_hold_up_the_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter would pause for half a minute between its tries."""
    monkeypatch.setattr(telemetry, "LIMIT_S", 1000.0)
    begun = threading.Event()

    def collect() -> list[Any]:
        begun.set()
        return []

    thread = TelemetryThread(
        collect, settings.replace(otlp_endpoint=f"http://127.0.0.1:{free_port()}")
    )
    thread.start()
    assert begun.wait(30)
    thread.stop()
    assert_ended()


@needs_exporter
def test_the_service_starts_and_ends_the_thread(
    app: Flask, settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings.replace(otlp_endpoint=receiver.url)
    monkeypatch.setattr("web.factory.create_app", lambda _: app)
    monkeypatch.setattr(serve, "start_log", lambda _: None)
    service = serve.Service(chosen, swagger_ui=False)
    service.load()
    assert receiver.taken.wait(30)
    service.cfg.worker_exit(None, None)
    assert_ended()
    actions = [event.action for event in app.extensions["duet"].recognizer.store.events(2)]
    assert actions == ["stop", "start"]


def test_all_threads_are_told_before_one_is_waited_for(settings: Settings) -> None:
    calls: list[tuple[str, bool]] = []

    class Thread:
        def __init__(self, name: str) -> None:
            self.name = name

        def stop(self, wait_s: float) -> None:
            calls.append((self.name, wait_s > 0))

    service = serve.Service(settings, swagger_ui=False)
    service._threads = (Thread("a"), Thread("b"))  # type: ignore[assignment]
    service.cfg.worker_exit(None, None)
    assert calls == [("a", False), ("b", False), ("a", True), ("b", True)]


def assert_ended() -> None:
    """No thread of the telemetry lives on."""
    for thread in threading.enumerate():
        if thread.name.startswith("telemetry"):
            thread.join(10)
            assert not thread.is_alive(), thread.name


@needs_exporter
def test_the_variables_of_opentelemetry_hold_and_those_of_a_proxy_do_not(
    app: Flask, settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert push(app, settings, receiver.url) is None
    ((_, headers, body),) = receiver.got
    assert headers["authorization"] == "Bearer t0ken"
    assert read_body(gzip.decompress(body))[1]["duet_people", ()] == 0


@needs_exporter
def test_the_thread_pushes_and_ends(app: Flask, settings: Settings, receiver: Receiver) -> None:
    thread = TelemetryThread(reader_of(app), settings.replace(otlp_endpoint=receiver.url))
    thread.start()
    assert receiver.taken.wait(30)
    thread.stop()
    assert len(receiver.got) == 1


@needs_exporter
def test_a_database_that_is_away_costs_one_push(
    settings: Settings, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    told = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: told.set()  # type: ignore[method-assign]
    logging.getLogger("duet.jobs").addHandler(handler)

    def fail() -> list[Any]:
        raise StoreUnavailableError("The database is away.")

    thread = TelemetryThread(fail, settings.replace(otlp_endpoint=receiver.url))
    thread.start()
    assert told.wait(30)
    thread.stop()
    logging.getLogger("duet.jobs").removeHandler(handler)
    assert "not pushed, next in 120 s: store_unavailable" in caplog.text
    assert receiver.got == []


def test_pauses_double_and_end() -> None:
    pauses = [EVERY_S]
    for _ in range(6):
        pauses.append(next_pause(pauses[-1], "It answers 503."))
    assert pauses[1:4] == [120, 240, 480]
    assert pauses[-1] == MOST_PAUSE_S
    assert next_pause(pauses[-1], "") == EVERY_S


def test_nothing_runs_unless_a_receiver_is_named(app: Flask, settings: Settings) -> None:
    before = threading.active_count()
    thread = TelemetryThread(reader_of(app), settings)
    thread.start()
    assert threading.active_count() == before
    thread.stop()


@pytest.mark.parametrize(
    "endpoint", [*BAD_ADDRESSES, "http://host/?api_key=pw", "host/pw?u=http://host"]
)
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="DUET_OTLP_ENDPOINT must be an address") as refused:
        Settings.of(otlp_endpoint=endpoint)
    assert "pw" not in str(refused.value)


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_PACKAGE", "opentelemetry_that.is_missing")
    telemetry.check_exporter(Settings())
    with pytest.raises(ConfigError, match="opentelemetry-exporter-otlp-proto-http") as refused:
        telemetry.check_exporter(Settings.of(otlp_endpoint="http://127.0.0.1:4318/t0ken"))
    assert "requirements-optional.txt" in refused.value.hint
    assert "Received: http://127.0.0.1:4318" in str(refused.value)
    assert "t0ken" not in str(refused.value)


@needs_exporter
def test_the_doctor_asks_without_a_figure(settings: Settings, receiver: Receiver) -> None:
    assert try_receiver(settings.replace(otlp_endpoint=receiver.url), 60.0) is None
    assert read_body(receiver.got[0][2])[1] == {}
