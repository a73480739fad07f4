"""The training command: what its options change, and a user's folder from first training to fine-tuning."""

from __future__ import annotations

import json
import subprocess
import sys
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
    own = read_config(_parser().parse_args(["face", "--data", str(tmp_path), "--no-teacher"]))
    assert own["data"]["train"] == str(tmp_path)
    assert "dev_pairs" not in own["data"]
    assert "card" not in own
    assert "teacher" not in own


def test_every_task_has_a_configuration() -> None:
    assert {name for name in TASKS if (CONFIGS / f"{name}.toml").exists()} >= {"face", "voice"}


@pytest.mark.tf
def test_own_folder_from_scratch_and_fine_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from network.encoder import load_face_encoder
    from train.train_nets import main

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for person in range(8):
        base = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        for shot in range(3):
            noisy = np.clip(cv2.resize(base, (112, 112)) + rng.normal(0, 20, (112, 112, 3)), 0, 255)
            file = tmp_path / "own" / f"person{person}" / f"{shot}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), noisy.astype(np.uint8))
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
