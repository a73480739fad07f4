"""A request whose file ends the decoder: one refusal, one line in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from align.aligner import Aligner
from align.confinement import Confinement
from align.decoders import Decoders
from gallery.records.jobs import Jobs, NewJob
from jobs.clips import list_folder
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import StubEncoders, open_gallery
from tests.support.media import tone, write_sound
from tests.support.shapes import assert_error, media
from utils.config import Settings
from web.factory import create_app

BOUNDS = Confinement(memory_mb=512, processor_s=1, stall_s=1.5)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.of(data_dir=tmp_path / "data", slots=1)


@pytest.fixture
def recognizer(settings: Settings) -> Iterator[Recognizer]:
    decoders = Decoders(settings.capture, 1, bounds=BOUNDS, program="tests.support.hostile_decoder")
    settings.storage.data_dir.mkdir()
    store = open_gallery(settings.storage.data_dir)
    aligner = Aligner(settings.capture, decoders.read)
    yield Recognizer(aligner, StubEncoders(), store, settings)
    store.close()
    decoders.close()


@pytest.fixture
def client(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app({"SETTINGS": settings}, recognizer).test_client()


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        ("segfault", "died (SIGSEGV)"),
        ("loop", "took more than 1 s of processor time"),
        ("memory", "needs more than 512 MB of memory"),
    ],
)
def test_a_request_is_refused_and_the_next_one_answered(
    client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    trick: str,
    words: str,
) -> None:
    with caplog.at_level(logging.INFO, logger="duet.web"):
        response = client.post(
            "/v1/identify",
            data={"media": media(trick.encode() + b"\n")},
            headers={"X-Request-ID": "the-bad-one"},
        )
    error = assert_error(response, 422, "media_unreadable")
    assert words in error["message"]
    (line,) = [x.getMessage() for x in caplog.records if x.levelno == logging.WARNING]
    assert words in line
    assert "request_id=the-bad-one" in line
    silent = write_sound(tmp_path / "a.wav", tone(1.0)).read_bytes()
    answer = client.post("/v1/identify", data={"media": media(silent)})
    assert_error(answer, 422, "no_biometric")


def test_a_file_of_a_job_fails_alone(
    recognizer: Recognizer, settings: Settings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"segfault\n")
    write_sound(folder / "b.wav", tone(1.0))
    jobs = Jobs(recognizer.store.database)
    files = list_folder(folder, "identify", None)
    job = jobs.create(NewJob("identify", files, root=str(folder)))
    with caplog.at_level(logging.WARNING, logger="duet.jobs"):
        assert work(Workplace(recognizer, jobs, settings)) == 2
    codes = [item.error["code"] for item in jobs.items(job.job_id) if item.error]
    assert codes == ["media_unreadable", "no_biometric"]
    assert f"job {job.job_id}: " in caplog.text
    assert "SIGSEGV" in caplog.text
