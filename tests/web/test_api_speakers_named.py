"""POST /v1/audio/transcriptions with those who speak, in OpenAI's form and beyond."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from tests.support.gallery_parts import ClipAligner, StubFace, StubVoice, clip, direction
from tests.support.media import scene, write_video
from tests.support.media_sound import speech as syllables_48k
from tests.support.processes import note_processes
from tests.support.recordings import silence, syllables, wav
from tests.support.shapes import assert_error, enroll, send
from utils.arrays import RATE_HZ, Float32Array, ImageArray
from utils.media import Capture, Waveform
from utils.modality import Embedding, Modality

URL = "/v1/audio/transcriptions"
STRANGER = 77
Sounds = Callable[[int], None]


pytestmark = pytest.mark.usefixtures("wordy")


@pytest.fixture
def sounds_like(monkeypatch: pytest.MonkeyPatch) -> Sounds:
    """Have all speech sound like one person, by number (Ann is 1, Ben is 2)."""

    def set_person(person: int) -> None:
        def embed(_: StubVoice, __: Waveform) -> Embedding:
            return Embedding(direction("voice", person, 3, 0.2), Modality.VOICE, "voice-1")

        monkeypatch.setattr(StubVoice, "embed", embed)

    return set_person


@pytest.fixture
def people(client: FlaskClient, sounds_like: Sounds) -> FlaskClient:
    """Ann and Ben are enrolled, and all speech sounds like Ann from then on."""
    enroll(client, "ann")
    enroll(client, "ben")
    sounds_like(1)
    return client


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of somebody drawn who talks."""
    frames = [scene(0, mouth=number // 2 % 2) for number in range(40)]
    path = tmp_path_factory.mktemp("film") / "talk.mp4"
    return write_video(path, frames, syllables_48k(1, 4.0), 10).read_bytes()


def show(monkeypatch: pytest.MonkeyPatch, person: int) -> None:
    """Have all faces look like one person, by number."""

    def embed(_: StubFace, faces: ImageArray, **__: bool) -> Float32Array:
        return np.stack([direction("face", person, n, 0.2) for n in range(len(faces))])

    monkeypatch.setattr(StubFace, "embed_each", embed)


def data_url(sound: Float32Array) -> str:
    return "data:audio/wav;base64," + base64.b64encode(wav(sound)[0].read()).decode()


def ask(client: FlaskClient, **fields: Any) -> Any:
    fields = {"file": wav(), "response_format": "diarized_json"} | fields
    return send(client, URL, **fields)


def events(text: str) -> list[dict[str, Any]]:
    parts = [part for part in text.split("\n\n") if part.startswith("data: ")]
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_a_person_of_the_gallery_is_named(people: FlaskClient) -> None:
    body = ask(people).get_json()
    (segment,) = body["segments"]
    assert segment["type"] == "transcript.text.segment"
    assert (segment["speaker"], segment["person_id"]) == ("Ann", "ann")
    assert (segment["outcome"], segment["overlap"]) == ("named", False)
    assert segment["probability"] > 0.9
    assert segment["text"] == body["text"]
    (row, *_) = people.get("/v1/audit?action=transcribe").get_json()["events"]
    assert row["outcome"] == "named"
    assert row["person_key"] is not None


def test_a_stranger_has_a_number_and_never_the_nearest_name(
    people: FlaskClient, sounds_like: Sounds
) -> None:
    sounds_like(STRANGER)
    (segment,) = ask(people).get_json()["segments"]
    assert (segment["speaker"], segment["person_id"]) == ("unknown 1", None)
    assert (segment["outcome"], segment["probability"]) == ("unknown", None)


def test_speakers_may_be_restricted(people: FlaskClient) -> None:
    (segment,) = ask(people, **{"speaker_names[]": ["ann", "ben"]}).get_json()["segments"]
    assert segment["person_id"] == "ann"
    (segment,) = ask(people, **{"speaker_names[]": "ben"}).get_json()["segments"]
    assert segment["speaker"] == "unknown 1"
    for nobody in ("eve", "Eve Lee"):
        error = assert_error(ask(people, **{"speaker_names[]": nobody}), 400, "invalid_request")
        assert f"Received: '{nobody}'" in error["message"]


def test_speakers_may_be_restricted_by_names_that_are_no_ids(people: FlaskClient) -> None:
    people.patch("/v1/people/ann", json={"name": "Ann 리"})
    (segment,) = ask(people, **{"speaker_names[]": "Ann 리"}).get_json()["segments"]
    assert (segment["person_id"], segment["speaker"]) == ("ann", "Ann 리")


def test_known_speakers_are_of_this_request_alone(people: FlaskClient, sounds_like: Sounds) -> None:
    sounds_like(STRANGER)
    known = {
        "known_speaker_names[]": "Agent",
        "known_speaker_references[]": data_url(syllables(3.0)),
    }
    (segment,) = ask(people, **known).get_json()["segments"]
    assert (segment["speaker"], segment["person_id"]) == ("Agent", None)
    assert segment["outcome"] == "named"
    (segment,) = ask(people).get_json()["segments"]
    assert segment["speaker"] == "unknown 1"
    assert people.get("/v1/people").get_json()["total"] == 2


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"num_speakers": "0"}, 400, "invalid_request"),
        ({"num_speakers": "two"}, 400, "invalid_request"),
        ({"channels": "left"}, 400, "invalid_request"),
        ({"who": "me"}, 400, "invalid_request"),
        ({"chunking_strategy": "vad"}, 400, "invalid_request"),
        ({"known_speaker_names[]": "Agent"}, 400, "invalid_request"),
        (
            {"known_speaker_names[]": "A", "known_speaker_references[]": "http://x/a.wav"},
            400,
            "invalid_request",
        ),
        (
            {
                "known_speaker_names[]": "A",
                "known_speaker_references[]": data_url(silence(3.0)),
            },
            422,
            "no_biometric",
        ),
    ],
)
def test_fields_that_cannot_be_used(
    people: FlaskClient, fields: dict[str, str], status: int, code: str
) -> None:
    assert_error(ask(people, **fields), status, code)


def test_plain_formats_say_who_speaks_where_it_is_asked(people: FlaskClient) -> None:
    text = ask(people, response_format="text", who="true").get_data(as_text=True)
    assert text.startswith("Ann: w0")
    vtt = ask(people, response_format="vtt", who="true").get_data(as_text=True)
    assert "<v Ann>w0" in vtt
    assert ask(people, response_format="text").get_data(as_text=True).startswith("w0")


def test_each_channel_is_one_person(people: FlaskClient) -> None:
    both = np.stack(
        [
            np.concatenate([syllables(3.0, 1), silence(4.0)]),
            np.concatenate([silence(4.0), syllables(3.0, 2)]),
        ],
        axis=1,
    )
    body = ask(people, file=wav(both), channels="separate").get_json()
    first, second = body["segments"]
    assert first["end"] < 3.6 < second["start"]
    text = ask(people, file=wav(both), channels="separate", response_format="text")
    lines = text.get_data(as_text=True).splitlines()
    assert [line[:9] for line in lines] == ["channel 1", "channel 2"]


def test_speakers_stream_after_the_words(people: FlaskClient) -> None:
    sent = events(ask(people, stream="true").get_data(as_text=True))
    assert [event["type"] for event in sent] == [
        "transcript.text.delta",
        "transcript.text.segment",
        "transcript.text.done",
    ]
    assert sent[0]["start"] < sent[0]["end"]
    assert sent[1]["speaker"] == "Ann"


def test_the_client_of_openai_hears_known_speakers(
    openai_client: Any, people: FlaskClient, sounds_like: Sounds
) -> None:
    sounds_like(STRANGER)
    diarized = openai_client.audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize",
        file=("talk.wav", wav()[0]),
        response_format="diarized_json",
        chunking_strategy="auto",
        known_speaker_names=["Agent"],
        known_speaker_references=[data_url(syllables(3.0))],
    )
    assert type(diarized).__name__ == "TranscriptionDiarized"
    assert diarized.segments[0].speaker == "Agent"
    assert diarized.segments[0].outcome == "named"


def test_a_stranger_is_enrolled_from_turns(
    people: FlaskClient,
    sounds_like: Sounds,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The aligner of these tests reads no sound: it is shown what the turns hold."""
    sounds_like(5)
    heard = []
    clip_of_eve = tmp_path / "eve.mp4"
    clip_of_eve.write_bytes(clip(voice="eve"))
    analyse = ClipAligner.analyse

    def listen(self: ClipAligner, path: Path, **more: Any) -> Capture:
        heard.append(soundfile.read(path, dtype="float32")[0])
        return analyse(self, clip_of_eve, **more)

    monkeypatch.setattr(ClipAligner, "analyse", listen)
    people.post("/v1/people", json={"person_id": "eve", "name": "Eve"})
    talk = np.concatenate([silence(2.0), syllables(3.0), silence(1.0), syllables(3.0, 2)])
    url = "/v1/people/eve/templates"
    too_large = "1" + "0" * 400
    for turns in (
        "[[0, 1], 2]",
        "[[3, 2]]",
        "[]",
        "here",
        "[[90, 91]]",
        "[[90, 1e305]]",
        f"[[0, {too_large}]]",
        '[["2.5", "4.5"]]',
        "[[false, true]]",
    ):
        assert_error(send(people, url, media=wav(talk), turns=turns), 400, "invalid_request")
    answer = send(people, url, media=wav(talk), turns="[[6.0, 9.0], [2.5, 4.5]]")
    assert answer.status_code == 201, answer.get_data(as_text=True)
    (sound,) = heard
    assert len(sound) == 5 * RATE_HZ
    own = np.concatenate([talk[round(2.5 * RATE_HZ) : round(4.5 * RATE_HZ)], talk[6 * RATE_HZ :]])
    assert np.abs(sound - own).max() < 1e-3


@pytest.mark.parametrize(
    ("face", "fields", "answer"),
    [
        (1, {}, ("Ann", "named", "face and voice")),
        (2, {}, ("unknown 1", "conflict", None)),
        (2, {"faces": "false"}, ("Ann", "named", "voice")),
        (STRANGER, {"speaker_names[]": "ben"}, ("unknown 1", "unknown", None)),
    ],
)
def test_the_face_that_talks_counts(
    people: FlaskClient,
    film: bytes,
    monkeypatch: pytest.MonkeyPatch,
    face: int,
    fields: dict[str, str],
    answer: tuple[str, str, str | None],
) -> None:
    show(monkeypatch, face)
    file = (io.BytesIO(film), "talk.mp4")
    body = send(people, URL, file=file, response_format="diarized_json", **fields).get_json()
    (segment,) = body["segments"]
    assert (segment["speaker"], segment["outcome"], segment["decided_by"]) == answer


def test_a_client_that_leaves_ends_the_look_at_faces(
    people: FlaskClient, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server closes the answer when it cannot send what comes next, which is a comment."""
    started = note_processes(monkeypatch, "align.picture_decoder")
    answer = ask(people, file=(io.BytesIO(film), "talk.mp4"), stream="true")
    parts = answer.iter_encoded()
    sent = []
    while not started:
        sent.append(next(parts))
    assert sent[-1] == b": \n\n"
    assert [process.is_alive for process in started] == [True]
    answer.close()
    assert [process.is_alive for process in started] == [False]


def test_faces_are_true_or_false(people: FlaskClient) -> None:
    error = assert_error(send(people, URL, file=wav(), faces="maybe"), 400, "invalid_request")
    assert "`faces`" in error["message"]
    job = {"action": "identify", "faces": "false", "folder": "."}
    error = assert_error(send(people, "/v1/jobs", **job), 400, "invalid_request")
    assert "`faces` belongs to the action transcribe" in error["message"]
