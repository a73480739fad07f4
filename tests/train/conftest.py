"""Small data sets, and networks that were trained on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.people_tables import Fitted
    from train.data.datasets import Listing
    from train.face.teacher import TeacherNetwork


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own speech to train on: see tests/support/own_voices.py."""
    from tests.support.own_voices import write_voices

    return write_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def trained_voice(voices: Path) -> Path:
    """A published network that was trained on `voices`."""
    from tests.support.own_voices import train

    assert train(voices, "first") == 0
    return voices / "first_model"


@pytest.fixture(scope="session")
def face_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face encoder that tells coloured squares apart."""
    from tests.support.tiny import make_grid_face

    return make_grid_face(tmp_path_factory.mktemp("model") / "face")


@pytest.fixture
def shallow_patchface(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped face backbone with one block a stage: TensorFlow traces it in a third."""
    from network.backbones import face_patch

    stages = tuple(replace(stage, repeats=1) for stage in face_patch.STAGES)
    monkeypatch.setattr(face_patch, "STAGES", stages)


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    """Face crops of eight people, three of each."""
    from tests.support.face_crops import write_crops

    return write_crops(tmp_path / "faces")


@pytest.fixture
def teacher(tmp_path: Path) -> TeacherNetwork:
    """A small teacher of faces."""
    from tests.support.face_crops import write_teacher

    return write_teacher(tmp_path / "teacher")


@pytest.fixture(scope="session")
def fitted() -> Fitted:
    """Two folds of made-up people, and the calibration of the first."""
    from tests.support.people_tables import two_folds
    from train.calibration.fit import fit_people
    from train.calibration.people import People

    both = two_folds()
    return both, fit_people(People((both[0],), both[0].cohort))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Listing:
    """Speech of three people, two files of each."""
    from tests.support.voice_batches import write_speech

    return write_speech(tmp_path_factory.mktemp("speech"))


@pytest.fixture(scope="module")
def speech_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for banks of `speech`."""
    return tmp_path_factory.mktemp("cache")
