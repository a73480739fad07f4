"""Figures for Prometheus: true, and without anybody's name."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.serving import make_server

from tests.support.service import free_port
from tests.support.shapes import assert_error, media, send
from web.server.logs import JsonFormatter, TextFormatter

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "duet.json"
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(client: FlaskClient) -> Figures:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    samples = chain.from_iterable(family.samples for family in families)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}


def test_requests_and_state_are_counted_and_nobody_is_named(client: FlaskClient) -> None:
    client.post("/v1/people", json={"person_id": "zoe", "name": "Zoe Secret"})
    for _ in range(2):
        client.get("/v1/people/zoe")
    client.get("/v1/people/nobody-secret")
    client.get("/secret/path")
    client.open("/v1/people", method="SECRET")
    figures = read(client)
    person = ("route", "/v1/people/<string:person_id>")
    requests = "duet_requests_total"
    assert figures[requests, (("method", "GET"), person, ("status", "200"))] == 2
    assert figures[requests, (("method", "GET"), person, ("status", "404"))] == 1
    assert figures[requests, (("method", "GET"), ("route", "none"), ("status", "404"))] == 1
    assert figures["duet_request_seconds_count", (person,)] == 3
    assert figures["duet_people", ()] == 1
    assert figures["duet_live_sessions", ()] == 0
    assert figures["duet_trouble", (("code", "clock"),)] == 0
    assert figures["duet_process_resident_memory_bytes", ()] > 1e6
    shown = client.get("/metrics").text.lower()
    assert "secret" not in shown
    assert "zoe" not in shown


def test_an_answer_is_counted_by_its_outcome_and_its_stages(client: FlaskClient) -> None:
    body = send(client, "/v1/identify", media=media(face="eve", voice="eve")).get_json()
    figures = read(client)
    for by in ("fused", "face", "voice"):
        assert figures["duet_outcomes_total", (("by", by), ("outcome", "unknown"))] == 1
    for stage in body["timings_ms"]:
        assert figures["duet_stage_seconds_count", (("stage", stage),)] == 1


def test_trouble_is_that_of_health(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert read(client)["duet_trouble", (("code", "disk_full"),)] == 1


def test_an_unknown_field_is_refused(client: FlaskClient) -> None:
    assert_error(client.get("/metrics?who=zoe"), 400, "invalid_request")


def test_the_dashboard_asks_for_figures_that_exist(client: FlaskClient) -> None:
    names = set(re.findall(r"duet_[a-z_]+", DASHBOARD.read_text()))
    text = client.get("/metrics").text
    names.remove("duet_last_backup_timestamp_seconds")  # there is no backup
    assert len(names) >= 8
    for name in names:
        assert f"# TYPE {name.removesuffix('_bucket')} " in text


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the log holds, in JSON."""
    stream: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: stream.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    log = logging.getLogger("duet.web")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield stream
    log.removeHandler(handler)
    log.setLevel(before)


def test_the_log_in_json(client: FlaskClient, lines: list[str]) -> None:
    client.get("/v1/people/zoe", headers={"X-Request-ID": "abc"})
    line = json.loads(lines[-1])
    assert {name: line[name] for name in ("request_id", "method", "route", "status", "level")} == {
        "request_id": "abc",
        "method": "GET",
        "route": "/v1/people/<string:person_id>",
        "status": 404,
        "level": "info",
    }
    assert "zoe" not in lines[-1]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("PUT", "/v1/people/zoe", "/v1/people/*"),
        ("GET", "/v1/people/zoe/templets", "/v1/people/*/*"),
        ("GET", "/zoe/a/b/c/d/e/f/g/h", "/*/*/*/*/*/*/*"),
    ],
)
def test_of_what_is_no_route_nobody_is_named(
    client: FlaskClient, lines: list[str], method: str, path: str, route: str
) -> None:
    client.open(path, method=method)
    assert json.loads(lines[-1])["route"] == route
    assert "zoe" not in "".join(lines)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_a_real_prometheus_scrapes_it(app: Flask, tmp_path: Path) -> None:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: duet\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{server.port}']}}]\n"
    )
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/api/v1/query?query="
        up = _wait_for(lambda: _ask(url + quote("up{job='duet'} == 1")))
        assert up
        assert _ask(url + "duet_people")[0]["value"][1] == "0"
    finally:
        process.terminate()
        process.wait(10)
        server.shutdown()


def _ask(url: str) -> list[dict[str, list[str]]]:
    try:
        with urlopen(url, timeout=5) as answer:
            found: list[dict[str, list[str]]] = json.load(answer)["data"]["result"]
    except OSError:
        return []
    return found


def _wait_for(ask: Callable[[], list[dict[str, list[str]]]]) -> list[dict[str, list[str]]]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.2)
    return []


def test_a_line_of_text_begins_with_the_time_in_utc() -> None:
    record = logging.makeLogRecord({"msg": "ready", "levelname": "INFO", "created": 0.25})
    assert TextFormatter().format(record) == "1970-01-01T00:00:00.250+00:00 INFO ready"
