"""What health says of a service that goes on, but not as it should."""

from __future__ import annotations

import math
import shutil
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from gallery.records import clock, forgetting
from gallery.store import open_store
from gallery.tables import meta
from gallery.upkeep.reembedding import Reembedding
from jobs import hindrances
from jobs.hindrances import find_hindrances
from tests.support.gallery_parts import recognizer_of
from tests.support.next_models import NEXT
from tests.support.shapes import assert_error, enroll, media, send
from utils.config import Settings
from utils.errors import StoreUnavailableError
from web.api.metrics import TROUBLES
from web.factory import create_app
from web.pages.pages import LANGUAGES, texts


def reasons(client: FlaskClient) -> dict[str, dict[str, Any]]:
    """What hinders the service: details by code."""
    body = client.get("/v1/health").get_json()
    assert body["status"] == ("degraded" if body["reasons"] else "ok")
    assert all(reason["text"] for reason in body["reasons"])
    return {reason["code"]: reason["details"] for reason in body["reasons"]}


def codes(client: FlaskClient) -> list[str]:
    return list(reasons(client))


def test_all_is_well(client: FlaskClient) -> None:
    assert codes(client) == []
    for part in ("live", "ready"):
        answer = client.get(f"/v1/health/{part}")
        assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_a_clock_that_jumps(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes(client) == []
    real = time.time()
    ahead = datetime.now(UTC) + timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: ahead)
    monkeypatch.setattr(time, "time", lambda: real + 400 * 86_400)
    shown = ahead.isoformat(timespec="seconds")
    assert reasons(client) == {"clock": {"shown": shown, "days": 400.0}}


def test_a_full_disk(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert reasons(client) == {"disk_full": {"megabytes": 5}}


def test_a_worker_that_ended(client: FlaskClient, app: Flask) -> None:
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    job_thread = app.extensions["duet"].job_thread
    job_thread._thread = ended
    assert codes(client) == ["worker_dead"]
    job_thread.stop()


def test_a_slow_database(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.hindrances.SLOW_S", 0.0)
    assert codes(client) == ["database_slow"]


def test_a_deletion_that_left_traces(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = app.extensions["duet"].recognizer.store
    store.create_person("ann")
    with monkeypatch.context() as patched:
        patched.setattr(store.database, "forget", lambda *_, **__: False)
        store.delete_person("ann")
        assert codes(client) == ["traces_left"]
    store.forget_expired()
    assert codes(client) == []


@pytest.mark.parametrize("at", ["2026-01-01T00:00:00+00:00", "9999-01-01T00:00:00+00:00", "1"])
def test_a_deletion_of_another_process_that_left_traces(
    client: FlaskClient, app: Flask, at: str
) -> None:
    """One that is being done does not count, and one that ended long ago does."""
    database = app.extensions["duet"].recognizer.store.database
    assert codes(client) == []  # and the daily look at what was left is done
    with database.write() as connection:
        forgetting.mark_cleanup_pending(connection)
    assert codes(client) == []
    with database.write() as connection:
        connection.execute(update(meta).where(meta.c.name == forgetting.PENDING).values(value=at))
    assert codes(client) == ["traces_left"]


def test_templates_made_anew_for_other_models(tmp_path: Path) -> None:
    """The service that goes on with the former models says so until it is started again."""
    settings = Settings.of(data_dir=tmp_path, keep_media=True)
    with closing(recognizer_of(settings)) as before:
        service = create_app({"SETTINGS": settings, "TESTING": True}, before).test_client()
        enroll(service, "ann")
        assert codes(service) == []
        work = Reembedding(before.store, NEXT)
        work.stage()
        work.switch()
        assert reasons(service) == {"other_models": {"templates": 2}}
        answer = send(service, "/v1/identify", media=media(face="ann", voice="ann", take=2))
        error = assert_error(answer, 409, "encoder_mismatch")
        assert "start the service again" in error["hint"]
    with closing(recognizer_of(settings, NEXT)) as after:
        service = create_app({"SETTINGS": settings, "TESTING": True}, after).test_client()
        assert codes(service) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_details_fill_every_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(hindrances, "SLOW_S", -1.0)
    monkeypatch.setattr(hindrances, "last_backup", lambda _: now - timedelta(days=400))
    monkeypatch.setattr(hindrances, "LEAST_ROOM_BYTES", math.inf)
    settings = Settings.of(data_dir=tmp_path, backup_dir=tmp_path / "backups")
    with closing(open_store(settings)) as store:
        store.clock_jump = clock.ClockJump(now, now - timedelta(days=3))
        found = find_hindrances(store, settings)
    others = {"worker_dead", "traces_left", "damaged", "other_models"}
    assert {one.code for one in found} | others == set(TROUBLES)
    said = texts(language, "health")
    keys = {"clock": ("health.clock_ahead", "health.clock_behind")}
    for one in found:
        for key in keys.get(one.code, (f"health.{one.code}",)):
            assert "{" in said[key]
            assert "{" not in said[key].format_map(one.details)


def test_live_needs_no_database_and_ready_does(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise StoreUnavailableError("locked")

    monkeypatch.setattr(app.extensions["duet"].recognizer.store, "check", fail)
    assert client.get("/v1/health/live").status_code == 200
    assert_error(client.get("/v1/health/ready"), 503, "store_unavailable")
