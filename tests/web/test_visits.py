"""Recent visitors over HTTP and in the terminal: every way of asking, and corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

import cli
from gallery.records.keys import Keys
from gallery.results import Role
from gallery.store import Store
from gallery.transactions.base import Terms
from tests.support.shapes import assert_error, enroll, media, send
from tests.support.waiting import until
from tests.web.test_metrics import read

GONE = "0" * 32


@pytest.fixture
def store(app: Flask) -> Store:
    """The store of the service, which keeps visits."""
    found: Store = app.extensions["duet"].recognizer.store
    found._terms = Terms(visit_days=30)
    return found


def list_all(client: FlaskClient, **query: str) -> list[dict[str, Any]]:
    answer = client.get("/v1/visits", query_string=query)
    assert answer.status_code == 200, answer.text
    visits: list[dict[str, Any]] = answer.get_json()["visits"]
    return visits


def ask(client: FlaskClient, who: str, url: str = "/v1/identify", **fields: str) -> dict[str, Any]:
    clip = media(face=who, voice=who, take=5)
    answer: dict[str, Any] = send(client, url, media=clip, **fields).get_json()
    return answer


def test_nothing_is_kept_without_the_setting(client: FlaskClient) -> None:
    enroll(client, "ann")
    ask(client, "ann")
    body = client.get("/v1/visits").get_json()
    assert body == {"visits": [], "days": 0.0, "limit": 50, "next_before": None}


def test_every_way_of_asking_is_a_visit(client: FlaskClient, store: Store) -> None:
    enroll(client, "ann")
    answer = ask(client, "ann")
    ask(client, "eve")
    clip = media(face="ann", voice="ann", take=7)
    sent = send(client, "/v1/jobs", action="identify", media=clip).get_json()
    until(lambda: client.get(f"/v1/jobs/{sent['job_id']}").get_json()["state"] == "done")
    body = client.get("/v1/visits?limit=2").get_json()
    assert (body["days"], body["next_before"]) == (30.0, 2)
    job, unknown = body["visits"]
    (visit,) = list_all(client, before="2")
    match = answer["fused"]["match"]
    wanted = {
        "source": "identify",
        "outcome": "accepted",
        "person_id": "ann",
        "name": "Ann",
        "by": answer["fused"]["decided_by"],
        "probability": match["probability"],
        "face": "accepted",
        "voice": "accepted",
        "request_id": answer["request_id"],
        "actor": "local",
        "label": None,
        "correction": None,
    }
    assert wanted.items() <= visit.items()
    assert (unknown["outcome"], unknown["name"], unknown["by"]) == ("unknown", None, None)
    assert (job["source"], job["person_id"], job["request_id"]) == ("job", "ann", None)
    assert list_all(client, person_id="ann", outcome="accepted") == [job, visit]
    assert list_all(client, until=visit["at"].replace("+00:00", "Z")) == []


def test_a_kiosk_is_told_by_the_label_of_its_key(client: FlaskClient, store: Store) -> None:
    keys = Keys(store.database)
    admin = {"X-API-Key": keys.create(Role.ADMIN, "operator")[1]}
    kiosk = {"X-API-Key": keys.create(Role.KIOSK, "east door")[1]}
    clip = {"media": media(face="eve", voice="eve")}
    assert client.post("/v1/identify", data=clip, headers=kiosk).status_code == 200
    (visit,) = client.get("/v1/visits", headers=admin).get_json()["visits"]
    assert visit["label"] == "east door"
    assert_error(client.get("/v1/visits", headers=kiosk), 403, "forbidden")


def test_a_wrong_answer_is_corrected_and_counted(client: FlaskClient, store: Store) -> None:
    for who in ("ann", "ben"):
        enroll(client, who)
    ask(client, "ann")
    (visit,) = list_all(client)
    url = f"/v1/visits/{visit['visit_id']}/correction"
    said = client.post(url, json={"person_id": "ben"}).get_json()
    assert (said["correction"]["person_id"], said["correction"]["name"]) == ("ben", "Ben")
    assert list_all(client, outcome="wrong") == list_all(client, person_id="ben") == [said]
    figures = read(client)
    assert figures["duet_visits", (("said", "wrong"),)] == 1
    trials = store.export_person("ann")["feedback"]
    assert {trial["same"] for trial in trials} == {False}, "the answer is a trial"
    assert client.post(url, json={"person_id": None}).get_json()["correction"]["name"] is None
    assert client.delete(url).get_json() == visit
    assert store.export_person("ann")["feedback"] == []
    refusals = {
        (400, "invalid_request"): client.post(url, json={"person_id": "ann"}),
        (404, "person_not_found"): client.post(url, json={"person_id": "zoe"}),
        (404, "visit_not_found"): client.delete(f"/v1/visits/{GONE}/correction"),
    }
    for (status, code), answer in refusals.items():
        assert_error(answer, status, code)
    for body in ({}, {"person_id": 1}, {"person": "ben"}):
        assert_error(client.post(url, json=body), 400, "invalid_request")
    for query in ("outcome=odd", "since=now", "limit=0", "odd=1"):
        assert_error(client.get(f"/v1/visits?{query}"), 400, "invalid_request")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gallery.records.visits import NewVisit
    from gallery.store import open_store
    from utils.config import Settings

    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    assert "set DUET_VISIT_DAYS" in run("visits", "list")
    monkeypatch.setenv("DUET_VISIT_DAYS", "30")
    run("people", "create", "ann")
    run("people", "create", "ben")
    store = open_store(Settings.from_env())
    store.keep_visit(NewVisit("identify", "accepted", "ann", by="face", probability=0.99))
    (visit,) = store.list_visits()
    store.close()
    listed = run(*["visits", "list", "--person", "ann", "--since", "2020-01-01"])
    assert "\tlocal\tidentify\taccepted\tann\tface\t0.990\t-\n" in listed
    shown_at = listed.split("\t")[2]
    assert shown_at.endswith("Z"), "a time names its zone"
    assert run("visits", "list", "--since", shown_at) == listed
    assert "It was: ben" in run("visits", "wrong", visit.visit_id, "--person", "ben")
    assert run("visits", "list", "--outcome", "wrong").endswith("\twrong: ben\n")
    run("visits", "right", visit.visit_id)
    assert run("visits", "list", "--outcome", "wrong") == "There is no such visit.\n"
    refused = CliRunner().invoke(cli.cli, ["visits", "wrong", GONE])
    assert "visit_not_found" in refused.output


def run(*words: str) -> str:
    done = CliRunner().invoke(cli.cli, words)
    assert done.exit_code == 0, done.output
    return done.output
