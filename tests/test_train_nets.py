"""The training command: what its options change, and a user's folder from first training to fine-tuning."""

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

from train.train_nets import CONFIGS, TASKS, _parser, read_config


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
def test_own_folder_from_scratch_and_fine_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from network.encoder import load_face_encoder
    from train.train_nets import main

    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "own")
    small = (CONFIGS / "face.toml").read_text(encoding="utf-8").replace("batch_size = 128", "batch_size = 8")
    Path("small.toml").write_text(small, encoding="utf-8")
    own = ["face", "--config", "small.toml", "--data", "own", "--no-teacher", "--total-steps", "3"]

    assert main([*own, "--run-dir", "one", "--out", "model"]) == 0
    card = json.loads(Path("model/card.json").read_text(encoding="utf-8"))
    assert card["training"]["samples"] == 3 * 8
    assert 0 <= card["metrics"]["dev"]["held_out_accuracy"] <= 1
    assert card["terms"] == ""
    layers = keras.saving.load_model("model/model.keras").layers
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}, "mixed precision is for training only"
    vectors = load_face_encoder(Path("model")).embed_each(np.zeros((2, 112, 112, 3), np.uint8))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    assert main([*own, "--run-dir", "two", "--out", "tuned", "--init", "model"]) == 0
    tuned = json.loads(Path("tuned/card.json").read_text(encoding="utf-8"))
    assert tuned["training"]["started_from"] == "model"
    assert tuned["sha256"] != card["sha256"]


@pytest.mark.tf
def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_not(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Real processes: one trains to the end, one is killed without notice after its first checkpoint and started again."""
    write_people(tmp_path / "own")
    text = (CONFIGS / "face.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^batch_size = \d+", "batch_size = 8", text)
    text = re.sub(r"(?m)^resolutions = .*", "resolutions = [[0.0, 48]]", text)
    text = re.sub(r"(?m)^checkpoint_minutes = .*", "checkpoint_minutes = 0.0", text)
    (tmp_path / "small.toml").write_text(text, encoding="utf-8")

    running: list[subprocess.Popen[bytes]] = []

    def train(run: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "train.train_nets", "face", "--config", "small.toml", "--data", "own", "--no-teacher",
                   "--total-steps", "40", "--threads", "1", "--run-dir", run, "--out", f"{run}-model"]
        running.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=os.environ | {"PYTHONPATH": str(CONFIGS.parents[1])}))
        return running[-1]

    def stop() -> None:
        for process in running:
            process.kill()

    request.addfinalizer(stop)  # a failure must not leave one behind
    straight = train("straight")
    killed, checkpoint = train("killed"), tmp_path / "killed" / "checkpoint.npz"
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
    differing = [name for name in one.files if name != "counter/seconds" and not np.array_equal(one[name], other[name])]
    assert set(one.files) == set(other.files)
    assert not differing
