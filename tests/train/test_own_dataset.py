"""Training from `dataset/<person>/<video or frames>`: what is cut, and what is said without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import soundfile

from align.aligner import Aligner
from tests.support.media import scene, write_clip
from train import own_dataset
from train.configuration import RunOptions
from train.data.own_clips import list_clips, prepare
from train.own_dataset import OwnData, find_dataset, run_options, train_on
from utils.arrays import RATE_HZ
from utils.config import ROOT
from utils.errors import DatasetError, MediaError
from utils.media import Capture
from utils.settings.capture import CaptureSettings


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 홍길동, and a folder of two frames and a text of ben."""
    folder = tmp_path_factory.mktemp("own") / "dataset"
    (folder / "홍길동").mkdir(parents=True)
    (folder / "ben/frames").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    write_clip(folder / "홍길동/1.mp4", person=1, seconds=6.0)
    for number in range(2):
        image = scene(0, mouth=0.4 * number)[..., ::-1]
        cv2.imwrite(str(folder / f"ben/frames/{number}.png"), image)
    (folder / "ben/notes.txt").write_text("no clip", encoding="utf-8")
    (folder / ".hidden/1.mp4").touch()
    (folder / "beside.mp4").touch()
    (folder / "everybody").symlink_to(folder)
    return folder


def test_faces_and_speech_are_cut_once(dataset: Path, tmp_path: Path) -> None:
    aligner = Aligner(CaptureSettings())
    analysed = []

    def analyse(path: Path) -> Capture:
        analysed.append(path.name)
        return aligner.analyse(path)

    clips = list_clips(dataset)
    assert [str(clip) for clip in clips] == [
        "ben/frames/0.png",
        "ben/frames/1.png",
        "ben/notes.txt",
        "홍길동/1.mp4",
    ]
    assert prepare(dataset, clips[0], tmp_path, analyse) == (1, 0)
    with pytest.raises(MediaError):
        prepare(dataset, clips[2], tmp_path, analyse)
    faces, voices = prepare(dataset, clips[3], tmp_path, analyse)
    assert faces > 2
    assert voices == 2
    assert prepare(dataset, clips[3], tmp_path, analyse) == (faces, voices)
    assert analysed == ["0.png", "notes.txt", "1.mp4"]
    assert cv2.imread(str(tmp_path / "faces/ben/frames-0.png-0.webp")).shape == (112, 112, 3)
    samples, rate_hz = soundfile.read(tmp_path / "voices/홍길동/1.mp4-0.wav")
    assert (rate_hz, len(samples), samples.ndim) == (RATE_HZ, 4 * RATE_HZ, 1)


def test_too_few_people_are_told_to_enrol(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="needs 7 people") as caught:
        own_dataset.prepare_all(dataset, CaptureSettings(), tmp_path)
    assert "cli.py enroll" in caught.value.hint


def test_each_network_that_has_enough_people_is_fine_tuned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs: list[RunOptions] = []

    def train(options: RunOptions) -> int:
        runs.append(options)
        return 3

    assert train_on(OwnData(Path("cut"), 9, 2), {"total_steps": 5}, train) == 3
    (run,) = runs
    assert (run.name, run.data, run.init) == ("face", Path("cut/faces"), Path("best_model/face"))
    assert (run.out, run.no_teacher, run.total_steps) == (Path("my_models/face"), True, 5)
    assert run_options("voice", Path("cut"), {}).data == Path("cut/voices")
    assert "The voice network is left as it is: 2 people are too few." in capsys.readouterr().out


def test_a_folder_beside_the_program_or_the_named_one_is_taken(
    dataset: Path, tmp_path: Path
) -> None:
    assert find_dataset(None, dataset.parent) == dataset
    assert find_dataset(dataset, tmp_path) == dataset
    with pytest.raises(DatasetError, match="no training data"):
        find_dataset(tmp_path / "empty", tmp_path)


def test_without_data_the_program_says_what_to_put_where() -> None:
    """As the file, from its own folder."""
    words = [sys.executable, "train_nets.py", "--dataset", "nowhere"]
    done = subprocess.run(
        words, cwd=ROOT / "train", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "nowhere/anna/anna-1.mp4" in done.stderr
    assert "nowhere/ben/frames/0001.jpg" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_training_that_is_stopped_is_not_followed_by_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs: list[str] = []

    def train(options: RunOptions) -> int:
        runs.append(options.name)
        return 130

    assert train_on(OwnData(Path("cut"), 9, 9), {}, train) == 130
    assert runs == ["face"]
    assert "The models are in" not in capsys.readouterr().out
