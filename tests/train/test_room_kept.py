"""What a measure in one room keeps, so that it goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition.sides import Side
from tests.support.gallery_parts import CALIBRATION, direction
from train.calibration.galleries import Fold
from train.calibration.people import People
from train.data.conditions import NoiseBank
from train.data.tables import Table
from train.measure import clip_cache, room
from train.measure.clip_cache import ClipReader
from train.measure.room import Calibrator, RoomClip
from utils.modality import Modality
from utils.settings.capture import CaptureSettings


class Encoder:
    encoder_id = "one"


class Encoders:
    face = voice = fusion = Encoder()


def test_clips_are_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        RoomClip(
            person="ann",
            enrols=True,
            face={"clean": Side(direction("face", 1), quality=(0.5,))},
            voice={"clean": Side(direction("voice", 1), 3.5, (0.75,)), "1 s": None},
        )
    ]
    calls: list[Path] = []

    def embed(folder: Path, *_rest: Any) -> list[RoomClip]:
        calls.append(folder)
        return made

    monkeypatch.setattr(clip_cache, "embed_room", embed)
    media = tmp_path / "people"
    (media / "ann" / "enroll").mkdir(parents=True)
    (media / "ann" / "enroll" / "1.mp4").write_text("1")
    noises = NoiseBank([np.ones(100, np.float32)])

    def read() -> RoomClip:
        reader = ClipReader(Encoders(), CaptureSettings(), noises, tmp_path / "cache")  # type: ignore[arg-type]
        (clip,) = reader.read(media)
        return clip

    first = read()
    again = read()
    assert len(calls) == 1
    assert (again.person, again.enrols, again.voice["1 s"]) == ("ann", True, None)
    assert first.voice["clean"] is not None
    assert (first.voice["clean"].speech_s, first.voice["clean"].quality) == (3.5, (0.75,))
    np.testing.assert_array_equal(first.face["clean"].vector, made[0].face["clean"].vector)
    (media / "ann" / "enroll" / "1.mp4").write_text("another clip")
    read()
    assert len(calls) == 2


def test_a_calibration_is_fitted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[list[int]] = []

    def fit(people: People, *_rest: Any, **_more: Any) -> Any:
        fitted.append([len(fold.table) for fold in people.places])
        return CALIBRATION

    def fit_base(_people: People) -> tuple[None, None]:
        return None, None

    monkeypatch.setattr(room, "fit_ratio", fit)
    monkeypatch.setattr(room, "fit_elsewhere", fit_base)
    table = Table(
        vectors=np.eye(4, 512, dtype=np.float32),
        person=np.arange(4),
        file=np.arange(4),
        condition=np.zeros(4, np.int64),
        names=("ar01", "ar02", "spk02", "grid_1"),
        conditions=("clean",),
        seconds=np.ones(4, np.float32),
        quality=np.ones((4, 1), np.float32),
    )
    fold = Fold(table, np.zeros((0, 1), np.float32))
    people = dict.fromkeys(Modality, People(folds=(fold,), cohort=None, places=(fold,)))
    first = Calibrator(people, tmp_path).without(["ar02"])
    again = Calibrator(people, tmp_path).without(["ar02"])
    assert first == again
    # The single words of a presenter are left out as well. One fit serves all three.
    assert fitted == [[2]]
    Calibrator(people, tmp_path).without(["ar01"])
    assert fitted == [[2], [3]]
