"""The training command.

What its options change, and a user's folder from first training to fine-tuning.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from tests.support.own_voices import train_with
from train.configuration import TASK_NAMES, read_config
from train.known_keys import CONFIGS
from train.train_nets import main
from utils.errors import CheckpointError, ConfigError


def test_help_does_not_load_tensorflow() -> None:
    code = (
        "import sys, train.train_nets as t\n"
        "try: t.main(['face', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--no-teacher" in done.stdout


def test_own_data_brings_its_own_validation_and_terms(tmp_path: Path) -> None:
    shipped = read_config("face")
    assert {"dev_pairs", "train"} <= set(shipped["data"])
    assert "research" in shipped["card"]["terms"]
    assert {"parameters", "multiply_adds"} == set(shipped["card"]["yardsticks"]["ResNet-18"])
    own = read_config("face", data=tmp_path, no_teacher=True)
    assert own["data"]["train"] == str(tmp_path)
    assert "dev_pairs" not in own["data"]
    assert "card" not in own
    assert "teacher" not in own


def test_every_task_has_a_configuration_and_a_command() -> None:
    assert set(main.commands) == set(TASK_NAMES)
    assert all((CONFIGS / f"{name}.toml").exists() for name in TASK_NAMES)


def test_every_seed_is_one_that_chance_can_take() -> None:
    from commands.train import train

    params = itertools.chain.from_iterable(command.params for command in train.commands.values())
    seeds = [param for param in params if param.name == "seed"]
    assert len(seeds) == len(TASK_NAMES) + 2
    for seed in seeds:
        with pytest.raises(click.BadParameter):
            seed.type.convert("-1", seed, None)


def write_people(folder: Path) -> None:
    """Write eight people's pictures, three of each: a pattern of their own with noise."""
    rng = np.random.default_rng(0)
    for person in range(8):
        base = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        for shot in range(3):
            noisy = np.clip(cv2.resize(base, (112, 112)) + rng.normal(0, 20, (112, 112, 3)), 0, 255)
            file = folder / f"person{person}" / f"{shot}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), noisy.astype(np.uint8))


def write_small_config(file: Path, **changes: str) -> None:
    """Write the configuration of the face for small batches of small pictures."""
    text = (CONFIGS / "face.toml").read_text(encoding="utf-8")
    for key, value in {"batch_size": "8", "resolutions": "[[0.0, 48]]", **changes}.items():
        text = re.sub(rf"(?m)^{key} = .*", f"{key} = {value}", text)
    file.write_text(text, encoding="utf-8")


def read_json(file: str) -> Any:
    return json.loads(Path(file).read_text(encoding="utf-8"))


OWN = ["--config", "small.toml", "--data", "own", "--no-teacher", "--total-steps", "3"]
FIRST = [*OWN, "--run-dir", "one", "--out", "model"]
TUNED = [*OWN, "--run-dir", "two", "--out", "tuned", "--seed", "2"]


@pytest.mark.tf
@pytest.mark.usefixtures("shallow_patchface")
def test_own_folder_from_scratch_and_fine_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "own")
    write_small_config(tmp_path / "small.toml")
    first_id = train_from_scratch()
    fine_tune(tmp_path, first_id)
    capsys.readouterr()
    assert train_with("face", [*FIRST, "--init", "tuned", "--force"]) == 0
    assert "one continues from its checkpoint" in capsys.readouterr().out
    assert read_json("model/card.json")["training"]["started_from"] == "random weights"
    assert train_with("face", [*TUNED, "--publish", "--out", "model"]) == 3, (
        "other people are held out"
    )
    assert "cannot be compared" in capsys.readouterr().out

    Path("own/person0/3.png").write_bytes(Path("own/person0/2.png").read_bytes())
    with pytest.raises(CheckpointError, match="begun with other files"):
        train_with("face", [*TUNED, "--publish", "--force"])


def train_from_scratch() -> str:
    """Train, check what was published, and return its encoder id."""
    import keras

    from network.serving.encoder import load_face_encoder

    assert train_with("face", FIRST) == 0
    card = read_json("model/card.json")
    assert card["training"]["samples"] == 3 * 8
    assert 0 <= card["metrics"]["dev"]["held_out_accuracy"] <= 1
    assert card["terms"] == ""
    layers = keras.saving.load_model("model/model.keras").layers
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}, (
        "mixed precision is for training only"
    )
    vectors = load_face_encoder(Path("model")).embed_each(np.zeros((2, 112, 112, 3), np.uint8))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    return f"face-patchface-{card['sha256'][:12]}-mirror"


def fine_tune(folder: Path, first_id: str) -> None:
    """Fine-tune the model that was trained first, and check what its card says."""
    import keras

    before = keras.saving.load_model("model/model.keras").get_weights()
    assert train_with("face", [*TUNED, "--init", str(folder / "model")]) == 0
    tuned = read_json("tuned/card.json")
    assert tuned["training"]["started_from"] == first_id
    assert tuned["sha256"] != read_json("model/card.json")["sha256"]
    after = keras.saving.load_model("tuned/model.keras").get_weights()
    assert distance(before, after) < 0.1
    assert str(folder) not in Path("tuned/card.json").read_text(encoding="utf-8")
    assert tuned["training"]["configuration"]["data"]["train"] == "own"
    assert train_with("face", [*TUNED, "--publish", "--force"]) == 0
    assert read_json("tuned/card.json")["training"]["started_from"] == first_id, (
        "the run remembers what it started from"
    )


def distance(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Distance of two networks' kernels, in units of the first's length.

    0 for the same, about 1.4 for strangers.
    """
    kernels = [(a, b) for a, b in zip(one, other, strict=True) if a.ndim > 1]
    length = sum(float(np.sum(np.square(a))) for a, _ in kernels)
    return float(np.sqrt(sum(float(np.sum(np.square(a - b))) for a, b in kernels) / length))


WRONG = {
    "no file": (None, "small.toml (No such file"),
    "broken": (b"[data\n", "small.toml: Expected ']'"),
    "no data": (b"[loop]\n", "needs a table [data]"),
    "bytes": (b"\xff", "must be TOML"),
    "deep": (b"a = " + b"[" * 5000, "must be TOML"),
    "long": (b"a = " + b"9" * 5000, "must be TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_configuration_that_cannot_be_read_is_reported_in_a_line(
    tmp_path: Path, case: str
) -> None:
    content, expected = WRONG[case]
    file = tmp_path / "small.toml"
    if content is not None:
        file.write_bytes(content)
    result = CliRunner().invoke(main, ["face", "--config", str(file), "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert str(tmp_path) not in result.stderr
    if case == "broken":
        assert "line 1" in result.stderr


CHANGES = {
    "[loop]\n": ("[loop]\nbudged = 3\n", "budged"),
    "[loss]\n": ("[loss]\nmargn = 3\n", "margn"),
    "[augment]": ("[augment]\nblurr = 1.0\n#", "blurr"),
    '"patchface"': ('"vgg"', "vgg"),
    "batch_size": ("bach_size", "bach_size"),
}


@pytest.mark.tf
@pytest.mark.parametrize("old", CHANGES)
def test_an_unknown_key_is_named(tmp_path: Path, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "own")
    new, name = CHANGES[old]
    text = (CONFIGS / "face.toml").read_text(encoding="utf-8")
    assert old in text
    Path("small.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=name) as caught:
        train_with("face", [*OWN, "--run-dir", "run"])
    assert "\n" not in f"{caught.value.message} {caught.value.hint}"
    assert not Path("run").exists()


@pytest.mark.tf
def test_only_a_run_with_a_checkpoint_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "own")
    words = ["--data", "own", "--no-teacher", "--publish", "--run-dir", str(tmp_path / "typo")]
    with pytest.raises(CheckpointError, match="typo without one"):
        train_with("face", [*words, "--out", "new"])
    assert not Path("typo").exists()
    assert not Path("new").exists()


SHALLOW = """
from dataclasses import replace
from network.backbones import face_patch
face_patch.STAGES = tuple(replace(stage, repeats=1) for stage in face_patch.STAGES)
from train.train_nets import main
main()
"""


class Trainings:
    """Trainings in processes of their own, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, run: str) -> subprocess.Popen[bytes]:
        words = [*OWN[:-1], "40", "--threads", "1", "--run-dir", run, "--out", f"{run}-model"]
        process = subprocess.Popen(
            [sys.executable, "-c", SHALLOW, "face", *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(CONFIGS.parents[1])},
        )
        self.processes.append(process)
        return process

    def kill_all(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(timeout=60)


@pytest.mark.tf
def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_not(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """One process trains to the end.

    Another is killed without notice after its first checkpoint and started again.
    """
    write_people(tmp_path / "own")
    write_small_config(tmp_path / "small.toml", checkpoint_minutes="0.0")
    trainings = Trainings(tmp_path)
    request.addfinalizer(trainings.kill_all)  # a failure must not leave one behind
    straight = trainings.start("straight")
    killed = trainings.start("killed")
    checkpoint = tmp_path / "killed" / "checkpoint.npz"
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.kill()
    assert killed.wait(timeout=60) == -signal.SIGKILL
    assert 0 < int(np.load(checkpoint)["counter/step"]) < 40
    assert trainings.start("killed").wait(timeout=300) == 0
    assert straight.wait(timeout=300) == 0
    one, other = (np.load(tmp_path / run / "checkpoint.npz") for run in ("straight", "killed"))
    assert one["counter/step"] == other["counter/step"] == 40
    assert set(one.files) == set(other.files)
    names = [name for name in one.files if name != "counter/seconds"]
    assert not [name for name in names if not np.array_equal(one[name], other[name])]


@pytest.mark.tf
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_run_that_is_stopped_says_so_by_its_status(
    number: signal.Signals, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What follows it with `&&` does not begin."""
    write_people(tmp_path / "own")
    write_small_config(tmp_path / "small.toml", checkpoint_minutes="0.0")
    trainings = Trainings(tmp_path)
    request.addfinalizer(trainings.kill_all)
    stopped = trainings.start("stopped")
    checkpoint = tmp_path / "stopped" / "checkpoint.npz"
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and stopped.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    stopped.send_signal(number)
    assert stopped.wait(timeout=120) == 128 + number
    assert 0 < int(np.load(checkpoint)["counter/step"]) < 40
    assert not (tmp_path / "stopped-model").exists()


def test_output_that_cannot_be_written_is_refused_before_the_training(tmp_path: Path) -> None:
    """TensorFlow is not even imported."""
    (tmp_path / "file").touch()
    write_small_config(tmp_path / "small.toml")
    for option in ("--out", "--run-dir"):
        words = ["face", "--config", str(tmp_path / "small.toml"), option, str(tmp_path / "file")]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 1
        assert done.stderr.startswith("Error: output_refused: The output needs a folder.")


@pytest.mark.tf
def test_the_shipped_backbone_is_trained_by_the_module(tmp_path: Path) -> None:
    """One step of the whole network, as `python -m train.train_nets` runs it."""
    write_people(tmp_path / "own")
    write_small_config(tmp_path / "small.toml")
    words = [*OWN[:-1], "1", "--threads", "1", "--run-dir", "run", "--out", "model"]
    done = subprocess.run(
        [sys.executable, "-m", "train.train_nets", "face", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        env=os.environ | {"PYTHONPATH": str(CONFIGS.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert int(np.load(tmp_path / "run" / "checkpoint.npz")["counter/step"]) == 1
    trained, shipped = (
        read_json(str(folder / "card.json"))["parameters"]
        for folder in (tmp_path / "model", CONFIGS.parents[1] / "best_model" / "face")
    )
    assert trained == shipped
