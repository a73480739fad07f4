"""HTTP, batch jobs and `--json` show the same shape for one clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from commands.clips import format_identification
from commands.verify import format_verification
from gallery.records.jobs import Jobs, NewItem, NewJob
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, IdentificationRequest, VerificationRequest
from utils.config import Settings


def shape_of(value: Any) -> Any:
    """Keys at every level, without the values."""
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape_of(inner) for inner in value]
    return None


def post(client: FlaskClient, url: str, clip: Path, **fields: str) -> dict[str, Any]:
    with clip.open("rb") as file:
        answer = client.post(url, data={"media": (file, clip.name), **fields})
    assert answer.status_code in (200, 201), answer.get_data(as_text=True)
    body: dict[str, Any] = answer.get_json()
    return body


def run_job(recognizer: Recognizer, settings: Settings, action: str, clip: Path) -> dict[str, Any]:
    jobs = Jobs(recognizer.store.database)
    person_id = "dan" if action == "enroll" else None
    item = NewItem(clip.name, clip.name, person_id)
    job = jobs.create(NewJob(action, [item], root=str(clip.parent)))
    assert work(Workplace(recognizer, jobs, settings), job.job_id) == 1
    result = jobs.items(job.job_id)[0].result
    assert result is not None
    return result


def without_clip(line: str) -> dict[str, Any]:
    """The JSON of the command line, which also names the clip."""
    body: dict[str, Any] = json.loads(line)
    assert body.pop("clip")
    return body


def test_an_identification(
    client: FlaskClient, gallery: Recognizer, settings: Settings, clip: Callable[..., Path]
) -> None:
    path = clip(face=1, voice=1)
    answer = gallery.identify(IdentificationRequest(ClipFile(path)))
    by_http = post(client, "/v1/identify", path)
    by_job = run_job(gallery, settings, "identify", path)
    by_command = without_clip(format_identification(path, answer, json_line=True))
    assert shape_of(by_http) == shape_of(by_job) == shape_of(by_command)
    for field in ("fused", "face", "voice", "gallery", "hints", "encoders"):
        assert by_http[field] == by_job[field] == by_command[field]


def test_an_enrolment(
    client: FlaskClient, gallery: Recognizer, settings: Settings, clip: Callable[..., Path]
) -> None:
    assert client.post("/v1/people", json={"person_id": "eva"}).status_code == 201
    by_http = post(client, "/v1/people/eva/templates", clip(face=5, voice=5))
    by_job = run_job(gallery, settings, "enroll", clip(face=4, voice=4))
    assert shape_of(by_http) == shape_of(by_job)
    assert by_job["person"]["note"] == by_job["person"]["consent"] == ""


def test_a_verification(
    client: FlaskClient, gallery: Recognizer, clip: Callable[..., Path]
) -> None:
    path = clip(face=1, voice=1)
    answer = gallery.verify(VerificationRequest(ClipFile(path), "ann"))
    by_http = post(client, "/v1/verify", path, person_id="ann")
    by_command = without_clip(format_verification(path, answer, json_line=True))
    assert shape_of(by_http) == shape_of(by_command)
    assert by_http["fused"] == by_command["fused"]
