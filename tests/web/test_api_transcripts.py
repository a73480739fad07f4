"""Transcripts that are kept: noted in the answer, listed, read, deleted with their people."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import soundfile
from flask.testing import FlaskClient

from gallery.results import NewTranscript, SpokenTurn
from gallery.store import Store
from recognition.recognizer import Recognizer
from speech.scribe import Scribe
from tests.support.recordings import WordyEngine, syllables
from tests.support.shapes import assert_error, send
from utils.arrays import RATE_HZ
from utils.config import Settings

ASK = "/v1/audio/transcriptions"
URL = "/v1/transcripts"


@pytest.fixture(autouse=True)
def wordy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that writes a word each half second."""
    monkeypatch.setattr(Scribe, "_load", lambda _: WordyEngine())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that keep transcripts."""
    return Settings.of(data_dir=tmp_path / "data", max_upload_mb=1, keep_transcripts=True)


@pytest.fixture
def store(recognizer: Recognizer) -> Store:
    return recognizer.store


def wav() -> tuple[io.BytesIO, str]:
    buffer = io.BytesIO()
    soundfile.write(buffer, syllables(3.0), RATE_HZ, format="WAV")
    buffer.seek(0)
    return buffer, "annas talk.wav"


def test_what_is_kept_is_listed_read_and_deleted(client: FlaskClient) -> None:
    answer = send(client, ASK, file=wav())
    transcript_id = answer.headers["X-Transcript-Id"]
    listed = client.get(URL).get_json()
    assert (listed["total"], listed["transcripts"][0]["title"]) == (1, "annas talk.wav")
    read = client.get(f"{URL}/{transcript_id}").get_json()
    assert read["text"] == answer.get_json()["text"]
    assert read["segments"][0]["words"][0]["word"] == "w0"
    assert (read["segments"][0]["speaker"], read["segments"][0]["person_id"]) == ("", None)
    assert client.delete(f"{URL}/{transcript_id}").status_code == 204
    assert client.get(URL).get_json()["total"] == 0
    for ask in (client.get, client.delete):
        assert_error(ask(f"{URL}/{transcript_id}"), 404, "transcript_not_found")


def test_a_stream_says_what_is_kept(client: FlaskClient) -> None:
    text = send(client, ASK, file=wav(), stream="true").get_data(as_text=True)
    done = json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert client.get(f"{URL}/{done['transcript_id']}").status_code == 200


def test_what_a_person_said_goes_with_them(client: FlaskClient, store: Store) -> None:
    store.create_person("anna", "Anna")
    turns = (
        SpokenTurn(0.0, 1.0, "Mine", person_id="anna", outcome="named", decided_by="face"),
        SpokenTurn(1.0, 2.0, "Yours", speaker="unknown 1"),
    )
    new = NewTranscript(title="anna.wav", language="en", duration_s=2.0, turns=turns)
    transcript_id = store.keep_transcript(new)
    exported = client.get("/v1/people/anna/export").get_json()
    assert [turn["text"] for turn in exported["transcripts"]] == ["Mine"]
    shown = client.get(f"{URL}/{transcript_id}").get_json()["segments"]
    assert [turn["decided_by"] for turn in shown] == ["face", None]
    client.delete("/v1/people/anna")
    read = client.get(f"{URL}/{transcript_id}").get_json()
    assert (read["title"], read["text"]) == ("", "Yours")
    first = read["segments"][0]
    assert (first["speaker"], first["outcome"], first["text"]) == ("deleted person", "deleted", "")


def test_parts_of_the_list_are_checked(client: FlaskClient) -> None:
    assert_error(client.get(f"{URL}?limit=0"), 400, "invalid_request")
    assert_error(client.get(f"{URL}?order=x"), 400, "invalid_request")
