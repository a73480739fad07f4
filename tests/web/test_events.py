"""Server-sent events: what happens while a client reads, and what it missed."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gallery.records.groups import NewGroup
from gallery.records.sightings import Rules
from gallery.store import Store
from tests.support.shapes import assert_error, enroll, media, send


@pytest.fixture
def store(app: Flask, client: FlaskClient) -> Store:
    """A gallery with ann on a watch list. Whoever is unknown is an event, too."""
    found: Store = app.extensions["duet"].recognizer.store
    enroll(client, "ann")
    found.create_group(NewGroup("reported", watched=True))
    found.add_to_group("reported", "ann")
    found.rules = Rules(unknown=True, receivers=("0011223344556677",))
    return found


def read(text: str) -> list[dict[str, Any]]:
    """The data of each event of a stream."""
    lines = text.splitlines()
    return [json.loads(x.removeprefix("data: ")) for x in lines if x.startswith("data: ")]


def identify(client: FlaskClient, who: str) -> None:
    send(client, "/v1/identify", media=media(face=who, voice=who, take=5))


def test_what_was_missed_is_told_first(client: FlaskClient, store: Store) -> None:
    for who in ("ann", "eve", "eve"):
        identify(client, who)
    answer = client.get("/v1/events?after=0&seconds=0")
    assert answer.content_type.startswith("text/event-stream")
    assert answer.text.startswith("retry: ")
    events = read(answer.text)
    assert [one["event"] for one in events] == ["group_member", "unknown", "unknown"]
    assert (events[0]["person_id"], events[0]["group_id"]) == ("ann", "reported")
    assert f"id: {events[0]['event_id']}\nevent: group_member\n" in answer.text
    resumed = client.get("/v1/events?seconds=0", headers={"Last-Event-ID": "2"})
    assert [one["event_id"] for one in read(resumed.text)] == [3]
    assert read(client.get("/v1/events?seconds=0").text) == []  # from now on
    for recent in (2, 1000):
        shown = read(client.get(f"/v1/events?seconds=0&recent={recent}").text)
        assert shown == events[-recent:]
    assert_error(client.get("/v1/events?recent=1001"), 400, "invalid_request")
    store.delete_person("ann")
    assert [one["event_id"] for one in read(client.get("/v1/events?after=0&seconds=0").text)] == [
        2,
        3,
    ]


def test_what_happens_meanwhile_is_told(client: FlaskClient, store: Store) -> None:
    answer = client.get("/v1/events?seconds=60", buffered=False)
    pieces = answer.iter_encoded()
    assert b"retry" in next(pieces)
    teller = threading.Thread(target=store.note_sighting, args=("live", "ann"))
    teller.start()
    began = time.monotonic()
    assert b'"source": "live"' in next(pieces)
    assert time.monotonic() - began < 50
    teller.join()
    answer.close()


def test_streams_do_not_take_all_threads(client: FlaskClient, app: Flask, store: Store) -> None:
    places = app.extensions["duet"].event_streams
    while places.acquire(blocking=False):
        pass
    assert_error(client.get("/v1/events?seconds=0"), 503, "busy")
    places.release()
    for _ in range(3):  # each gives its place back
        with client.get("/v1/events?seconds=0") as answer:
            assert answer.status_code == 200
    assert_error(client.get("/v1/events?seconds=601"), 400, "invalid_request")
    assert_error(client.get("/v1/events?group=x"), 400, "invalid_request")


def test_what_was_not_taken_is_listed_and_sent_again(client: FlaskClient, store: Store) -> None:
    identify(client, "ann")
    (waiting,) = client.get("/v1/deliveries").get_json()["deliveries"]
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    assert waiting["event"]["person_id"] == "ann"
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET next_at = NULL, error = 'gone'")
    (given_up,) = client.get("/v1/deliveries").get_json()["deliveries"]
    assert (given_up["state"], given_up["next_at"], given_up["reason"]) == (
        "given_up",
        None,
        "gone",
    )
    assert client.post("/v1/deliveries/resend", json={}).get_json() == {"resent": 1}
    assert client.get("/v1/deliveries").get_json()["deliveries"][0]["state"] == "waiting"
