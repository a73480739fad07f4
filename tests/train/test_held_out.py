"""Who is embedded for calibration: speakers of other data sets, for the cohort."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from PIL import Image

from network.frontends.log_mel import FrontendSpec
from tests.support import media_sound
from train.data.conditions import NoiseBank
from train.data.held_out import cohort_faces, cohort_voices
from train.data.renderings import VoiceOptions
from utils.arrays import EMBEDDING_SIZE, RATE_HZ, Float32Array, ImageArray
from utils.media import Waveform
from utils.settings.capture import CaptureSettings

FILES = (
    *[("talks", 0, "train")] * 3,
    ("talks", 1, "train"),
    ("words", 2, "train"),
    ("talks", 3, "dev"),
)


class Encoder:
    """Remembers how many samples it heard of each file."""

    encoder_id = "stub-000000"
    frontend = FrontendSpec()

    def __init__(self) -> None:
        self.heard: list[int] = []

    def embed(self, sound: Waveform) -> SimpleNamespace:
        self.heard.append(len(sound.samples))
        return SimpleNamespace(vector=np.eye(EMBEDDING_SIZE, dtype=np.float32)[len(self.heard)])


class Faces:
    """Gives every crop the same embedding."""

    encoder_id = "stub-faces"

    def embed_each(self, crops: ImageArray) -> Float32Array:
        return np.eye(1, EMBEDDING_SIZE, dtype=np.float32).repeat(len(crops), axis=0)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voices")
    lines = ["path,speaker,split"]
    with zipfile.ZipFile(root / "voices.zip", "w") as archive:
        for number, (group, person, split) in enumerate(FILES):
            file = root / f"{number}.wav"
            soundfile.write(
                file, media_sound.speech(person, 2.0, take=number, rate_hz=RATE_HZ), RATE_HZ
            )
            archive.write(file, file.name)
            lines.append(f"{file.name},{group}/{person},{split}")
    (root / "voices.csv").write_text("\n".join(lines), encoding="utf-8")
    return root / "voices.csv"


@pytest.mark.parametrize(
    ("groups", "files", "found"),
    [
        (("talks",), 2, 3),
        (("talks",), 1, 2),
        (("talks", "words"), 2, 4),
        (("words", "nobody"), 2, 1),
        (("nobody",), 2, 0),
    ],
)
def test_a_few_files_of_each_training_speaker_of_the_groups(
    voices: Path, groups: tuple[str, ...], files: int, found: int
) -> None:
    encoder = Encoder()
    options = VoiceOptions(NoiseBank([]), CaptureSettings().min_speech_s)
    rows = cohort_voices(
        encoder,  # type: ignore[arg-type]
        voices,
        options,
        groups=groups,
        files=files,
        cache=None,
    )
    assert rows.shape == (found, EMBEDDING_SIZE)
    assert len(encoder.heard) == found


@pytest.mark.parametrize("portraits", [0, 4])
def test_one_face_of_each_person_joins_the_cohort(tmp_path: Path, portraits: int) -> None:
    """Portraits have no names: each is somebody else."""
    faces = _pictures(tmp_path, "faces", ["a", "a", "b", "c"])
    unnamed = tmp_path / "portraits.csv"
    if portraits:
        unnamed = _pictures(tmp_path, "portraits", [""] * portraits)
    rows = cohort_faces(Faces(), faces, unnamed, cache=None)  # type: ignore[arg-type]
    assert rows.shape == (3 + portraits, EMBEDDING_SIZE)


def _pictures(root: Path, name: str, people: Sequence[str]) -> Path:
    lines = ["path,identity,split"]
    with zipfile.ZipFile(root / f"{name}.zip", "w") as archive:
        for number, person in enumerate(people):
            file = root / f"{name}-{number}.png"
            Image.new("RGB", (112, 112), (20 * number, 90, 60)).save(file)
            archive.write(file, file.name)
            lines.append(f"{file.name},{person},train")
    listing = root / f"{name}.csv"
    listing.write_text("\n".join(lines), encoding="utf-8")
    return listing
