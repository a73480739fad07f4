"""/v1/jobs over HTTP: uploads and server folders, progress, results, cancelling.

Also what is refused.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile
from flask import Flask
from flask.testing import FlaskClient

from gallery.records.jobs import Jobs
from jobs.clips import MAX_UPLOADS
from recognition.recognizer import Recognizer
from speech.scribe import Scribe
from tests.support.disk import small_disk
from tests.support.gallery_parts import clip, recognizer_of
from tests.support.recordings import WordyEngine, syllables
from tests.support.shapes import assert_error
from tests.support.waiting import until
from utils.arrays import RATE_HZ
from utils.config import Settings
from web.factory import create_app


def files(*names: str, data: bytes | None = None) -> list[tuple[io.BytesIO, str]]:
    """Uploads of these names. The person is the part of the name before the hyphen."""
    return [
        (io.BytesIO(clip(face=n.split("-")[0], voice=n.split("-")[0]) if data is None else data), n)
        for n in names
    ]


def post(client: FlaskClient, **form: Any) -> Any:
    return client.post("/v1/jobs", data=form, content_type="multipart/form-data")


def finished(client: FlaskClient, job_id: str) -> dict[str, Any]:
    """Wait until the job is done, and return it.

    The database is asked meanwhile: requests take from the allowance.
    """
    jobs = Jobs(client.application.extensions["duet"].recognizer.store.database)
    until(lambda: jobs.get(job_id).finished_at)
    return client.get(f"/v1/jobs/{job_id}").get_json()


@pytest.fixture(autouse=True)
def end_thread(app: Flask) -> Iterator[None]:
    yield
    app.extensions["duet"].job_thread.stop()


@pytest.fixture
def media(settings: Settings) -> Path:
    for person in ("ann", "ben"):
        (settings.storage.media_folder / "shop" / person).mkdir(parents=True)
        (settings.storage.media_folder / "shop" / person / "1.mp4").write_bytes(
            clip(face=person, voice=person)
        )
    (settings.storage.media_folder / "shop" / ".hidden").write_bytes(b"x")
    return settings.storage.media_folder


def test_uploads_are_enrolled_then_identified(client: FlaskClient, settings: Settings) -> None:
    sent = post(client, action="enroll", media=files("ann-1.mp4", "ben-1.mp4"))
    assert sent.status_code == 202
    job = sent.get_json()
    assert sent.headers["Location"] == f"/v1/jobs/{job['job_id']}"
    assert (job["files"], job["state"] in ("waiting", "running", "done")) == (2, True)
    done = finished(client, job["job_id"])
    assert (done["state"], done["finished"], done["counts"]["done"]) == ("done", 2, 2)
    assert done["items"][0]["result"]["templates"][0]["modality"] == "face"
    job = post(
        client,
        media=[
            *files("x.mp4", data=clip(face="ben", voice="ben", take=2)),
            *files("y.mp4", data=b"no clip"),
        ],
    ).get_json()
    first, second = finished(client, job["job_id"])["items"]
    assert first["result"]["fused"]["match"]["person_id"] == "ben"
    assert (second["state"], second["error"]["code"]) == ("failed", "media_type")
    assert client.get("/v1/jobs").get_json()["jobs"][0]["job_id"] == job["job_id"]
    assert not list((settings.storage.media_folder / ".jobs").iterdir()), (
        "uploads go as soon as they are not needed"
    )


def test_a_folder_of_the_server(client: FlaskClient, media: Path) -> None:
    job = finished(client, post(client, action="enroll", folder="shop").get_json()["job_id"])
    assert [(i["name"], i["person_id"], i["state"]) for i in job["items"]] == [
        ("ann/1.mp4", "ann", "done"),
        ("ben/1.mp4", "ben", "done"),
    ]
    asked = finished(client, post(client, folder="shop/ann").get_json()["job_id"])
    assert asked["items"][0]["result"]["fused"]["match"]["person_id"] == "ann"
    some = client.get(f"/v1/jobs/{job['job_id']}?offset=1&limit=1&state=done").get_json()
    assert [i["name"] for i in some["items"]] == ["ben/1.mp4"]


def test_files_that_cannot_be_taken_fail_alone(
    client: FlaskClient, media: Path, tmp_path: Path
) -> None:
    """Files of nobody, of a name that is no id, or of bytes that are no text.

    What links lead to outside is no file of the folder.
    """
    people = media / "shop"
    sample = (media / "shop/ann/1.mp4").read_bytes()
    (people / "two\u202ewords").mkdir()
    (tmp_path / "secret.mp4").write_bytes(sample)
    (people / "ann/link.mp4").symlink_to(tmp_path / "secret.mp4")
    (people / "ben/round").symlink_to(people)
    for path in (
        people / "stray.mp4",
        people / "two\u202ewords/1.mp4",
        Path(os.fsdecode(os.fsencode(people) + b"/ben/caf\xe9.mp4")),
    ):
        path.write_bytes(sample)
    job = finished(client, post(client, action="enroll", folder="shop").get_json()["job_id"])
    assert {i["name"]: i["error"] and i["error"]["code"] for i in job["items"]} == {
        "ann/1.mp4": None,
        "ben/1.mp4": None,
        "ben/caf\ufffd.mp4": "invalid_request",
        "stray.mp4": "invalid_request",
        "two\u202ewords/1.mp4": "invalid_name",
    }
    assert (job["state"], job["counts"]["done"], job["counts"]["failed"]) == ("done", 2, 3)


def test_uploads_whose_names_are_no_ids_fail_alone(client: FlaskClient, settings: Settings) -> None:
    clips = [*files("ann-1.mp4"), *files("-1.mp4", "\u202e안나-1.mp4", data=b"x")]
    job = finished(client, post(client, action="enroll", media=clips).get_json()["job_id"])
    assert [(i["name"], i["state"]) for i in job["items"]] == [
        ("ann-1.mp4", "done"),
        ("-1.mp4", "failed"),
        ("\u202e안나-1.mp4", "failed"),
    ]
    refused = post(client, action="enroll", media=files("-1.mp4", data=b"x"))
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "invalid_name"), (
        "where there is nothing to do"
    )
    assert not list((settings.storage.media_folder / ".jobs").iterdir())


def test_all_clips_of_one_person(client: FlaskClient) -> None:
    job = post(
        client,
        action="enroll",
        person_id="ann",
        media=files("one.mp4", "two.mp4", data=clip(face="ann", voice="ann")),
    ).get_json()
    assert finished(client, job["job_id"])["counts"]["done"] == 2
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 1, "voice": 1}, (
        "one file twice is one template"
    )


def test_duplicates_are_reported_and_forced(client: FlaskClient) -> None:
    finished(client, post(client, action="enroll", media=files("ann-1.mp4")).get_json()["job_id"])
    twin = files("zoe-1.mp4", data=clip(face="ann", voice="ann", take=3))
    refused = finished(client, post(client, action="enroll", media=twin).get_json()["job_id"])[
        "items"
    ][0]
    assert refused["error"]["code"] == "duplicate_person"
    assert client.get("/v1/people/zoe").status_code == 404
    twin = files("zoe-1.mp4", data=clip(face="ann", voice="ann", take=3))
    forced = finished(
        client, post(client, action="enroll", force="true", media=twin).get_json()["job_id"]
    )["items"][0]
    assert forced["result"]["duplicate"]["person_id"] == "ann"


def test_cancel_and_remove(client: FlaskClient, app: Flask) -> None:
    app.extensions["duet"].job_thread.stop()  # nobody works: the job waits
    job = post(client, media=files("a.mp4", "b.mp4", data=clip(face="ann"))).get_json()
    cancelled = client.delete(f"/v1/jobs/{job['job_id']}").get_json()
    assert (cancelled["state"], cancelled["counts"]["cancelled"]) == ("cancelled", 2)
    assert client.delete(f"/v1/jobs/{job['job_id']}").status_code == 200
    gone = client.get(f"/v1/jobs/{job['job_id']}")
    assert (gone.status_code, gone.get_json()["error"]["code"]) == (404, "job_not_found")


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
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
    ],
)
def test_what_is_refused(
    client: FlaskClient, media: Path, form: dict[str, Any], status: int, code: str
) -> None:
    if form.get("media") == "both":
        form = {"folder": ".", "media": files("a.mp4", data=b"x")}
    answer = post(client, **form) if form else post(client, action="identify")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    assert client.get("/v1/jobs").get_json() == {"jobs": []}


def test_too_many_uploads(client: FlaskClient) -> None:
    answer = post(client, media=files(*(f"{n}.mp4" for n in range(MAX_UPLOADS + 20)), data=b"x"))
    assert (answer.status_code, answer.get_json()["error"]["code"]) in (
        (400, "invalid_request"),
        (413, "media_too_large"),
    )


@pytest.mark.parametrize(
    "query", ["offset=-1", "limit=0", "limit=1001", "state=odd", "x=1", "offset=1&offset=2"]
)
def test_bad_pages(client: FlaskClient, query: str) -> None:
    job = post(client, media=files("a.mp4", data=clip(face="ann"))).get_json()
    assert client.get(f"/v1/jobs/{job['job_id']}?{query}").status_code == 400


def test_a_job_survives_a_restart(
    client: FlaskClient, app: Flask, settings: Settings, recognizer: Recognizer
) -> None:
    app.extensions["duet"].job_thread.stop()
    job = post(client, media=files("a.mp4", data=clip(face="ann"))).get_json()
    again = create_app({"SETTINGS": settings, "TESTING": True}, recognizer)
    again.extensions["duet"].job_thread.wake()  # as the service does when it starts
    assert finished(again.test_client(), job["job_id"])["state"] == "done"
    again.extensions["duet"].job_thread.stop()


def test_a_database_that_is_gone(settings: Settings, tmp_path: Path) -> None:
    """503 with Retry-After, no upload left behind, and all is well once it is back."""
    away = Settings.of(
        data_dir=settings.storage.data_dir,
        media_root=tmp_path / "media",
        database_url=f"sqlite:///{tmp_path / 'base' / 'duet.db'}",
    )
    with service(away) as (client, job_id):
        (tmp_path / "base").rename(tmp_path / "elsewhere")
        for answer in (
            post(client, media=files("a.mp4", data=clip(face="ann"))),
            client.get("/v1/jobs"),
            client.get(f"/v1/jobs/{job_id}"),
            client.delete(f"/v1/jobs/{job_id}"),
        ):
            assert (answer.status_code, answer.get_json()["error"]["code"]) == (
                503,
                "store_unavailable",
            )
            assert int(answer.headers["Retry-After"]) > 0
        assert list((tmp_path / "media/.jobs").iterdir()) == []
        (tmp_path / "elsewhere").rename(tmp_path / "base")
        again = post(client, media=files("a.mp4", data=clip(face="ann"))).get_json()
        assert finished(client, again["job_id"])["counts"]["done"] == 1


def test_a_full_disk_keeps_no_uploads(settings: Settings, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    with (
        small_disk(mount, "128k") as grow,
        service(settings.replace(media_root=mount)) as (client, _),
    ):
        answer = post(client, media=files(*(f"{n}.mp4" for n in range(8)), data=b"x" * 40_000))
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "storage_full")
        assert int(answer.headers["Retry-After"]) > 0
        assert list((mount / ".jobs").iterdir()) == []
        grow("2m")
        assert (
            post(
                client, media=files(*(f"{n}.mp4" for n in range(8)), data=b"x" * 40_000)
            ).status_code
            == 202
        )


def test_jobs_take_from_the_allowance(settings: Settings) -> None:
    with service(settings.replace(rate_limit="1/minute")) as (client, job_id):
        answers = [client.get(f"/v1/jobs/{job_id}") for _ in range(12)]
        assert answers[0].status_code == 200
        assert (answers[-1].status_code, answers[-1].get_json()["error"]["code"]) == (
            429,
            "rate_limited",
        )
        assert int(answers[-1].headers["Retry-After"]) > 0


@contextmanager
def service(settings: Settings) -> Iterator[tuple[FlaskClient, str]]:
    """A service of its own with a job that is done, and the id of the job."""
    for folder in (
        settings.storage.data_dir,
        *(
            [Path(settings.storage.database_url[10:]).parent]
            if settings.storage.database_url
            else []
        ),
    ):
        folder.mkdir(exist_ok=True)
    recognizer = recognizer_of(settings)
    app = create_app({"SETTINGS": settings, "TESTING": True}, recognizer)
    client = app.test_client()
    try:
        job_id = post(client, media=files("a.mp4", data=clip(face="ann"))).get_json()["job_id"]
        finished(client, job_id)
        yield client, job_id
    finally:
        app.extensions["duet"].job_thread.stop()
        recognizer.close()


@pytest.fixture
def talks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recording, and an engine that writes a word each half second."""
    monkeypatch.setattr(Scribe, "_load", lambda _: WordyEngine())
    folder = settings.storage.media_folder / "talks"
    folder.mkdir(parents=True)
    soundfile.write(folder / "talk.wav", syllables(3.0), RATE_HZ)
    return folder


def test_recordings_are_written_down(client: FlaskClient, talks: Path, app: Flask) -> None:
    sent = post(client, action="transcribe", folder="talks", language="ko")
    assert sent.status_code == 202, sent.get_data(as_text=True)
    (item,) = finished(client, sent.get_json()["job_id"])["items"]
    assert (item["state"], item["progress"]) == ("done", None)
    assert item["result"]["language"] == "ko"
    assert item["result"]["segments"][0]["speaker"] == ""
    assert item["result"]["words"][0]["word"] == "w0"
    app.extensions["duet"].recordings_thread.stop()


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "transcribe", "person_id": "ann"},
        {"action": "identify", "language": "ko"},
        {"action": "enroll", "speaker_names[]": "ann"},
        {"action": "transcribe", "num_speakers": "many"},
        {"action": "transcribe", "speaker_names[]": "nobody"},
    ],
)
def test_fields_of_recordings_that_cannot_be_used(
    client: FlaskClient, talks: Path, fields: dict[str, str]
) -> None:
    assert_error(post(client, folder="talks", **fields), 400, "invalid_request")
    assert client.get("/v1/jobs").get_json()["jobs"] == []
