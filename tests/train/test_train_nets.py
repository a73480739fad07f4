"""The training command: what its options change, and a user's folder from first
training to fine-tuning.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from train.train_nets import CONFIGS, TASKS, _parser, read_config, told
from utils.errors import CheckpointError


def test_help_does_not_load_tensorflow() -> None:
    code = (
        "import sys, train.train_nets as t\n"
        "try: t.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--no-teacher" in done.stdout


def test_own_data_brings_its_own_validation_and_terms(tmp_path: Path) -> None:
    shipped = read_config(_parser().parse_args(["face"]))
    assert {"dev_pairs", "train"} <= set(shipped["data"])
    assert "research" in shipped["card"]["terms"]
    assert {"parameters", "multiply_adds"} == set(shipped["card"]["yardsticks"]["ResNet-18"])
    own = read_config(_parser().parse_args(["face", "--data", str(tmp_path), "--no-teacher"]))
    assert own["data"]["train"] == str(tmp_path)
    assert "dev_pairs" not in own["data"]
    assert "card" not in own
    assert "teacher" not in own


def test_every_task_has_a_configuration() -> None:
    assert {name for name in TASKS if (CONFIGS / f"{name}.toml").exists()} >= {"face", "voice"}


def write_people(folder: Path) -> None:
    """Eight people's pictures, three of each: a pattern of their own with noise."""
    rng = np.random.default_rng(0)
    for person in range(8):
        base = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        for shot in range(3):
            noisy = np.clip(cv2.resize(base, (112, 112)) + rng.normal(0, 20, (112, 112, 3)), 0, 255)
            file = folder / f"person{person}" / f"{shot}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), noisy.astype(np.uint8))


@pytest.mark.tf
def test_own_folder_from_scratch_and_fine_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    from network.serving.encoder import load_face_encoder
    from train.train_nets import main

    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "own")
    small = (
        (CONFIGS / "face.toml")
        .read_text(encoding="utf-8")
        .replace("batch_size = 128", "batch_size = 8")
    )
    small = re.sub(r"(?m)^resolutions = .*", "resolutions = [[0.0, 48]]", small)
    Path("small.toml").write_text(small, encoding="utf-8")
    own = ["face", "--config", "small.toml", "--data", "own", "--no-teacher", "--total-steps", "3"]

    assert main([*own, "--run-dir", "one", "--out", "model"]) == 0
    card = json.loads(Path("model/card.json").read_text(encoding="utf-8"))
    assert card["training"]["samples"] == 3 * 8
    assert 0 <= card["metrics"]["dev"]["held_out_accuracy"] <= 1
    assert card["terms"] == ""
    layers = keras.saving.load_model("model/model.keras").layers
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}, (
        "mixed precision is for training only"
    )
    vectors = load_face_encoder(Path("model")).embed_each(np.zeros((2, 112, 112, 3), np.uint8))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    begun = keras.saving.load_model("model/model.keras").get_weights()
    tune = [*own, "--run-dir", "two", "--out", "tuned"]
    assert main([*tune, "--seed", "2", "--init", str(tmp_path / "model")]) == 0
    tuned = json.loads(Path("tuned/card.json").read_text(encoding="utf-8"))
    first = f"face-patchface-{card['sha256'][:12]}-mirror"
    assert tuned["training"]["started_from"] == first
    assert tuned["sha256"] != card["sha256"]
    assert distance(begun, keras.saving.load_model("tuned/model.keras").get_weights()) < 0.1
    assert str(tmp_path) not in Path("tuned/card.json").read_text(encoding="utf-8")
    assert tuned["training"]["configuration"]["data"]["train"] == "own"

    assert main([*tune, "--seed", "2", "--publish", "--force"]) == 0, (
        "the run remembers what it started from"
    )
    assert (
        json.loads(Path("tuned/card.json").read_text(encoding="utf-8"))["training"]["started_from"]
        == first
    )
    capsys.readouterr()
    assert main([*own, "--run-dir", "one", "--out", "model", "--init", "tuned", "--force"]) == 0
    assert "one goes on from its checkpoint" in capsys.readouterr().out
    assert (
        json.loads(Path("model/card.json").read_text(encoding="utf-8"))["training"]["started_from"]
        == "random weights"
    )
    assert main([*tune, "--seed", "2", "--publish", "--out", "model"]) == 3, (
        "other people are held out"
    )
    assert "cannot be compared" in capsys.readouterr().out

    Path("own/person0/3.png").write_bytes(Path("own/person0/2.png").read_bytes())
    with pytest.raises(CheckpointError, match="begun with other files"):
        main([*tune, "--seed", "2", "--publish", "--force"])


def distance(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Length of the difference of two networks' kernels in units of the first's length:
    0 for the same, about 1.4 for strangers.
    """
    kernels = [(a, b) for a, b in zip(one, other, strict=True) if a.ndim > 1]
    length = sum(float(np.sum(np.square(a))) for a, _ in kernels)
    return float(np.sqrt(sum(float(np.sum(np.square(a - b))) for a, b in kernels) / length))


WRONG = {
    "no file": (None, "small.toml (No such file"),
    "broken": ("[data\n", "small.toml: Expected ']'"),
    "no data": ("[loop]\n", "needs a table [data]"),
    "bytes": (b"\xff", "must be TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_configuration_that_cannot_be_read_is_told_in_a_line(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = WRONG[case]
    if text is not None:
        (tmp_path / "small.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    options = _parser().parse_args(
        ["face", "--config", str(tmp_path / "small.toml"), "--data", str(tmp_path)]
    )
    assert told(lambda: len(read_config(options))) == 2
    line = capsys.readouterr().err
    assert expected in line
    assert line.count("\n") == 1
    assert str(tmp_path) not in line
    if case == "broken":
        assert "line 1" in line


CHANGES = {
    "[loop]\n": ("[loop]\nbudged = 3\n", "budged"),
    "[loss]\n": ("[loss]\nmargn = 3\n", "margn"),
    "[augment]": ("[augment]\nblurr = 1.0\n#", "blurr"),
    '"patchface"': ('"vgg"', "vgg"),
    "batch_size": ("bach_size", "batch_size"),
}


@pytest.mark.tf
@pytest.mark.parametrize("old", CHANGES)
def test_a_key_that_is_not_known_is_told_in_a_line(
    tmp_path: Path, old: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from train.train_nets import main

    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "own")
    new, name = CHANGES[old]
    text = (CONFIGS / "face.toml").read_text(encoding="utf-8")
    assert old in text
    Path("small.toml").write_text(text.replace(old, new), encoding="utf-8")
    command = [
        "face",
        "--config",
        "small.toml",
        "--data",
        "own",
        "--no-teacher",
        "--total-steps",
        "3",
        "--run-dir",
        "run",
    ]
    assert told(lambda: main(command)) == 2
    line = capsys.readouterr().err
    assert name in line
    assert line.count("\n") == 1
    assert not Path("run").exists()


@pytest.mark.tf
def test_only_a_run_with_a_checkpoint_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.train_nets import main

    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "own")
    with pytest.raises(CheckpointError, match="typo without one"):
        main(
            [
                "face",
                "--data",
                "own",
                "--no-teacher",
                "--publish",
                "--run-dir",
                str(tmp_path / "typo"),
                "--out",
                "new",
            ]
        )
    assert not Path("typo").exists()
    assert not Path("new").exists()


@pytest.mark.tf
def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_not(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Real processes: one trains to the end, one is killed without notice after its
    first checkpoint and started again.
    """
    write_people(tmp_path / "own")
    text = (CONFIGS / "face.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^batch_size = \d+", "batch_size = 8", text)
    text = re.sub(r"(?m)^resolutions = .*", "resolutions = [[0.0, 48]]", text)
    text = re.sub(r"(?m)^checkpoint_minutes = .*", "checkpoint_minutes = 0.0", text)
    (tmp_path / "small.toml").write_text(text, encoding="utf-8")

    running: list[subprocess.Popen[bytes]] = []

    def train(run: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "train.train_nets",
            "face",
            "--config",
            "small.toml",
            "--data",
            "own",
            "--no-teacher",
            "--total-steps",
            "40",
            "--threads",
            "1",
            "--run-dir",
            run,
            "--out",
            f"{run}-model",
        ]
        running.append(
            subprocess.Popen(
                command,
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(CONFIGS.parents[1])},
            )
        )
        return running[-1]

    def stop() -> None:
        for process in running:
            process.kill()
            process.wait(timeout=60)

    request.addfinalizer(stop)  # a failure must not leave one behind
    straight = train("straight")
    killed = train("killed")
    checkpoint = tmp_path / "killed" / "checkpoint.npz"
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.kill()
    assert killed.wait(timeout=60) == -signal.SIGKILL
    reached = int(np.load(checkpoint)["counter/step"])
    assert 0 < reached < 40
    assert train("killed").wait(timeout=300) == 0
    assert straight.wait(timeout=300) == 0
    one, other = (np.load(tmp_path / run / "checkpoint.npz") for run in ("straight", "killed"))
    assert one["counter/step"] == other["counter/step"] == 40
    differing = [
        name
        for name in one.files
        if name != "counter/seconds" and not np.array_equal(one[name], other[name])
    ]
    assert set(one.files) == set(other.files)
    assert not differing
