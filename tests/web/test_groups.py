"""People in groups: made, filled, searched alone, and gone with those in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

import cli
from gallery.records.groups import NewGroup
from gallery.store import Store
from tests.support.shapes import assert_error, enroll, media, send


@pytest.fixture
def store(app: Flask) -> Store:
    found: Store = app.extensions["duet"].recognizer.store
    return found


def ask(client: FlaskClient, who: str, **fields: str) -> dict[str, Any]:
    clip = media(face=who, voice=who, take=5)
    answer: dict[str, Any] = send(client, "/v1/identify", media=clip, **fields).get_json()
    return answer


def name_of(answer: dict[str, Any]) -> str | None:
    match = answer["fused"]["match"]
    return match["person_id"] if match else None


def test_groups_are_made_filled_and_deleted(client: FlaskClient, store: Store) -> None:
    enroll(client, "ann")
    made = client.post("/v1/groups", json={"group_id": "staff", "name": "직원", "watched": True})
    assert made.status_code == 201
    assert made.headers["Location"].endswith("/v1/groups/staff")
    for _ in range(2):  # who is in it stays in it
        added = client.post("/v1/groups/staff/members", json={"person_id": "ann"})
        assert added.get_json()["people"] == 1
    assert client.get("/v1/groups").get_json() == {"groups": [added.get_json()]}
    shown = client.get("/v1/groups/staff").get_json()
    assert (shown["members"], shown["name"], shown["watched"]) == (["ann"], "직원", True)
    assert shown["names"] == [store.get_person("ann").name]
    assert store.export_person("ann")["groups"] == ["staff"]
    assert client.delete("/v1/groups/staff/members/ann").status_code == 204
    assert client.get("/v1/groups/staff").get_json()["members"] == []
    assert client.delete("/v1/groups/staff").status_code == 204
    assert store.get_person("ann")
    actions = {event.action for event in store.events(20)}
    assert {"create_group", "add_to_group", "take_from_group", "delete_group"} <= actions
    assert not store.verify_audit().problems


def test_what_is_no_group_is_refused(client: FlaskClient) -> None:
    enroll(client, "ann")
    client.post("/v1/groups", json={"group_id": "staff"})
    member = {"person_id": "ann"}
    refusals = {
        "group_exists": client.post("/v1/groups", json={"group_id": "staff"}),
        "invalid_name": client.post("/v1/groups", json={"group_id": "../staff"}),
        "invalid_request": client.post("/v1/groups", json={"group_id": "a", "retention_days": 0}),
        "person_not_found": client.post("/v1/groups/staff/members", json={"person_id": "zoe"}),
        "group_not_found": client.post("/v1/groups/none/members", json=member),
    }
    status = {"group_exists": 409, "invalid_request": 400, "invalid_name": 422}
    for code, answer in refusals.items():
        assert_error(answer, status.get(code, 404), code)
    assert_error(client.get("/v1/groups/none"), 404, "group_not_found")
    assert_error(client.delete("/v1/groups/none"), 404, "group_not_found")
    clip = media(face="ann", voice="ann")
    assert_error(send(client, "/v1/identify", media=clip, group="none"), 404, "group_not_found")


def test_only_the_group_is_searched(client: FlaskClient, store: Store) -> None:
    for who in ("ann", "ben", "cem"):
        enroll(client, who)
    store.create_group(NewGroup("staff"))
    nobody = ask(client, "ann", group="staff")
    assert (name_of(nobody), nobody["gallery"]["people"]) == (None, 0)
    store.add_to_group("staff", "ann")
    store.add_to_group("staff", "ben")
    answer = ask(client, "ann", group="staff")
    assert (name_of(answer), answer["gallery"]["people"]) == ("ann", 2)
    stranger = ask(client, "cem", group="staff")
    assert stranger["fused"]["outcome"] == "unknown"
    assert name_of(ask(client, "cem")) == "cem"
    store.take_from_group("staff", "ann")
    assert name_of(ask(client, "ann", group="staff")) is None
    store.delete_person("ben")  # the last of it
    assert ask(client, "ben", group="staff")["gallery"]["people"] == 0
    store.delete_group("staff")
    store.create_group(NewGroup("staff"))  # another one of the same id
    store.add_to_group("staff", "cem")
    assert name_of(ask(client, "cem", group="staff")) == "cem"


def test_a_merged_person_is_in_the_groups_of_both(client: FlaskClient, store: Store) -> None:
    for who in ("ann", "ben"):
        enroll(client, who)
        store.create_group(NewGroup(who))
        store.add_to_group(who, who)
    store.merge_people("ann", "ben")
    assert list(store.list_group("ann")) == list(store.list_group("ben")) == ["ann"]


def test_a_watch_list_has_a_term_of_its_own(client: FlaskClient, store: Store) -> None:
    store.create_group(NewGroup("watch", watched=True, retention_days=30))
    terms = {"ann": None, "ben": 7, "cem": 365}
    for who, days in terms.items():
        store.create_person(who, retention_days=days)
        store.add_to_group("watch", who)
    assert {who: store.get_person(who).retention_days for who in terms} == {
        "ann": 30,
        "ben": 7,
        "cem": 30,
    }


def test_a_job_searches_a_group(client: FlaskClient) -> None:
    enroll(client, "ann")
    client.post("/v1/groups", json={"group_id": "staff"})

    def make(**fields: str) -> Any:
        return send(client, "/v1/jobs", media=media(face="ann", voice="ann", take=7), **fields)

    assert make(group="staff", action="identify").status_code == 202
    assert_error(make(group="none", action="identify"), 404, "group_not_found")
    assert_error(make(group="staff", action="transcribe"), 400, "invalid_request")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli.cli, words)
        assert done.exit_code == 0, done.output
        return done.output

    run("people", "create", "ann")
    run(*["groups", "create", "watch", "--watch", "--retention-days", "30", "--name", "관심"])
    assert run("groups", "add", "watch", "ann") == "1 person added to watch.\n"
    assert run("groups", "list") == "watch\t1\twatched\t30\t관심\n"
    assert run("groups", "show", "watch") == "ann\n"
    assert run("groups", "remove", "watch", "ann") == "1 person taken out of watch.\n"
    run("people", "create", "bob")
    some = CliRunner().invoke(cli.cli, ["groups", "add", "watch", "nobody", "ann", "bob"])
    assert some.exit_code == 1
    assert some.stdout == "2 people added to watch.\n"
    assert "Received: 'nobody'" in some.stderr
    assert run("groups", "show", "watch") == "ann\nbob\n"
    some = CliRunner().invoke(cli.cli, ["groups", "remove", "watch", "nobody", "ann", "bob"])
    assert (some.exit_code, some.stdout) == (1, "2 people taken out of watch.\n")
    run("groups", "delete", "watch", "--yes")
    refused = CliRunner().invoke(cli.cli, ["groups", "show", "watch"])
    assert refused.exit_code == 1
    assert "group_not_found: There is no group of this id" in refused.output
