"""Face backbones: limits, resolutions, saving, and the same output under ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.networks import make_uneven
from utils.errors import ModelError
from utils.modality import Modality

if TYPE_CHECKING:
    import keras

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """The shipped backbone with weights and statistics as uneven as after training."""
    import keras

    from network.backbones.face_patch import build_face_patch

    keras.utils.set_random_seed(0)
    model = build_face_patch()
    make_uneven(model)
    return model


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3)).astype(np.float32)


@pytest.mark.parametrize("backbone", ["patchface", "mobileface"])
def test_backbones_keep_within_the_limits(backbone: str) -> None:
    from network.backbones.registry import build_backbone
    from network.serving.export import count_multiply_adds, count_parameters

    model = build_backbone(backbone, Modality.FACE)
    assert model.output_shape == (None, 512)
    assert count_parameters(model) <= 1_500_000
    assert count_multiply_adds(model, (112, 112, 3)) <= 250_000_000


def test_multiply_adds_are_those_of_the_layers() -> None:
    import keras

    from network.serving.export import count_multiply_adds

    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    model = keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    assert count_multiply_adds(model, (8, 8, 3)) == 64 * 9 * 3 * 4 + 64 * 9 * 4 + 256 * 5


def test_embeddings_are_unit_vectors_at_every_training_resolution(
    network: keras.Model, faces: np.ndarray
) -> None:
    for size in (64, 80, 112):
        vectors = np.asarray(network(faces[:, :size, :size]))
        assert vectors.shape == (3, 512)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_alone_equals_in_a_batch(network: keras.Model, faces: np.ndarray) -> None:
    assert np.allclose(network(faces)[:1], network(faces[:1]), atol=1e-5)


def test_saved_and_loaded_again(network: keras.Model, faces: np.ndarray, tmp_path: Path) -> None:
    import keras

    network.save(tmp_path / "model.keras")
    assert np.array_equal(keras.saving.load_model(tmp_path / "model.keras")(faces), network(faces))


def test_onnx_gives_the_same_embeddings(
    network: keras.Model, faces: np.ndarray, tmp_path: Path
) -> None:
    from network.serving.export import export_onnx
    from tests.support.networks import largest_difference

    export_onnx(network, tmp_path / "model.onnx", (None, 112, 112, 3))
    assert largest_difference(network, tmp_path / "model.onnx", [faces]) < 1e-4
    assert largest_difference(network, tmp_path / "model.onnx", [faces[:1]]) < 1e-4


def test_an_embedding_of_nothing_is_refused() -> None:
    from network.backbones.face_patch import build_face_patch

    with pytest.raises(ValueError, match="positive"):
        build_face_patch(embedding_size=0)


def test_a_deeper_network_starts_as_the_shallower_one(
    faces: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    from network.backbones import face_patch
    from train.loop.initial import start_from

    deeper = face_patch.build_face_patch()
    monkeypatch.setattr(
        face_patch,
        "STAGES",
        tuple(replace(stage, repeats=min(stage.repeats, 2)) for stage in face_patch.STAGES),
    )
    keras.utils.set_random_seed(3)
    shallow = face_patch.build_face_patch()
    shallow.save(tmp_path / "model.keras")
    assert len(shallow.weights) < len(deeper.weights)
    assert not np.allclose(deeper(faces), shallow(faces), atol=1e-3)
    start_from(deeper, tmp_path / "model.keras")
    np.testing.assert_allclose(deeper(faces), shallow(faces), atol=1e-6)
    with pytest.raises(ModelError, match=r"fewer blocks.*stage"):
        deeper.save(tmp_path / "deeper.keras")
        start_from(shallow, tmp_path / "deeper.keras")


def test_only_a_network_of_the_same_kind_is_a_start(network: keras.Model, tmp_path: Path) -> None:
    from network.backbones.face_mobile import build_face_mobile
    from train.loop.initial import start_from

    build_face_mobile(128).save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="differs in"):
        start_from(network, tmp_path / "model.keras")
    with pytest.raises(ModelError, match="trained network"):
        start_from(network, tmp_path / "nothing" / "model.keras")


def small(blocks: int, strides: int = 1, width: int = 8) -> keras.Model:
    """Build a stem of `width`, `blocks` bottlenecks of 8 channels, a pooling, a layer."""
    import keras

    from network.backbones.blocks import bottleneck, conv_norm

    image = keras.Input((None, None, 3))
    x = conv_norm(image, width, 3, "stem")
    for block in range(blocks):
        x = bottleneck(x, 8, 16, f"stage0_block{block}", strides=strides if block == 0 else 1)
    return keras.Model(
        image, keras.layers.Dense(4, name="top")(keras.layers.GlobalAveragePooling2D()(x))
    )


def test_a_block_without_a_shortcut_is_no_extension(faces: np.ndarray, tmp_path: Path) -> None:
    """Its last scale of 0 would make every output the same."""
    from train.loop.initial import start_from

    small(0).save(tmp_path / "model.keras")
    extended = small(2)
    start_from(extended, tmp_path / "model.keras")
    outputs = np.asarray(extended(faces))
    assert not np.allclose(outputs[0], outputs[1], atol=1e-3)
    with pytest.raises(ModelError, match="differs in stage0_block0"):
        start_from(small(2, strides=2), tmp_path / "model.keras")


@pytest.mark.parametrize(
    "damage", ["unknown class", "missing", "cut", "no configuration", "other bytes"]
)
def test_a_file_that_is_no_network_is_refused_without_a_path(tmp_path: Path, damage: str) -> None:
    import zipfile

    import keras

    from network.backbones.blocks import FastBatchNorm
    from train.loop.initial import start_from

    class Other(FastBatchNorm):
        """A class of somebody else's program."""

    folder = tmp_path / "theirs"
    folder.mkdir()
    keras.Sequential([keras.Input((4,)), Other()]).save(folder / "model.keras")
    whole = (folder / "model.keras").read_bytes()
    if damage == "missing":
        (folder / "model.keras").unlink()
    elif damage == "cut":
        (folder / "model.keras").write_bytes(whole[: len(whole) // 2])
    elif damage == "no configuration":
        with zipfile.ZipFile(folder / "model.keras", "w") as archive:
            archive.writestr("metadata.json", "{}")
    elif damage == "other bytes":
        middle = whole.index(b"config.json") + 30
        (folder / "model.keras").write_bytes(whole[:middle] + b"XXXX" + whole[middle + 4 :])
    with pytest.raises(ModelError, match=r"Received: theirs \(\w+\)$") as caught:
        start_from(small(1), folder / "model.keras")
    assert str(tmp_path) not in caught.value.message
    if damage == "unknown class":
        assert "TypeError" in caught.value.message


def test_what_a_run_started_from_is_kept_without_a_path(tmp_path: Path) -> None:
    from train.loop.initial import begin, read_origin

    run = tmp_path / "run"
    model = tmp_path / "theirs"
    assert read_origin(run) == "not recorded"
    begin(small(1), None, run)
    assert read_origin(run) == "random weights"
    model.mkdir()
    small(1).save(model / "model.keras")
    begin(small(1), model, run)
    assert read_origin(run) == "theirs"
