"""Whether a picture is shown to the camera: any ONNX network that says so, made here."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from onnx import helper

from align.surroundings import SIZE_PX, cut, cut_surroundings
from cli import cli
from liveness.cards import CARD_FILE
from liveness.folders import find_folder
from liveness.judgement import LivenessOutcome
from liveness.picture_model import WEIGHTS_FILE, load_picture_model, to_probabilities
from liveness.screen_or_print import judge
from tests.support.gallery_parts import ClipAligner, write_clip
from tests.support.tiny import save_onnx
from utils.arrays import ImageArray
from utils.errors import ModelError
from utils.media import Capture, Frame

LIGHT = np.full((SIZE_PX, SIZE_PX, 3), 240, np.uint8)
DARK = np.full((SIZE_PX, SIZE_PX, 3), 10, np.uint8)


def write_network(path: Path, batch: int | str = "n", size_px: int = SIZE_PX) -> Path:
    """A network of three outputs, of which the middle one is large for what is light."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["out"]),
    ]
    weights = np.array([[0, 0.02, 0], [0, 0.02, 0], [0.0, -0.01, 0]], np.float32)
    save_onnx(path, {"x": [batch, 3, size_px, size_px]}, nodes, {"w": weights})
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "light.onnx")


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as `models add` makes it a model."""
    made = tmp_path_factory.mktemp("models") / "liveness" / "screen_or_print"
    result = add(file, made, "--threshold", "0.7")
    assert result.exit_code == 0, result.output
    return made


def add(file: Path, folder: Path, *options: str) -> Result:
    command = ["models", "add", "screen-or-print", str(file), "--to", str(folder), *options]
    return CliRunner().invoke(cli, command)


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return ClipAligner().analyse(write_clip(tmp_path / "clip", face=1, voice=1))


@pytest.mark.parametrize(
    ("images", "outcome", "code"),
    [
        ((LIGHT, LIGHT), LivenessOutcome.PASSED, ""),
        ((DARK, DARK), LivenessOutcome.FAILED, "picture_shown"),
        ((), LivenessOutcome.NOT_CHECKED, "too_few_faces"),
    ],
)
def test_the_network_of_the_folder_judges(
    folder: Path,
    capture: Capture,
    images: tuple[ImageArray, ...],
    outcome: LivenessOutcome,
    code: str,
) -> None:
    model = load_picture_model(find_folder(folder.parents[1], "screen_or_print"))
    judgement = judge(replace(capture, surroundings=images), model)
    assert (judgement.outcome, judgement.code) == (outcome, code)
    assert (judgement.model_id, judgement.threshold) == ("light", 0.7)


def test_a_network_that_is_none_is_refused(file: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    refused = add(file, other, "--genuine", "3")
    assert "must be one of 0 to 2. Received: genuine=3" in refused.output
    assert "That is the layout nchw" in add(file, other, "--layout", "nhwc").output
    threes = write_network(tmp_path / "threes.onnx", batch=3)  # a photograph is one picture
    assert "it takes (3, 3, 80, 80)" in add(threes, other).output
    assert not other.exists()
    (folder / WEIGHTS_FILE).replace(tmp_path / "kept.onnx")
    (folder / WEIGHTS_FILE).write_bytes(b"other")
    with pytest.raises(ModelError, match="its hash is not that of its card"):
        load_picture_model(folder)
    (tmp_path / "kept.onnx").replace(folder / WEIGHTS_FILE)


@pytest.mark.parametrize(
    ("field", "value", "refusal"),
    [
        ("genuine", 3, "one of 0 to 2. Received: genuine=3"),
        ("genuine", -1, "one of 0 to 2. Received: genuine=-1"),
        ("genuine", 1.5, "one of 0 to 2. Received: genuine=1.5"),
        ("genuine", True, "one of 0 to 2. Received: genuine=True"),
        ("threshold", 70, "from 0 to 1. Received: threshold=70"),
        ("threshold", float("nan"), "from 0 to 1. Received: threshold=nan"),
        ("threshold", "0.5", "from 0 to 1. Received: threshold=0.5"),
        ("name", "", "must have a name"),
        ("input", {"layout": "nchw", "size_px": "80"}, "cannot be used"),
    ],
)
def test_a_card_that_was_edited_is_refused_at_load(
    folder: Path, tmp_path: Path, field: str, value: object, refusal: str
) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(folder, edited)
    card = json.loads((edited / CARD_FILE).read_text())
    (edited / CARD_FILE).write_text(json.dumps(card | {field: value}))
    with pytest.raises(ModelError, match=re.escape(refusal)):
        load_picture_model(edited)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{", '{"name": "x"}', "\xff"])
def test_a_card_that_is_none_is_refused_at_load(folder: Path, tmp_path: Path, text: str) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(folder, edited)
    (edited / CARD_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match="cannot be used"):
        load_picture_model(edited)


@pytest.mark.parametrize("size_px", [64, 112])
def test_a_network_may_take_pictures_of_another_size(tmp_path: Path, size_px: int) -> None:
    file = write_network(tmp_path / "other.onnx", 1, size_px)
    result = add(file, tmp_path / "made", "--size", str(size_px))
    assert result.exit_code == 0, result.output
    assert load_picture_model(tmp_path / "made").rate([LIGHT, DARK]) > 0.5


def test_outputs_become_probabilities() -> None:
    logits = np.array([[0.0, 2.0, -1.0]], np.float32)
    shares = to_probabilities(logits)
    assert shares.sum() == pytest.approx(1)
    assert np.array_equal(to_probabilities(shares), shares)
    assert to_probabilities(np.array([[3.0]], np.float32))[0, 0] == pytest.approx(0.953, abs=1e-3)
    assert to_probabilities(np.array([[0.3]], np.float32))[0, 0] == pytest.approx(0.3)
    with pytest.raises(ModelError, match="not finite"):
        to_probabilities(np.array([[np.nan, 1]], np.float32))


def test_the_face_is_cut_with_what_is_around_it() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:120, 130:170] = 255
    middle = cut(image, np.array([130, 80, 170, 120], np.float32))
    assert middle.shape == (SIZE_PX, SIZE_PX, 3)
    assert (middle > 127).mean() == pytest.approx(1 / 2.7**2, abs=0.03)
    corner = cut(image, np.array([-10, -10, 30, 30], np.float32))
    whole = cut(image, np.array([0, 0, 300, 300], np.float32))
    assert corner.shape == whole.shape == middle.shape


def test_three_frames_are_cut(capture: Capture) -> None:
    face = capture.face_analysis.faces[0]
    times_s = [0.0, 0.5, 1.0, 1.5, 2.0]
    frames = [Frame(np.full((90, 120, 3), 40 * i, np.uint8), t) for i, t in enumerate(times_s)]
    faces = [replace(face, time_s=t) for t in reversed(times_s)]
    shown = cut_surroundings(frames, faces)
    assert [int(image.mean()) for image in shown] == [0, 80, 160]
    assert cut_surroundings(frames, []) == ()


def test_the_shipped_network_is_the_one_of_its_card(tmp_path: Path) -> None:
    model = load_picture_model(find_folder(tmp_path, "screen_or_print"))
    assert 0 <= model.rate([DARK, LIGHT]) <= 1
