"""Videos written down with the names of those whose faces talk in them.

People are drawn, and enrolled by the face alone. All networks but that for the words are the
real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assembly import build_recognizer
from demo.clips import PEOPLE
from demo.scenes import scene
from gallery.store import NewPerson
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, EnrolmentRequest
from speech.diarise import Naming
from speech.scribe import Recording, Scribe
from speech.transcripts import to_diarized_json
from tests.support.media import silence, speech, write_photo, write_sound, write_video
from tests.support.processes import note_processes
from tests.support.recordings import WordyEngine
from utils.arrays import ImageArray
from utils.config import Settings

ADA, BEN = PEOPLE[:2]
FPS = 10
HOSTILE = "tests.support.hostile_pictures"
# One after the other for two frames each
MOUTHS = (0.0, 1.0, 0.1, 0.9)
STILL = None


def draw(talker: Any, seconds: float) -> list[ImageArray]:
    """Draw Ada and Ben side by side. The mouth of one of them moves, or none."""
    frames = []
    for number in range(round(seconds * FPS)):
        mouth = MOUTHS[number // 2 % len(MOUTHS)]
        tiles = [
            scene(one.face, (320, 320), 260, mouth=mouth if one is talker else 0.0)
            for one in (ADA, BEN)
        ]
        frames.append(np.concatenate(tiles, axis=1))
    return frames


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recognizer]:
    """Ada and Ben are enrolled by the face, with the shipped networks."""
    folder = tmp_path_factory.mktemp("people")
    opened = build_recognizer(Settings.of(data_dir=folder / "data"))
    for one in (ADA, BEN):
        photo = write_photo(folder / f"{one.name}.png", scene(one.face, (480, 480), 400))
        person = NewPerson(one.name, one.name)
        opened.enroll(EnrolmentRequest(person, (ClipFile(photo, photo.name),), force=True))
    yield opened
    opened.close()


def write_talk(path: Path, talkers: list[Any], *, shown: int | None = None) -> Path:
    """Write a video of turns of 4 s, with pauses. `shown`: frames after which it ends."""
    frames: list[ImageArray] = []
    sound = []
    for take, talker in enumerate(talkers):
        frames += draw(talker, 4.5)
        sound += [speech((talker or ADA).voice, 4.0, take=take), silence(0.5)]
    return write_video(path, frames[:shown], np.concatenate(sound), FPS)


def write_down(
    path: Path,
    recognizer: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    by_face: bool = True,
    count: int | None = None,
) -> list[tuple[float, str, str, str | None]]:
    """Start, speaker, outcome and reason of each line."""
    monkeypatch.setattr(Scribe, "_load", lambda _: WordyEngine())
    naming = Naming(recognizer.voices, by_face=by_face, count=count)
    with Scribe(Settings.of()).open(Recording(path, naming=naming)) as writing:
        for _ in writing.lines():
            pass
        segments = to_diarized_json(writing.transcript)["segments"]
    return [(s["start"], s["speaker"], s["outcome"], s["decided_by"]) for s in segments]


def test_each_turn_is_of_whoever_talks_in_it(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_talk(tmp_path / "talk.mp4", [ADA, BEN])
    lines = write_down(path, recognizer, monkeypatch, count=2)
    assert [line[1:] for line in lines[:1]] == [(ADA.name, "named", "face")]
    assert [line[1:] for line in lines[-1:]] == [(BEN.name, "named", "face")]
    without = write_down(path, recognizer, monkeypatch, by_face=False)
    assert {line[1:] for line in without} <= {
        ("unknown 1", "unknown", None),
        ("unknown 2", "unknown", None),
    }


def test_who_listens_is_not_who_talks(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_talk(tmp_path / "talk.mp4", [STILL])
    assert {line[1:] for line in write_down(path, recognizer, monkeypatch)} == {
        ("unknown 1", "unknown", None)
    }


def test_the_picture_may_end_before_the_sound(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_talk(tmp_path / "talk.mp4", [ADA, STILL], shown=45)
    lines = write_down(path, recognizer, monkeypatch)
    assert lines[0][1:] == (ADA.name, "named", "face")
    assert lines[-1][0] > 4.0


def test_sound_alone_has_no_faces(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sound(tmp_path / "talk.wav", speech(ADA.voice, 4.0))
    assert {line[3] for line in write_down(path, recognizer, monkeypatch)} == {None}


def test_a_decoder_that_dies_costs_the_turns_after_it(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = note_processes(monkeypatch, "align.picture_decoder", HOSTILE)
    path = write_talk(tmp_path / "talk.mp4", [ADA, BEN])
    lines = write_down(path, recognizer, monkeypatch, count=2)
    assert lines[0][1:] == (ADA.name, "named", "face")
    assert lines[-1][1:] == ("unknown 1", "unknown", None)
    assert [process.is_alive for process in started] == [False]
