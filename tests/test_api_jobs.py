"""/v1/jobs over HTTP: uploads and server folders, progress, results, cancelling, and what is refused."""
from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.tiny import clip
from web.api_jobs import MAX_UPLOADS


def files(*names: str, data: bytes | None = None) -> list[tuple[io.BytesIO, str]]:
    """Uploads that are called so; the person is the part of the name before the hyphen."""
    return [(io.BytesIO(clip(face=n.split("-")[0], voice=n.split("-")[0]) if data is None else data), n) for n in names]


def post(client: FlaskClient, **form: Any) -> Any:
    return client.post("/v1/jobs", data=form, content_type="multipart/form-data")


def finished(client: FlaskClient, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        job = client.get(f"/v1/jobs/{job_id}").get_json()
        if job["finished_at"]:
            return job
        time.sleep(0.02)
    raise AssertionError(job)


@pytest.fixture(autouse=True)
def end_thread(app):
    yield
    app.extensions["duet"].job_thread.stop()


@pytest.fixture
def media(settings) -> Path:
    for person in ("ann", "ben"):
        (settings.media_folder / "shop" / person).mkdir(parents=True)
        (settings.media_folder / "shop" / person / "1.mp4").write_bytes(clip(face=person, voice=person))
    (settings.media_folder / "shop" / ".hidden").write_bytes(b"x")
    return settings.media_folder


def test_uploads_are_enrolled_then_identified(client, settings) -> None:
    sent = post(client, action="enroll", media=files("ann-1.mp4", "ben-1.mp4"))
    assert sent.status_code == 202
    job = sent.get_json()
    assert sent.headers["Location"] == f"/v1/jobs/{job['job_id']}"
    assert (job["files"], job["state"] in ("waiting", "running", "done")) == (2, True)
    done = finished(client, job["job_id"])
    assert (done["state"], done["finished"], done["counts"]["done"]) == ("done", 2, 2)
    assert done["items"][0]["result"]["templates"][0]["modality"] == "face"
    job = post(client, media=[*files("x.mp4", data=clip(face="ben", voice="ben", take=2)), *files("y.mp4", data=b"no clip")]).get_json()
    first, second = finished(client, job["job_id"])["items"]
    assert first["result"]["fused"]["match"]["person_id"] == "ben"
    assert (second["state"], second["error"]["code"]) == ("failed", "media_type")
    assert client.get("/v1/jobs").get_json()["jobs"][0]["job_id"] == job["job_id"]
    assert not list((settings.media_folder / ".jobs").iterdir()), "uploads go as soon as they are not needed"


def test_a_folder_of_the_server(client, media) -> None:
    job = finished(client, post(client, action="enroll", folder="shop").get_json()["job_id"])
    assert [(i["name"], i["person_id"], i["state"]) for i in job["items"]] == [
        ("ann/1.mp4", "ann", "done"), ("ben/1.mp4", "ben", "done")]
    asked = finished(client, post(client, folder="shop/ann").get_json()["job_id"])
    assert asked["items"][0]["result"]["fused"]["match"]["person_id"] == "ann"
    some = client.get(f"/v1/jobs/{job['job_id']}?offset=1&limit=1&state=done").get_json()
    assert [i["name"] for i in some["items"]] == ["ben/1.mp4"]


def test_all_clips_of_one_person(client) -> None:
    job = post(client, action="enroll", person_id="ann", media=files("one.mp4", "two.mp4", data=clip(face="ann", voice="ann"))).get_json()
    assert finished(client, job["job_id"])["counts"]["done"] == 2
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 1, "voice": 1}, "one file twice is one template"


def test_duplicates_are_reported_and_forced(client) -> None:
    finished(client, post(client, action="enroll", media=files("ann-1.mp4")).get_json()["job_id"])
    twin = files("zoe-1.mp4", data=clip(face="ann", voice="ann", take=3))
    refused = finished(client, post(client, action="enroll", media=twin).get_json()["job_id"])["items"][0]
    assert refused["error"]["code"] == "duplicate_person"
    assert client.get("/v1/people/zoe").status_code == 404
    twin = files("zoe-1.mp4", data=clip(face="ann", voice="ann", take=3))
    forced = finished(client, post(client, action="enroll", force="true", media=twin).get_json()["job_id"])["items"][0]
    assert forced["result"]["duplicate"]["person_id"] == "ann"


def test_cancel_and_remove(client, app) -> None:
    app.extensions["duet"].job_thread.stop()  # nobody works: the job waits
    job = post(client, media=files("a.mp4", "b.mp4", data=clip(face="ann"))).get_json()
    cancelled = client.delete(f"/v1/jobs/{job['job_id']}").get_json()
    assert (cancelled["state"], cancelled["counts"]["cancelled"]) == ("cancelled", 2)
    assert client.delete(f"/v1/jobs/{job['job_id']}").status_code == 200
    gone = client.get(f"/v1/jobs/{job['job_id']}")
    assert (gone.status_code, gone.get_json()["error"]["code"]) == (404, "job_not_found")


@pytest.mark.parametrize(("form", "status", "code"), [
    ({}, 400, "media_missing"),
    ({"folder": ".", "media": "both"}, 400, "media_missing"),
    ({"folder": "../"}, 403, "path_forbidden"),
    ({"folder": "/etc"}, 403, "path_forbidden"),
    ({"folder": ".jobs"}, 403, "path_forbidden"),
    ({"folder": "a\x00b"}, 403, "path_forbidden"),
    ({"folder": "none"}, 404, "media_not_found"),
    ({"folder": "shop", "action": "delete"}, 400, "invalid_request"),
    ({"folder": "shop", "person_id": "ann"}, 400, "invalid_request"),
    ({"folder": "shop", "action": "enroll", "person_id": "../x"}, 422, "invalid_name"),
    ({"folder": "shop/ann", "action": "enroll"}, 400, "invalid_request"),
    ({"folder": "shop", "force": "maybe"}, 400, "invalid_request"),
    ({"folder": "shop", "unknown": "1"}, 400, "invalid_request"),
])
def test_what_is_refused(client, media, form, status, code) -> None:
    if form.get("media") == "both":
        form = {"folder": ".", "media": files("a.mp4", data=b"x")}
    answer = post(client, **form) if form else post(client, action="identify")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    assert client.get("/v1/jobs").get_json() == {"jobs": []}


def test_too_many_uploads(client) -> None:
    answer = post(client, media=files(*(f"{n}.mp4" for n in range(MAX_UPLOADS + 20)), data=b"x"))
    assert (answer.status_code, answer.get_json()["error"]["code"]) in ((400, "invalid_request"), (413, "media_too_large"))


@pytest.mark.parametrize("query", ["offset=-1", "limit=0", "limit=1001", "state=odd", "x=1", "offset=1&offset=2"])
def test_bad_pages(client, query) -> None:
    job = post(client, media=files("a.mp4", data=clip(face="ann"))).get_json()
    assert client.get(f"/v1/jobs/{job['job_id']}?{query}").status_code == 400


def test_a_job_survives_a_restart(client, app, settings, recognizer) -> None:
    from web.factory import create_app

    app.extensions["duet"].job_thread.stop()
    job = post(client, media=files("a.mp4", data=clip(face="ann"))).get_json()
    again = create_app({"SETTINGS": settings, "TESTING": True}, recognizer)
    again.extensions["duet"].job_thread.wake()  # as the service does when it starts
    assert finished(again.test_client(), job["job_id"])["state"] == "done"
    again.extensions["duet"].job_thread.stop()
