"""Jobs that write recordings down: progress, cancelling, going on where one stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from gallery.encryption.sealing import Sealer
from gallery.records.jobs import Jobs, NewItem
from gallery.tables import job_items
from jobs import transcribing
from jobs.uploads import keep_uploads
from jobs.worker import CLIP_ACTIONS, Workplace, work
from recognition.recognizer import Recognizer
from speech.ports import Passage
from speech.scribe import Scribe
from tests.support.gallery_parts import StubVoice, clip, direction
from tests.support.job_queue import new, states
from tests.support.recordings import WordyEngine, silence, syllables
from utils.arrays import RATE_HZ, Float32Array
from utils.config import Settings
from utils.errors import StoreUnavailableError
from utils.media import Waveform
from utils.modality import Embedding, Modality


@dataclass
class Engine(WordyEngine):
    """Calls `then` after each window."""

    then: Callable[[], object] = field(default=lambda: None)

    def transcribe(
        self,
        speech: Float32Array,
        *,
        language: str | None = None,
        prompt: str = "",
        is_live: bool = False,
    ) -> Passage:
        """Write words, then call."""
        passage = super().transcribe(speech, language=language, prompt=prompt)
        self.then()
        return passage


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that writes a word each half second. All progress is noted at once."""
    made = Engine()
    monkeypatch.setattr(Scribe, "_load", lambda _: made)
    monkeypatch.setattr(transcribing, "NOTE_S", 0.0)
    monkeypatch.setattr(transcribing, "KEEP_S", 0.0)
    return made


@pytest.fixture
def place(recognizer: Recognizer, jobs: Jobs, settings: Settings, engine: Engine) -> Workplace:
    """A place that works on recordings."""
    return Workplace(recognizer, jobs, settings, Scribe(settings))


@pytest.fixture
def talk(media: Path) -> NewItem:
    """A talk of three windows, with pauses between them."""
    part = np.concatenate([syllables(17), silence(1)])
    soundfile.write(media / "talk.wav", np.concatenate([part] * 3), RATE_HZ)
    return NewItem("talk.wav", "talk.wav")


def result_of(jobs: Jobs, job_id: str, position: int = 0) -> dict[str, Any]:
    result = jobs.items(job_id)[position].result
    assert result is not None
    return result


def test_a_recording_is_written_down_and_a_text_file_fails_alone(
    place: Workplace, talk: NewItem, media: Path
) -> None:
    (media / "notes.wav").write_text("no sound", encoding="utf-8")
    items = [NewItem("notes.wav", "notes.wav"), talk]
    job = place.jobs.create(new("transcribe", items, options={"language": "ko"}))
    assert work(place) == 2
    assert states(place.jobs, job.job_id) == ["failed", "done"]
    failed = place.jobs.items(job.job_id)[0]
    assert failed.error is not None
    assert failed.error["code"] == "media_type"
    result = result_of(place.jobs, job.job_id, 1)
    assert result["language"] == "ko"
    assert result["duration"] == pytest.approx(54.0)
    assert len(result["words"]) == len(result["text"].split()) > 90
    assert result["segments"][0]["start"] < 1.0
    assert place.jobs.items(job.job_id)[1].progress is None


def test_a_place_for_clips_leaves_recordings_alone(place: Workplace, talk: NewItem) -> None:
    place.jobs.create(new("transcribe", [talk]))
    assert work(Workplace(place.recognizer, place.jobs, place.settings)) == 0
    assert work(place, actions=CLIP_ACTIONS) == 0
    assert work(place) == 1


def test_progress_is_noted(place: Workplace, talk: NewItem, engine: Engine) -> None:
    job = place.jobs.create(new("transcribe", [talk]))
    noted = []
    engine.then = lambda: noted.append(place.jobs.items(job.job_id)[0].progress)
    work(place)
    last = noted[-1]
    assert last is not None
    assert set(last) == {"heard_s", "duration_s", "words", "real_time_factor", "left_s"}
    assert 17.0 < last["heard_s"] <= last["duration_s"] == pytest.approx(54.0)
    assert last["words"] > 30


def test_another_worker_goes_on_where_one_stopped(
    place: Workplace, talk: NewItem, engine: Engine
) -> None:
    whole = place.jobs.create(new("transcribe", [talk]))
    work(place)
    windows = len(engine.windows)
    assert windows > 1
    engine.windows.clear()
    job = place.jobs.create(new("transcribe", [talk]))
    assert work(place, stop=lambda: len(engine.windows) > 0) == 0
    assert states(place.jobs, job.job_id) == ["waiting"]
    assert len(engine.windows) == 1
    assert work(place) == 1
    assert len(engine.windows) in (windows, windows + 1)
    assert result_of(place.jobs, job.job_id) == result_of(place.jobs, whole.job_id)


def test_windows_that_are_noted_are_not_decoded_again(
    place: Workplace, talk: NewItem, engine: Engine
) -> None:
    job = place.jobs.create(new("transcribe", [talk]))
    begun = []

    def stop() -> bool:
        """Stop once a window is noted."""
        partial = place.jobs.items(job.job_id)[0].result
        begun.append(partial and partial["checkpoints"][0]["windows"])
        return bool(begun[-1])

    assert work(place, stop=stop) == 0
    windows = len(engine.windows)
    assert work(place) == 1
    again = engine.windows[windows:]
    assert all(not np.array_equal(window, engine.windows[0]) for window in again)
    assert engine.languages[windows:] == ["en"] * len(again)


def test_transcripts_are_kept_where_that_is_asked(place: Workplace, talk: NewItem) -> None:
    place.jobs.create(new("transcribe", [talk]))
    work(replace(place, settings=place.settings.replace(keep_transcripts=True)))
    page = place.recognizer.store.list_transcripts()
    assert [one.title for one in page.transcripts] == ["talk.wav"]


def test_a_recording_is_cancelled_in_the_middle(
    place: Workplace, talk: NewItem, engine: Engine, media: Path
) -> None:
    [upload] = keep_uploads(place.settings, "j", [media / "talk.wav"])
    item = NewItem("talk.wav", upload, uploaded=True)
    job = place.jobs.create(new("transcribe", [item]))
    engine.then = lambda: place.jobs.cancel(job.job_id)
    assert work(place) == 0
    assert len(engine.windows) == 1
    assert states(place.jobs, job.job_id) == ["cancelled"]
    assert not (media / upload).exists()


def test_a_result_that_names_a_person_is_forgotten_with_the_person(
    place: Workplace, talk: NewItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(_: StubVoice, __: Waveform) -> Embedding:
        return Embedding(direction("voice", 1), Modality.VOICE, "voice-1")

    monkeypatch.setattr(StubVoice, "embed", embed)
    enrol = place.jobs.create(new("enroll", [NewItem("ann.mp4", "ann.mp4", "ann")]))
    (place.settings.storage.media_folder / "ann.mp4").write_bytes(clip(voice="ann"))
    work(place)
    assert states(place.jobs, enrol.job_id) == ["done"]
    job = place.jobs.create(new("transcribe", [talk], options={"who": True}))
    work(place)
    speakers = {one["person_id"] for one in result_of(place.jobs, job.job_id)["segments"]}
    assert speakers == {"ann"}
    place.recognizer.store.delete_person("ann")
    assert states(place.jobs, job.job_id) == ["forgotten"]
    assert place.jobs.items(job.job_id)[0].result is None


def test_words_are_sealed_as_templates_are(place: Workplace, talk: NewItem, engine: Engine) -> None:
    sealed = Jobs(place.recognizer.store.database, Sealer(bytes(range(32))))
    job = sealed.create(new("transcribe", [talk]))
    there = replace(place, jobs=sealed)
    assert work(there, stop=lambda: len(engine.windows) > 0) == 0
    assert work(there) == 1
    assert "w0" in result_of(sealed, job.job_id)["text"]
    with place.recognizer.store.database.read() as connection:
        row = connection.execute(select(job_items)).one()
    assert row.result is None
    assert row.sealed_by is not None
    assert b'"text"' not in row.words  # long enough that no chance writes it
    with pytest.raises(StoreUnavailableError):
        place.jobs.items(job.job_id)
