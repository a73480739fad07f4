"""A backbone that is not shipped, by the commands of docs/training.md.

An ECAPA-TDNN of small widths is trained on list files, evaluated, published, exported,
calibrated and served.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import cli
from network.serving.card import read_card
from tests.support import media_sound
from tests.support.tiny import tiny_models
from train.known_keys import CONFIGS
from utils.arrays import RATE_HZ
from utils.media import Waveform

pytestmark = [pytest.mark.tf, pytest.mark.slow]
SPEAKERS = 8
FILES = 5
TAUGHT = 3
STEPS = 200
SMALL = {
    "channels = 512 ": "channels = 16\nscale = 4\nsqueezed = 8\njoined_channels = 32 ",
    "batch_size = 64": "batch_size = 8",
    "crop_frames = .*": "crop_frames = [40, 60]",
    "speeds = .*": "speeds = [1.0]",
    "voice_chances = .*": "voice_chances = [1.0]",
    "epochs = 60": "epochs = 0\ntotal_steps = 200",
    "validate_minutes = 0 ": "validate_minutes = 0.2 ",
    "keep_epochs = 10": "keep_epochs = 2",
    "# dev = .*": 'dev = "dataset/test_list.txt"',
    "# dev_trials = [^}]*}": 'dev_trials = { test = "dataset/trials.txt" }',
}


def write_corpus(folder: Path) -> None:
    """Speech of eight people with list files, and trials of what is not trained on."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for person, take in itertools.product(range(SPEAKERS), range(FILES)):
        path = f"speech/p{person}/{take}.wav"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        samples = media_sound.speech(person, 1.4, take=take, rate_hz=RATE_HZ)
        soundfile.write(folder / path, samples, RATE_HZ)
        lists["train" if take < TAUGHT else "test"].append(f"{path}\t{person}")
    for name, lines in lists.items():
        (folder / f"{name}_list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    trials = []
    for one, other in itertools.combinations(lists["test"], 2):
        left, who = one.split("\t")
        right, other_who = other.split("\t")
        trials.append(f"{int(who == other_who)} {left} {right}")
    (folder / "trials.txt").write_text("\n".join(trials) + "\n", encoding="utf-8")


def write_config(file: Path) -> None:
    """The shipped configuration of ECAPA-TDNN, small."""
    text = (CONFIGS / "ecapa_tdnn.toml").read_text(encoding="utf-8")
    for old, new in SMALL.items():
        text, changes = re.subn(old, new, text, count=1)
        assert changes, old
    file.write_text(text, encoding="utf-8")


def run(words: Sequence[object]) -> Result:
    result = CliRunner().invoke(cli.cli, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


def test_an_ecapa_tdnn_is_trained_evaluated_exported_and_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "dataset")
    write_config(tmp_path / "ecapa.toml")
    models = tiny_models(tmp_path / "models")
    for file in (models / "voice").iterdir():
        file.unlink()
    output = run(["train", "--config", "ecapa.toml", "--out", models / "voice"]).output
    check_log(output)
    check_run(tmp_path / "data" / "runs" / "ecapa")
    card = read_card(models / "voice")
    assert card.name == "ecapa-tdnn"
    assert card.training["steps"] == STEPS
    assert card.metrics["dev"]["test_eer"] < 0.35, "chance is 0.5"
    evaluate(models / "voice")
    check_exports(models / "voice")
    serve(models)


def check_log(output: str) -> None:
    """Lines as the users of voiceprint toolkits know them, from the first step on."""
    assert re.search(r"INFO Network ecapa_tdnn: [\d,]+ parameters, [\d,]+ multiply-adds", output)
    assert f"{SPEAKERS} classes" in output
    lines = [line for line in output.splitlines() if "Train epoch" in line]
    assert re.match(
        r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] INFO Train epoch: \[1/67\], batch: \[1/3\],"
        r" loss: \d+\.\d{5}, accuracy: \d\.\d{5}, lr: 0\.\d{8}, speed: \d+\.\d\d samples/s,"
        r" eta: \d+:\d\d:\d\d",
        lines[0],
    )
    assert "[67/67], batch: [2/3]" in lines[-1]
    assert re.search(r"Test epoch: .*test_eer: .*test_min_dcf: .*test_threshold: ", output)


def check_run(folder: Path) -> None:
    """Curves, logs, the configuration, and models of epochs that can be evaluated."""
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "total_steps = 200" in (folder / "config.toml").read_text(encoding="utf-8")
    header = (folder / "epochs.csv").read_text(encoding="utf-8").splitlines()[0]
    assert {"epoch", "loss", "accuracy", "test_eer", "test_min_dcf"} <= set(header.split(","))
    names = {model.name for model in (folder / "models").iterdir()}
    assert names == {"best", "epoch_0066", "epoch_0067"}
    assert read_card(folder / "models" / "best").runtime == "keras"


def evaluate(model: Path) -> None:
    words = ["--model", model, "--trials", "dataset/trials.txt", "--media", "dataset"]
    run(["evaluate", "trials", *words, "--replicates", 0, "--out", "measured"])
    measured = json.loads(Path("measured/report.json").read_text(encoding="utf-8"))
    assert "eer" in json.dumps(measured)


def check_exports(model: Path) -> None:
    for kind in ("tflite", "onnx"):
        output = run(["models", "export", model, "--format", kind, "--to", "app"]).output
        difference = float(re.search(r"largest difference ([\d.e-]+)", output)[1])
        assert difference < 1e-3
    card = json.loads(Path("app/ecapa-tdnn.onnx.json").read_text(encoding="utf-8"))
    assert any("mel filters" in step for step in card["preparation"])


def serve(models: Path) -> None:
    """Calibrate on the speech, and let the product embed and judge with the network."""
    from network.serving.encoder import load_encoders

    words = ["--model-dir", models, "--no-feedback", "--out", "plots"]
    run(["calibrate", "dataset/speech", *words])
    encoders = load_encoders(models)
    assert encoders.voice.encoder_id.startswith("ecapa-tdnn-")
    assert encoders.voice.calibration.slope > 0
    samples = media_sound.speech(7, 1.4, take=0, rate_hz=RATE_HZ).astype(np.float32)
    vector = encoders.voice.embed(Waveform(samples, RATE_HZ)).vector
    assert vector.shape == (512,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
