"""Unknown visitors over HTTP and in the terminal: listed, hidden, deleted, and enrolled."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

import cli
from gallery.records.strangers import KeptValue, NewClip, StrangerClip
from gallery.store import open_store
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import clip, embedding, make_recognizer
from tests.support.shapes import assert_error, enroll, media, send
from tests.support.speakers import identify
from tests.web.test_metrics import read
from tests.web.test_swagger import check
from utils.config import Settings
from utils.modality import Modality

GONE = "/v1/strangers/" + "0" * 32


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Strangers are kept, with a picture."""
    kept = {"stranger_days": 14, "stranger_pictures": True, "visit_days": 14}
    return Settings.of(data_dir=tmp_path / "data", **kept)


def come_by(client: FlaskClient, who: str, take: int, url: str = "/v1/identify") -> None:
    answer = send(client, url, media=media(face=who, voice=who, take=take))
    assert answer.status_code == 200, answer.text


def list_all(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    strangers: list[dict[str, Any]] = client.get(f"/v1/strangers{query}").get_json()["strangers"]
    return strangers


def test_they_are_listed_hidden_and_deleted(client: FlaskClient) -> None:
    for take in range(2):
        come_by(client, "eve", take)
    come_by(client, "dan", 1)
    body = client.get("/v1/strangers?limit=1").get_json()
    assert (body["total"], body["days"]) == (2, 14.0)
    dan, eve = list_all(client)
    wanted = {"times": 2, "hidden": False, "clips": {"face": 2, "voice": 2}, "has_picture": True}
    assert wanted.items() <= eve.items()
    url = f"/v1/strangers/{eve['stranger_id']}"
    picture = client.get(f"{url}/picture")
    assert (picture.mimetype, picture.data[8:12]) == ("image/webp", b"WEBP")
    assert read(client)["duet_strangers", ()] == 2
    assert client.patch(url, json={"hidden": True}).get_json() == eve | {"hidden": True}
    assert list_all(client) == [dan]
    assert [one["times"] for one in list_all(client, "?hidden=true")] == [2]
    assert client.patch(url, json={"hidden": False}).get_json() == eve
    assert client.delete(url).status_code == 204
    assert list_all(client) == [dan]
    visits = client.get("/v1/visits").get_json()["visits"]
    assert [visit["stranger_id"] for visit in visits] == [dan["stranger_id"], None, None]


def test_this_is_somebody_who_agreed(client: FlaskClient) -> None:
    for who, take in (("eve", 1), ("eve", 2), ("dan", 1)):
        come_by(client, who, take)
    dan, eve = list_all(client)
    enroll(client, "ann")
    url = f"/v1/strangers/{eve['stranger_id']}/enrolment"
    agreed = {"consent": "at the front desk"}
    for body in ({"name": "Eve"}, {"name": "Eve", "consent": " "}, agreed, {**agreed, "odd": 1}):
        assert_error(client.post(url, json=body), 400, "invalid_request")
    refusals = {
        ("ann", 409, "unlike_person"): {"person_id": "ann"},
        ("zoe", 404, "person_not_found"): {"person_id": "zoe"},
        ("new", 409, "person_exists"): {"person_id": "ann", "name": "Eve"},
    }
    for (_, status, code), body in refusals.items():
        refused = client.post(url, json={**agreed, **body})
        assert_error(refused, status, code)
        assert ("Leave the name out" in refused.get_json()["error"]["hint"]) is ("name" in body)
    made = client.post(url, json={**agreed, "name": "Eve", "retention_days": 30})
    assert made.status_code == 201
    spec = client.get("/swagger.json").get_json()
    check(spec, made.get_json(), {"$ref": "#/definitions/Enrolled"}, "Enrolled")
    person = made.get_json()["person"]
    assert (person["name"], person["consent"], person["retention_days"]) == (
        "Eve",
        "at the front desk",
        30,
    )
    assert person["templates"] == {"face": 2, "voice": 2}
    assert [one["stranger_id"] for one in list_all(client)] == [dan["stranger_id"]]
    history = client.get(f"/v1/visits?person_id={person['person_id']}").get_json()["visits"]
    assert [visit["outcome"] for visit in history] == ["unknown"] * 2
    asked = media(face="eve", voice="eve", take=9)
    answer = send(client, "/v1/identify", media=asked).get_json()
    assert answer["fused"]["match"]["person_id"] == person["person_id"]
    assert_error(client.post(url, json={**agreed, "name": "Eve"}), 404, "stranger_not_found")


def test_what_is_not_there_and_bad_requests(client: FlaskClient) -> None:
    come_by(client, "eve", 1)
    assert_error(client.delete(GONE), 404, "stranger_not_found")
    assert_error(client.get(f"{GONE}/picture"), 404, "stranger_not_found")
    assert_error(client.patch(GONE, json={"hidden": True}), 404, "stranger_not_found")
    for query in ("?limit=0", "?hidden=maybe", "?odd=1"):
        assert_error(client.get(f"/v1/strangers{query}"), 400, "invalid_request")
    for body in ({}, {"hidden": 1}, {"shown": True}):
        url = f"/v1/strangers/{list_all(client)[0]['stranger_id']}"
        assert_error(client.patch(url, json=body), 400, "invalid_request")


def test_the_compatible_routes_keep_them_too(client: FlaskClient, settings: Settings) -> None:
    folder = settings.storage.media_folder / "lobby"
    folder.mkdir(parents=True)

    def ask(name: str, who: str) -> dict[str, Any]:
        (folder / name).write_bytes(clip(face=who, voice=who, take=2))
        body = {"name": name, "path_dir": "lobby"}
        answer: dict[str, Any] = client.post("/Identification_Request", json=body).get_json()
        return answer

    ask("ann-1.mp4", "ann")
    assert list_all(client) == [], "who is registered at first sight is no stranger"
    ask("ann-2.mp4", "eve")
    assert identify(client, "eve").get_json()["identified"] is False
    assert [one["times"] for one in list_all(client)] == [2]
    assert list_all(client)[0]["clips"] == {"face": 1, "voice": 2}


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    assert "set DUET_STRANGER_DAYS" in run("strangers", "list")
    monkeypatch.setenv("DUET_STRANGER_DAYS", "14")
    store = open_store(Settings.from_env())
    value = KeptValue(embedding(Modality.FACE, 1), 0.8)
    store.keep_stranger(NewClip(StrangerClip("clip", (value,))))
    stranger_id = store.list_strangers()[0][0].stranger_id
    store.close()
    listed = run("strangers", "list").split("\t")
    assert (listed[0], listed[1], listed[4:]) == (stranger_id, "1", ["1", "0\n"])
    run("strangers", "hide", stranger_id)
    assert run("strangers", "list") == "There is no unknown visitor.\n"
    assert stranger_id in run("strangers", "list", "--hidden")
    run("strangers", "hide", stranger_id, "--show")
    asked = CliRunner().invoke(cli.cli, ["strangers", "delete", stranger_id], input="n\n")
    assert asked.exit_code == 1
    assert stranger_id in run("strangers", "list")
    run("strangers", "delete", stranger_id, "--yes")
    assert run("strangers", "list") == "There is no unknown visitor.\n"
    refused = CliRunner().invoke(cli.cli, ["strangers", "delete", stranger_id, "--yes"])
    assert "stranger_not_found" in refused.output
    nobody = ["strangers", "enroll", stranger_id, "--consent", "yes"]
    assert CliRunner().invoke(cli.cli, nobody).exit_code == 2


def test_what_a_person_has_already_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = make_recognizer(tmp_path, stranger_days=14)
    monkeypatch.setattr("commands.strangers.open_recognizer", lambda **_: nullcontext(recognizer))
    said = [enroll_again(recognizer), enroll_again(recognizer)]
    recognizer.close()
    assert said == [
        "Enrolled: ann, 1 template\n",
        "Enrolled: ann, 0 templates, already there: 1\n",
    ]


def enroll_again(recognizer: Recognizer) -> str:
    """Enrol one and the same visitor by the command."""
    store = recognizer.store
    store.keep_stranger(
        NewClip(StrangerClip("clip", (KeptValue(embedding(Modality.FACE, 1), 0.8),)))
    )
    (visitor,) = store.list_strangers()[0]
    new = () if store.list_people().people else ("--name", "Ann")
    return run(
        *("strangers", "enroll", visitor.stranger_id, "--person", "ann", "--consent", "yes"), *new
    )


def run(*words: str) -> str:
    done = CliRunner().invoke(cli.cli, words)
    assert done.exit_code == 0, done.output
    return done.output
