"""Files for apps: the same vectors as the service, in float32 and in 8 bits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import cli
from demo import faces as drawn_faces
from network.frontends.kaldi import KaldiSpec
from network.frontends.log_mel import FrontendSpec
from network.serving.inputs import FaceInput, VoiceInput
from network.serving.preparation import describe_preparation
from tests.support import media_sound
from utils.arrays import RATE_HZ
from utils.config import ROOT

SHIPPED = ROOT / "best_model"
NAMES = {"face": "face-patchface", "voice": "voice"}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of drawn faces, and made-up speech."""
    folder = tmp_path_factory.mktemp("media")
    for person in range(12):
        face = drawn_faces.face(person, 112)
        cv2.imwrite(str(folder / f"{person}.png"), face[..., ::-1])
        speech = media_sound.speech(person, 2.0 + person % 2, take=0, rate_hz=RATE_HZ)
        soundfile.write(folder / f"{person}.wav", speech, RATE_HZ)
    return folder


@pytest.mark.tf
@pytest.mark.parametrize(
    ("name", "kind", "least"),
    # The least cosine in 8 bits: the voice has no such TFLite file.
    [
        ("face", "tflite", 0.99),
        ("face", "onnx", 0.99),
        ("voice", "tflite", 0),
        ("voice", "onnx", 0.98),
    ],
)
def test_both_sizes_of_a_file_agree_with_the_float_network(
    name: str, kind: str, least: float, media: Path, tmp_path: Path
) -> None:
    sizes = []
    for words, lowest in (([], 0.99999), (["--int8"], least))[: 2 if least else 1]:
        options = ["--format", kind, "--data", media, "--to", tmp_path, *words]
        result = CliRunner().invoke(
            cli.cli, ["models", "export", *map(str, [SHIPPED / name, *options])]
        )
        assert result.exit_code == 0, result.output
        cosine = float(re.search(r"lowest cosine (\d\.\d+)", result.output)[1])
        assert cosine >= lowest
        if not words:
            assert float(re.search(r"largest difference ([\de.-]+)", result.output)[1]) < 1e-3
        sizes.append(next(tmp_path.glob(f"{NAMES[name]}{'-int8' if words else ''}.{kind}")))
    if name == "face":
        assert sizes[1].stat().st_size < 0.6 * sizes[0].stat().st_size
    card = json.loads((tmp_path / f"{NAMES[name]}.{kind}.json").read_text(encoding="utf-8"))
    assert card["input"] == json.loads((SHIPPED / name / "card.json").read_text())["input"]
    assert card["preparation"][-1].startswith("Bring the embedding to unit length")


def test_the_steps_hold_the_numbers_of_the_front_end() -> None:
    face = FaceInput(layout="nchw", scale=0.0078125, mean=(1, 1, 1), size_px=160, mirror=True)
    text = " ".join(describe_preparation(face))
    for part in ("160 x 160", "0.0078125", "(1, 3, 160, 160)", "mirror image"):
        assert part in text
    own = FrontendSpec(n_mels=40, fmax_hz=7000.0, floor_db=60.0)
    text = " ".join(describe_preparation(VoiceInput(frontend=own, time_reversal=True)))
    for part in ("40 triangular", "7000 Hz", "10^-6", "every 160", "reverse order"):
        assert part in text
    kaldi = KaldiSpec(window="hamming", preemphasis=0.9, mean_norm=False)
    text = " ".join(describe_preparation(VoiceInput(frontend=kaldi, layout="nct")))
    for part in ("hamming", "preemphasis 0.9", "(1, bands, frames)"):
        assert part in text
    assert "Subtract the mean" not in text


@pytest.mark.tf
def test_what_cannot_be_exported_is_refused(media: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    without = runner.invoke(cli.cli, ["models", "export", "face", "--int8"])
    assert without.exit_code == 2
    assert "--int8 needs --data" in without.output
    words = ["--int8", "--data", str(media), "--to", str(tmp_path / "out")]
    voice = runner.invoke(cli.cli, ["models", "export", str(SHIPPED / "voice"), *words])
    assert voice.exit_code == 1
    assert "too inexact in 8 bits" in voice.output
    fusion = runner.invoke(cli.cli, ["models", "export", str(SHIPPED / "fusion")])
    assert fusion.exit_code == 1
    assert "A face or voice model is exported" in fusion.output
    empty = ["models", "export", str(SHIPPED / "voice"), "--data", str(tmp_path)]
    assert "must hold audio files" in runner.invoke(cli.cli, empty).output


def test_a_made_up_input_has_the_shape_of_the_card() -> None:
    from network.serving.card import read_card
    from train.data.samples import made_up_inputs

    assert {x.shape for x in made_up_inputs(read_card(SHIPPED / "face"))} == {(1, 112, 112, 3)}
    voices = made_up_inputs(read_card(SHIPPED / "voice"))
    assert all(x.shape[0] == 1 and x.shape[2] == 80 for x in voices)
    assert all(x.dtype == np.float32 for x in voices)
