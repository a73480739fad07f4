"""POST /Identification_Request, as its clients call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.gallery_parts import clip
from tests.support.shapes import assert_error, media, send
from utils.config import Settings

URL = "/Identification_Request"
FUSED = "Multi-modal Speaker Recognition - Speaker ID : "
FACE = "Image Based Speaker Recognition - Speaker ID : "
VOICE = "Voice Based Speaker Recognition - Speaker ID: "


@pytest.fixture
def root(settings: Settings) -> Path:
    """The media root with clips of Ann and Ben in it, and a secret beside it."""
    folder = settings.storage.media_folder
    (folder / "lobby").mkdir(parents=True)
    for number in (1, 2):
        (folder / "lobby" / f"ann@example.com-{number}.mp4").write_bytes(
            clip(face="ann", voice="ann", take=number)
        )
    (folder / "ben-1.mp4").write_bytes(clip(face="ben", voice="ben"))
    (folder.parent / "secret-1.mp4").write_bytes(clip(face="ann", voice="ann"))
    return folder


def lines(who: str) -> dict[str, str]:
    return {"100001": FUSED + who, "100002": FACE + who, "100003": VOICE + who}


def ask(
    client: FlaskClient,
    name: str = "ann@example.com-1.mp4",
    path_dir: str = "lobby",
    **more: object,
) -> TestResponse:
    return client.post(URL, json={"name": name, "path_dir": path_dir, **more})


def test_first_sight_registers_and_the_next_clip_is_recognised(
    client: FlaskClient, root: Path
) -> None:
    first = ask(client, re_register="False").get_json()
    assert {k: first[k] for k in lines("")} == lines("ann@example.com")
    assert first["notice"] == "Registered: ann@example.com."
    assert client.get("/v1/people/ann@example.com").get_json()["templates"] == {
        "face": 1,
        "voice": 1,
    }
    assert ask(client, "ann@example.com-2.mp4").get_json() == lines("ann@example.com"), (
        "three keys and nothing else"
    )
    assert client.get("/v1/people/ann@example.com").get_json()["templates"] == {
        "face": 1,
        "voice": 1,
    }


@pytest.mark.parametrize(
    ("stated", "noted"),
    [
        ("192.168.1.20", "192.168.1.20"),
        (" ::1 ", "::1"),
        ("Ann's terminal", "not an IP address"),
        ("", None),
    ],
)
def test_the_address_that_a_terminal_states_is_noted_and_not_believed(
    client: FlaskClient, root: Path, stated: str, noted: str | None
) -> None:
    """The form of its clients: name, ip_address, path_dir, re_register."""
    form = {
        "name": "ann@example.com-1.mp4",
        "ip_address": stated,
        "path_dir": "lobby",
        "re_register": "False",
    }
    answer = client.post(URL, data=form)
    assert (answer.status_code, answer.get_json()["100001"]) == (200, FUSED + "ann@example.com")
    (row,) = client.get("/v1/audit?action=first_sight").get_json()["events"]
    assert row["detail"].get("stated_address") == noted
    assert ask(client, ip_address=4).status_code == 400


@pytest.mark.parametrize("again", [True, "True", "true"])
def test_re_register_replaces(client: FlaskClient, root: Path, again: object) -> None:
    ask(client)
    before = client.get("/v1/people/ann@example.com/templates").get_json()["templates"]
    assert ask(client, "ann@example.com-2.mp4", re_register=again).status_code == 200
    after = client.get("/v1/people/ann@example.com/templates").get_json()["templates"]
    assert len(after) == len(before) == 2
    assert not {t["template_id"] for t in after} & {t["template_id"] for t in before}


def test_a_stranger_under_a_known_id(client: FlaskClient, root: Path) -> None:
    ask(client)
    (root / "ann@example.com-9.mp4").write_bytes(clip(face="eve", voice="eve"))
    assert ask(client, "ann@example.com-9.mp4", "").get_json() == lines("Unknown")


def test_what_the_clip_lacks(client: FlaskClient, root: Path) -> None:
    ask(client)
    (root / "ann@example.com-3.mp4").write_bytes(clip(face="ann", take=3))
    body = ask(client, "ann@example.com-3.mp4", "").get_json()
    assert body["100003"] == VOICE + "None (no speech)"
    assert body["100002"] == FACE + "ann@example.com"
    (root / "dan-1.mp4").write_bytes(clip(voice="dan"))
    body = ask(client, "dan-1.mp4", "").get_json()
    assert body["100002"] == FACE + "None (no face)"
    assert body["100003"] == VOICE + "dan"


def test_a_known_person_under_a_second_id_is_reported(client: FlaskClient, root: Path) -> None:
    ask(client)
    (root / "anna-1.mp4").write_bytes(clip(face="ann", voice="ann", take=7))
    body = ask(client, "anna-1.mp4", "").get_json()
    assert {k: body[k] for k in lines("")} == lines("ann@example.com")
    assert "ann@example.com" in body["notice"]
    assert "force=true" in body["notice"]
    assert_error(client.get("/v1/people/anna"), 404, "person_not_found")
    for force in ("True", True):
        forced = ask(client, "anna-1.mp4", "", force=force).get_json()
    assert client.get("/v1/people/anna").get_json()["templates"] == {"face": 1, "voice": 1}
    assert "force=true" not in forced["notice"], "the second time the id is known"
    assert "ann@example.com, anna. Merge them." in forced["notice"]


def test_the_face_of_one_and_the_voice_of_another(client: FlaskClient, root: Path) -> None:
    ask(client)
    ask(client, "ben-1.mp4", "")
    (root / "ben-2.mp4").write_bytes(clip(face="ann", voice="ben", take=2))
    body = ask(client, "ben-2.mp4", "").get_json()
    assert (body["100001"], body["100002"], body["100003"]) == (
        FUSED + "Unknown",
        FACE + "ann@example.com",
        VOICE + "ben",
    )
    assert body["notice"] == "The face and the voice belong to two different people of the gallery."


def test_json_form_and_multipart(client: FlaskClient, root: Path) -> None:
    given = {"name": "ann@example.com-1.mp4", "path_dir": "lobby", "re_register": "False"}
    ask(client)
    assert client.post(URL, data=given).get_json() == lines("ann@example.com")
    assert send(client, URL, **given).get_json() == lines("ann@example.com")


@pytest.mark.parametrize("field", ["media", "file"])
def test_the_clip_comes_with_the_request(client: FlaskClient, field: str) -> None:
    sent = {field: media(face="cem", voice="cem")}
    body = send(
        client, URL, name="cem-1.mp4", path_dir="/any/where", re_register="False", **sent
    ).get_json()
    assert {k: body[k] for k in lines("")} == lines("cem")
    assert send(
        client, URL, **{field: media(face="cem", voice="cem", name="cem-2.mp4")}
    ).get_json() == lines("cem")


def test_path_dir_may_be_absolute_below_the_root(client: FlaskClient, root: Path) -> None:
    assert ask(client, path_dir=str(root / "lobby")).status_code == 200
    assert ask(client, "ben-1.mp4", "lobby/..").status_code == 200


@pytest.mark.parametrize(
    "path_dir",
    ["..", "../", "lobby/../..", "/etc", "/", "....//..", "a\x00b", "x" * 5000, "link", "\ud800"],
)
def test_path_dir_outside_the_root(client: FlaskClient, root: Path, path_dir: str) -> None:
    (root / "link").symlink_to(root.parent)
    answer = ask(client, "secret-1.mp4", path_dir)
    code = assert_error(answer, answer.status_code, answer.get_json()["error"]["code"])["code"]
    assert (answer.status_code, code) in {(403, "path_forbidden"), (404, "media_not_found")}
    if path_dir in ("..", "../", "lobby/../..", "/etc", "/", "link"):
        assert answer.status_code == 403
    assert client.get("/v1/people").get_json()["total"] == 0


def test_a_link_to_a_file_outside(client: FlaskClient, root: Path) -> None:
    (root / "eve-1.mp4").symlink_to(root.parent / "secret-1.mp4")
    assert_error(ask(client, "eve-1.mp4", ""), 403, "path_forbidden")
    (root / "loop-1.mp4").symlink_to(root / "loop-1.mp4")
    assert ask(client, "loop-1.mp4", "").status_code in (403, 404)


@pytest.mark.parametrize(
    "name",
    [
        "../secret-1.mp4",
        "/etc/passwd-1.mp4",
        "lobby/ann@example.com-1.mp4",
        "a\x00-1.mp4",
        "x" * 5000 + "-1.mp4",
        "..\\secret-1.mp4",
        "-1.mp4",
        "..-1.mp4",
    ],
)
def test_names_with_tricks(client: FlaskClient, root: Path, name: str) -> None:
    assert_error(ask(client, name, ""), 422, "invalid_name")


def test_no_such_clip(client: FlaskClient, root: Path) -> None:
    assert_error(ask(client, "zed-1.mp4"), 404, "media_not_found")
    assert_error(ask(client, path_dir="attic"), 404, "media_not_found")
    (root / "dir-1.mp4").mkdir()
    assert_error(ask(client, "dir-1.mp4", ""), 404, "media_not_found")


def test_the_media_root_itself_is_missing(client: FlaskClient) -> None:
    assert_error(ask(client), 404, "media_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"path_dir": "lobby"},
        {"name": ""},
        {"name": 7},
        {"name": "ann@example.com-1.mp4", "re_register": "yes"},
        {"name": "ann@example.com-1.mp4", "re_register": 1},
        {"name": "ann@example.com-1.mp4", "re_register": ""},
        {"name": "ann@example.com-1.mp4", "path_dir": ["lobby"]},
        {"name": "ann@example.com-1.mp4", "colour": "red"},
    ],
)
def test_bad_fields(client: FlaskClient, root: Path, body: dict[str, Any]) -> None:
    assert_error(client.post(URL, json=body), 400, "invalid_request")


def test_bad_uploads(client: FlaskClient) -> None:
    assert_error(send(client, URL, name="ann-1.mp4", media=media(b"")), 422, "media_empty")
    assert_error(send(client, URL, name="ann-1.mp4", media=media(b"text")), 415, "media_type")
    assert_error(send(client, URL, name="ann-1.mp4", media=media()), 422, "no_biometric")
    assert_error(
        send(client, URL, name="ann-1.mp4", media=media(face="ann"), file=media(face="ann")),
        400,
        "invalid_request",
    )
    assert_error(send(client, URL, name="ann-1.mp4", media="text"), 400, "media_missing")
    assert client.get("/v1/people").get_json()["total"] == 0
