"""/v1/enrolments: previews, jobs whose clips are sent one by one, and reports."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from gallery.records.jobs import Jobs
from gallery.tables import jobs as jobs_table
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import clip
from tests.support.shapes import assert_error, enroll, media, person_ids, send
from tests.support.waiting import until
from utils.config import Settings
from web.factory import create_app

HEAD = "person_id,name,file,consent\r\n"


@pytest.fixture(autouse=True)
def end_thread(app: Flask) -> Iterator[None]:
    yield
    app.extensions["duet"].job_thread.stop()


def ask(
    client: FlaskClient,
    names: list[str] | list[Any],
    table: str | bytes = "",
    url: str = "",
    **more: Any,
) -> TestResponse:
    """Send a listing, of names or of objects, and perhaps a table."""
    files = [{"name": name, "bytes": 100} if isinstance(name, str) else name for name in names]
    form = {"listing": (io.BytesIO(json.dumps(files).encode()), "listing.json"), **more}
    if table:
        data = table if isinstance(table, bytes) else table.encode()
        form["table"] = (io.BytesIO(data), "people.csv")
    return send(client, f"/v1/enrolments{url}", **form)


def awaited(client: FlaskClient, job_id: str) -> dict[str, int]:
    """Positions of the files that a job waits for, by name."""
    body = client.get(f"/v1/jobs/{job_id}?state=awaited").get_json()
    return {item["name"]: item["position"] for item in body["items"]}


def send_clip(client: FlaskClient, job_id: str, position: int, **who: Any) -> TestResponse:
    return send(client, f"/v1/enrolments/{job_id}/files/{position}", media=media(**who))


def report(client: FlaskClient, job_id: str, table: str = "") -> list[dict[str, str]]:
    url = f"/v1/enrolments/{job_id}/report"
    form = {"table": (io.BytesIO(table.encode()), "people.csv")}
    answer = send(client, url, **form) if table else client.get(url)
    assert answer.content_type == "text/csv; charset=utf-8"
    assert f"enrolment-{job_id[:12]}.csv" in answer.headers["Content-Disposition"]
    text = answer.get_data(as_text=True)
    assert text.startswith("\ufeff"), "Excel reads UTF-8 with it alone"
    return list(csv.DictReader(io.StringIO(text[1:])))


def test_a_preview_stores_nothing(client: FlaskClient) -> None:
    enroll(client, "eve")
    table = (HEAD + "ann,김안나,ann.mp4,\neve,,eve.mp4,\nben,,gone.mp4,\n").encode("cp949")
    names = [
        {"name": "ann.mp4", "bytes": 9, "head": base64.b64encode(b"\x1a\x45\xdf\xa3").decode()},
        {"name": "eve.mp4", "bytes": 9},
        {"name": "list.xlsx", "bytes": 9},
    ]
    body = ask(client, names, table, "/preview").get_json()
    assert {name: body[name] for name in body if name != "list"} == {
        "people": 3,
        "enrolled_people": 1,
        "refused_people": 2,
        "files": 1,
        "unused": 1,
        "refused": {"person_exists": 1, "media_not_found": 1},
        "encoding": "cp949",
        "total": 3,
        "offset": 0,
        "limit": 100,
    }
    ann, eve, ben = body["list"]
    assert (ann["name"], ann["row"], ann["is_enrolled"], ann["error"]) == ("김안나", 2, True, None)
    assert (eve["exists"], eve["error"]["code"], bool(eve["error"]["hint"])) == (
        True,
        "person_exists",
        True,
    )
    assert ben["files"] == [{"name": "gone.mp4", "error": ben["files"][0]["error"]}]
    refused = ask(client, names, table, "/preview?only=refused&limit=1&offset=1").get_json()
    assert (refused["total"], [one["person_id"] for one in refused["list"]]) == (2, ["ben"])
    assert client.get("/v1/jobs").get_json() == {"jobs": []}
    assert person_ids(client) == ["eve"]


def test_clips_are_sent_one_by_one_and_enrolled(
    client: FlaskClient, app: Flask, settings: Settings
) -> None:
    table = HEAD + "ann,Ann,1.mp4,on paper\nben,,2.mp4,\ntwin,Tom,3.mp4,\nbad,Bo Bad,no.mp4,\n"
    sent = ask(client, ["1.mp4", "2.mp4", "3.mp4"], table, consent="by mail", retention_days="30")
    job = sent.get_json()
    assert (sent.status_code, sent.headers["Location"]) == (202, f"/v1/jobs/{job['job_id']}")
    assert (job["counts"]["awaited"], job["counts"]["failed"], job["finished"]) == (3, 1, 1)
    places = awaited(client, job["job_id"])
    assert places == {"1.mp4": 0, "2.mp4": 1, "3.mp4": 2}
    assert send_clip(client, job["job_id"], 0, face="ann", voice="ann").status_code == 202
    until(lambda: person_ids(client) == ["ann"])
    assert client.get(f"/v1/jobs/{job['job_id']}").get_json()["state"] == "running"
    again = send_clip(client, job["job_id"], 0, face="ann", voice="ann")
    assert_error(again, 409, "file_not_awaited")
    assert send_clip(client, job["job_id"], 1, face="ben", voice="ben").status_code == 202
    assert send_clip(client, job["job_id"], 2, face="ann", voice="ann", take=3).status_code == 202
    jobs = app.extensions["duet"].jobs
    until(lambda: jobs.get(job["job_id"]).finished_at)
    ann, ben = client.get("/v1/people").get_json()["people"]
    assert (ann["name"], ann["consent"], ann["retention_days"]) == ("Ann", "on paper", 30)
    assert (ben["name"], ben["consent"]) == ("ben", "by mail")
    rows = report(client, job["job_id"])
    assert [(row["person_id"], row["outcome"]) for row in rows] == [
        ("ann", "enrolled"),
        ("ben", "enrolled"),
        ("twin", "refused"),
        ("bad", "refused"),
    ]
    assert "[duplicate_person]" in rows[2]["reasons"]
    assert "[media_not_found]" in rows[3]["reasons"]
    assert [row["name"] for row in rows] == ["Ann", "ben", "", ""]
    named = report(client, job["job_id"], table)
    assert [row["name"] for row in named] == ["Ann", "ben", "Tom", "Bo Bad"]
    assert not list((settings.storage.media_folder / ".jobs").iterdir()), "nothing is left"


def test_a_folder_by_its_names_and_by_force(client: FlaskClient, app: Flask) -> None:
    enroll(client, "ann")
    sent = ask(client, ["twin/1.mp4", "ann/1.mp4"], existing="add", force="true").get_json()
    for name, position in awaited(client, sent["job_id"]).items():
        take = 2 if name.startswith("ann") else 3
        assert send_clip(client, sent["job_id"], position, face="ann", take=take).status_code == 202
    until(lambda: app.extensions["duet"].jobs.get(sent["job_id"]).finished_at)
    assert [row["outcome"] for row in report(client, sent["job_id"])] == ["enrolled"] * 2
    assert client.get("/v1/people/ann").get_json()["templates"]["face"] == 2


def test_it_survives_a_restart_and_is_cancelled(
    client: FlaskClient, app: Flask, settings: Settings, recognizer: Recognizer
) -> None:
    app.extensions["duet"].job_thread.stop()
    job_id = ask(client, ["ann/1.mp4", "ben/1.mp4", "cem/1.mp4"]).get_json()["job_id"]
    assert send_clip(client, job_id, 0, face="ann").status_code == 202
    again = create_app({"SETTINGS": settings, "TESTING": True}, recognizer)
    after = again.test_client()
    assert send_clip(after, job_id, 1, face="ben").status_code == 202
    until(lambda: person_ids(after) == ["ann", "ben"])
    cancelled = after.delete(f"/v1/jobs/{job_id}").get_json()
    assert (cancelled["state"], cancelled["counts"]["cancelled"]) == ("cancelled", 1)
    assert_error(send_clip(after, job_id, 2, face="cem"), 409, "file_not_awaited")
    again.extensions["duet"].job_thread.stop()


def test_files_that_never_come_are_given_up(
    client: FlaskClient, app: Flask, recognizer: Recognizer
) -> None:
    """A day after the last file came, not after the job was made."""
    app.extensions["duet"].job_thread.stop()
    job_id = ask(client, ["ann/1.mp4", "ben/1.mp4"], consent="yes").get_json()["job_id"]
    jobs = Jobs(recognizer.store.database)
    long_ago = datetime.now(UTC) - timedelta(days=2)

    def note(**times: datetime) -> None:
        with recognizer.store.database.write() as connection:
            connection.execute(update(jobs_table).values(times))

    note(created_at=long_ago)
    assert send_clip(client, job_id, 0, face="ann").status_code == 202
    assert jobs.give_up_awaited() == 0
    note(received_at=long_ago)
    assert jobs.give_up_awaited() == 1
    missing = client.get(f"/v1/jobs/{job_id}?state=failed").get_json()["items"]
    assert [(item["name"], item["error"]["code"]) for item in missing] == [
        ("ben/1.mp4", "media_missing")
    ]


def test_what_is_known_of_a_deleted_person_goes(
    client: FlaskClient, app: Flask, settings: Settings
) -> None:
    """Facts of people wait in the job, also in its bytes."""
    app.extensions["duet"].job_thread.stop()
    enroll(client, "ann")
    table = HEAD + "ann,Anna Secretname,1.mp4,\n"
    job_id = ask(client, ["1.mp4"], table, existing="add").get_json()["job_id"]
    exported = client.get("/v1/people/ann/export").get_json()
    assert exported["jobs"][-1]["facts"] == {"name": "Anna Secretname"}
    assert client.delete("/v1/people/ann").status_code == 204
    item = client.get(f"/v1/jobs/{job_id}").get_json()["items"][0]
    assert (item["state"], item["name"]) == ("forgotten", "")
    stored = [path.read_bytes() for path in settings.storage.data_dir.glob("duet.db*")]
    assert stored
    assert not any(b"Secretname" in data for data in stored)


@pytest.mark.parametrize(
    ("names", "more", "status", "code"),
    [
        (["a.mp4", "a.mp4"], {}, 400, "invalid_request"),
        ([{"name": "a.mp4"}], {}, 400, "invalid_request"),
        ([{"name": "a.mp4", "bytes": -1}], {}, 400, "invalid_request"),
        ([{"name": "a.mp4", "bytes": 1, "head": "#"}], {}, 400, "invalid_request"),
        (["a.mp4"], {"existing": "maybe"}, 400, "invalid_request"),
        (["a.mp4"], {"encoding": "ebcdic"}, 400, "invalid_request"),
        (["a.mp4"], {"retention_days": "-1"}, 400, "invalid_request"),
        (["a.mp4"], {"retention_days": "9999999"}, 400, "invalid_request"),
        (["a.mp4"], {"consent": "x" * 3000}, 422, "invalid_name"),
        (["a.mp4"], {"unknown": "1"}, 400, "invalid_request"),
        (["a.mp4"], {"table": "person_id,odd,file\na,b,a.mp4"}, 422, "table_columns"),
        (["a.mp4"], {"table": "person_id,file\na,../a.mp4"}, 403, "path_forbidden"),
        (["a.mp4"], {"table": "person_id,file\na,b.mp4"}, 404, "media_not_found"),
        (["a.mp4"], {"table": b"person_id,file\n\xff\xff,a"}, 422, "table_encoding"),
        ([], {}, 400, "invalid_request"),
    ],
)
def test_what_is_refused(
    client: FlaskClient, names: list[Any], more: dict[str, Any], status: int, code: str
) -> None:
    assert_error(ask(client, names, **more), status, code)
    assert client.get("/v1/jobs").get_json() == {"jobs": []}


def test_jobs_and_places_that_are_not_there(client: FlaskClient) -> None:
    assert_error(send_clip(client, "0" * 32, 0, face="ann"), 404, "job_not_found")
    assert_error(client.get(f"/v1/enrolments/{'0' * 32}/report"), 404, "job_not_found")
    job_id = ask(client, ["ann/1.mp4"]).get_json()["job_id"]
    assert_error(send_clip(client, job_id, 1, face="ann"), 409, "file_not_awaited")
    assert_error(send_clip(client, job_id, 10**9, face="ann"), 400, "invalid_request")
    empty = send(client, f"/v1/enrolments/{job_id}/files/0", media=media(b""))
    assert_error(empty, 422, "media_empty")
    other = send(client, "/v1/jobs", media=media(clip(face="ann"))).get_json()["job_id"]
    assert_error(client.get(f"/v1/enrolments/{other}/report"), 400, "invalid_request")
    assert awaited(client, job_id) == {"ann/1.mp4": 0}, "it can still be sent"
