"""The voice API: recordings as files or as base64 in JSON.

Speakers are named or said to be unknown.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.gallery_parts import clip
from tests.support.shapes import assert_error, enroll, media, send
from tests.support.speakers import coded, identify, register, sound
from utils.config import Settings


def test_at_0_7_the_answer_is_that_of_v1_identify(client: FlaskClient) -> None:
    register(client, "ann")
    for who in ("ann", "ben", "cem"):
        for take in range(2, 8):
            ours = send(
                client, "/v1/identify", media=(io.BytesIO(sound(who, take)), "p.wav")
            ).get_json()["voice"]
            theirs = identify(client, who, take).get_json()
            assert theirs["identified"] == (ours["outcome"] == "accepted")
            assert theirs["speaker_id"] == (ours["match"] or {}).get("person_id")


# ---- register and identify


def test_register_and_identify_with_files(client: FlaskClient) -> None:
    first = register(client, "ann", 1, 2, name="Ann Lee", metadata='{"nickname": "A"}')
    assert first.status_code == 200, first.get_data(as_text=True)
    body = first.get_json()
    assert (body["status"], body["speaker_id"], body["anonymousId"], body["audioCount"]) == (
        "success",
        "ann",
        "ann",
        2,
    )
    assert body["duplicate"] is None
    answer = identify(client, "ann").get_json()
    assert (
        answer["identified"],
        answer["isKnownSpeaker"],
        answer["speaker_id"],
        answer["name"],
    ) == (
        True,
        True,
        "ann",
        "Ann Lee",
    )
    assert answer["confidence"] >= answer["threshold"] == 0.7
    assert answer["metadata"] == {"nickname": "A"}
    assert answer["processingTime"] > 0
    stored = client.get("/v1/people/ann/templates").get_json()["templates"]
    assert [t["modality"] for t in stored] == ["voice", "voice"]


def test_register_and_identify_as_the_clients_of_the_field_do(client: FlaskClient) -> None:
    """JSON with base64, anonymousId, and an answer of 200."""
    sent = {"anonymousId": "ann", "audioData": coded("ann"), "metadata": {"별명": "앤"}}
    sent["metaverseContext"] = {"space": 1, "near": ["ben"]}
    assert client.post("/speakers/register", json=sent).status_code == 200
    answer = client.post(
        "/speakers/identify",
        json={"audioData": coded("ann", 2), "threshold": 0.7, "metaverseContext": {"space": 1}},
    )
    assert answer.status_code == 200
    assert (answer.get_json()["anonymousId"], answer.get_json()["isKnownSpeaker"]) == ("ann", True)
    shown = client.get("/speakers/ann").get_json()
    assert (shown["anonymousId"], shown["audioCount"], shown["metadata"]) == (
        "ann",
        1,
        {"별명": "앤"},
    )


def test_the_unknown_are_said_to_be_unknown(client: FlaskClient) -> None:
    empty = identify(client, "ben").get_json()
    assert (empty["identified"], empty["speaker_id"], empty["confidence"]) == (False, None, 0.0)
    register(client, "ann", name="Ann Lee")
    answer = identify(client, "ben")
    body = answer.get_json()
    assert (body["identified"], body["speaker_id"], body["anonymousId"], body["name"]) == (
        False,
        None,
        None,
        None,
    )
    assert 0 < body["confidence"] < 0.7
    assert "ann" not in answer.get_data(as_text=True).lower(), (
        "a stranger is not given the nearest name"
    )


def test_the_threshold_counts(client: FlaskClient) -> None:
    register(client, "ann")
    confidence = identify(client, "ben").get_json()["confidence"]
    assert identify(client, "ben", threshold=confidence * 0.99).get_json()["speaker_id"] == "ann", (
        "who asks for so little gets it"
    )
    assert identify(client, "ben", threshold=confidence * 1.01).get_json()["speaker_id"] is None
    assert identify(client, "ann", threshold="1").get_json()["threshold"] == 1.0


def test_only_the_voice_is_stored(client: FlaskClient) -> None:
    both = io.BytesIO(clip(face="ann", voice="ann"))
    send(client, "/speakers/register", speaker_id="ann", audio=(both, "clip.mp4"))
    assert client.get("/v1/people/ann").get_json()["templates"] == {"face": 0, "voice": 1}
    silent = send(client, "/speakers/identify", audio=media(face="ann"))
    assert "voice" in assert_error(silent, 422, "no_biometric")["message"]


def test_a_face_that_speaks_against_the_speaker_is_heeded(client: FlaskClient) -> None:
    enroll(client, "ann")
    enroll(client, "ben")
    for face, who in (("ann", "ann"), (None, "ann"), ("ben", None), ("cem", None)):
        body = io.BytesIO(clip(face=face, voice="ann", take=3))
        answer = send(client, "/speakers/identify", audio=(body, "clip.mp4")).get_json()
        assert (answer["identified"], answer["speaker_id"]) == (who is not None, who)
    assert answer["confidence"] == 0.0
    assert "speaks against that person" in answer["reason"]


def test_more_recordings_of_a_speaker_are_added(client: FlaskClient) -> None:
    register(client, "ann", metadata='{"a": 1}')
    again = register(client, "ann", 2, 3, metadata='{"b": 2}')
    assert again.get_json()["audioCount"] == 3
    assert client.get("/speakers/ann").get_json()["metadata"] == {"a": 1, "b": 2}


def test_all_recordings_are_stored_or_none(client: FlaskClient) -> None:
    files = [(io.BytesIO(sound("ann")), "a.wav"), (io.BytesIO(clip(face="ann")), "silent.mp4")]
    assert_error(
        send(client, "/speakers/register", speaker_id="ann", audio=files), 422, "no_biometric"
    )
    assert client.get("/speakers").get_json()["total"] == 0


def test_the_same_voice_under_another_id_is_refused_unless_forced(client: FlaskClient) -> None:
    register(client, "ann")
    again = {"speaker_id": "other", "audioData": coded("ann", 2)}
    error = assert_error(client.post("/speakers/register", json=again), 409, "duplicate_person")
    assert error["details"]["person_id"] == "ann"
    forced = client.post("/speakers/register", json={**again, "force": True}).get_json()
    assert (forced["speaker_id"], forced["duplicate"]["person_id"]) == ("other", "ann")


def test_the_note_of_a_person_is_kept_beside_metadata(client: FlaskClient) -> None:
    client.post("/v1/people", json={"person_id": "ann", "note": "front desk"})
    register(client, "ann", metadata='{"a": 1}')
    assert client.get("/speakers/ann").get_json()["metadata"] == {"note": "front desk", "a": 1}


# ---- list, show, delete


def test_list_show_delete(client: FlaskClient) -> None:
    for who in ("ann", "ben"):
        register(client, who)
    page = client.get("/speakers?limit=1&offset=1").get_json()
    assert (
        page["total"],
        page["limit"],
        page["offset"],
        [s["speaker_id"] for s in page["speakers"]],
    ) == (2, 1, 1, ["ben"])
    gone = client.delete("/speakers/ann")
    assert (gone.status_code, gone.get_json()["status"]) == (200, "success")
    assert_error(client.delete("/speakers/ann"), 404, "person_not_found")
    assert_error(client.get("/speakers/ann"), 404, "person_not_found")
    assert not identify(client, "ann").get_json()["identified"]
    assert_error(client.get("/speakers?limit=0"), 400, "invalid_request")


def test_health_is_the_same(client: FlaskClient) -> None:
    assert client.get("/health").get_json() == client.get("/v1/health").get_json()


# ---- bad input


@pytest.mark.parametrize(
    "form",
    [
        {"speaker_id": "ann"},
        {"audio": (b"x", "a.wav")},
        {"speaker_id": "ann", "anonymousId": "ben", "audio": (b"x", "a.wav")},
        {"speaker_id": "ann", "audio": (b"x", "a.wav"), "metadata": "[]"},
        {"speaker_id": "ann", "audio": (b"x", "a.wav"), "force": "yes"},
        {"speaker_id": "ann", "audio": (b"x", "a.wav"), "unknown": "1"},
        {"speaker_id": "ann", "audioData": "text"},
    ],
)
def test_bad_registrations(client: FlaskClient, form: dict[str, Any]) -> None:
    sent = {
        name: (io.BytesIO(value[0]), value[1]) if isinstance(value, tuple) else value
        for name, value in form.items()
    }
    answer = send(client, "/speakers/register", **sent)
    assert answer.status_code == 400
    assert_error(answer, 400, answer.get_json()["error"]["code"])
    assert client.get("/speakers").get_json()["total"] == 0


@pytest.mark.parametrize(
    "speaker_id", ["../x", "a b", "", "x" * 200, "a\0b", "\u202eabc", "é", "<script>"]
)
def test_bad_ids(client: FlaskClient, speaker_id: str) -> None:
    assert_error(
        client.post(
            "/speakers/register", json={"speaker_id": speaker_id, "audioData": coded("ann")}
        ),
        422,
        "invalid_name",
    )


@pytest.mark.parametrize("metadata", [{"x": "y" * 2000}, {"x": "\u202e"}])
def test_metadata_that_cannot_be_kept(client: FlaskClient, metadata: dict[str, Any]) -> None:
    sent = json.dumps({"speaker_id": "ann", "audioData": coded("ann"), "metadata": metadata})
    assert_error(
        client.post("/speakers/register", data=sent, content_type="application/json"),
        422,
        "invalid_name",
    )


@pytest.mark.parametrize("is_form", [True, False])
@pytest.mark.parametrize("value", ["NaN", "1e999", '1, "x": 2', "[" * 200 + "]" * 200])
def test_metadata_that_no_json_can_hold(client: FlaskClient, value: str, is_form: bool) -> None:
    metadata = f'{{"x": {value}}}'
    if is_form:
        refused = register(client, "ann", metadata=metadata)
    else:
        sent = f'{{"speaker_id": "ann", "audioData": "{coded("ann")}", "metadata": {metadata}}}'
        refused = client.post("/speakers/register", data=sent, content_type="application/json")
    assert_error(refused, 400, "invalid_request")


def test_metadata_with_half_of_a_sign(client: FlaskClient) -> None:
    half = '{"x": "\\ud800"}'
    assert_error(register(client, "ann", metadata=half), 400, "invalid_request")
    sent = f'{{"speaker_id": "ann", "audioData": "{coded("ann")}", "metadata": {half}}}'
    refused = client.post("/speakers/register", data=sent, content_type="application/json")
    assert_error(refused, 422, "invalid_name")
    assert client.get("/speakers").get_json()["total"] == 0


@pytest.mark.parametrize("note", ["[" * 1990, '{"x": NaN}', '{"x": 1e999}', '{"x": "\\ud800"}'])
def test_a_note_that_only_looks_like_metadata(client: FlaskClient, note: str) -> None:
    client.post("/v1/people", json={"person_id": "ann", "name": "Ann", "note": note})
    assert client.get("/speakers/ann").get_json()["metadata"] == {"note": note}
    assert client.get("/speakers").get_json()["total"] == 1


@pytest.mark.parametrize(
    "threshold",
    ["-0.1", "1.1", "nan", "inf", "high", "", "1e999", "0x1", " 0.7", "０.７", "0_0.7", "1e", "."],
)
def test_bad_thresholds(client: FlaskClient, threshold: str) -> None:
    assert_error(identify(client, "ann", threshold=threshold), 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"audioData": 5},
        {"audioData": "é"},
        {"audioData": "data:audio/wav;base64,AAAA"},
        {"audio": "AAAA"},
        {"audioData": "AAAA", "threshold": True},
        {"audioData": "AAAA", "threshold": "0.7"},
    ],
)
def test_bad_json(client: FlaskClient, body: dict[str, Any]) -> None:
    assert_error(client.post("/speakers/identify", json=body), 400, "invalid_request")


def test_other_bad_bodies(client: FlaskClient) -> None:
    assert_error(client.post("/speakers/identify", json={"audioData": ""}), 400, "media_missing")
    assert_error(
        client.post(
            "/speakers/identify", json={"audioData": base64.b64encode(b"no sound").decode()}
        ),
        415,
        "media_type",
    )
    assert_error(
        client.post("/speakers/identify", data=b"x", content_type="audio/wav"), 415, "content_type"
    )
    assert_error(
        client.post("/speakers/identify", data=b" " * 10_000_000, content_type="application/json"),
        413,
        "media_too_large",
    )
    assert_error(client.get("/speakers/identify"), 404, "person_not_found")
    assert_error(client.put("/batch"), 405, "method_not_allowed")


def test_no_file_is_left_behind(client: FlaskClient, settings: Settings) -> None:
    client.post("/speakers/identify", json={"audioData": coded("ann")})
    client.post(
        "/batch",
        json={
            "operation": "identify",
            "items": [{"audioData": coded("ann")}, {"audioData": "AAAA"}],
        },
    )
    register(client, "ann", 1, 2)
    assert list(settings.storage.temporary_folder.iterdir()) == []
