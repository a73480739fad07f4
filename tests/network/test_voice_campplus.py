"""The backbone `voice_campplus`: any length, any batch, ONNX, and CAM++ itself in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    import keras

pytestmark = pytest.mark.tf
SMALL: dict[str, Any] = {"n_mels": 16, "bottlenecks": ((12, 8), (8, 4), (8,)), "context": 6}


@pytest.fixture(scope="module")
def network() -> keras.Model:
    import keras

    from network.backbones.voice_campplus import build_voice_campplus

    keras.utils.set_random_seed(3)
    return build_voice_campplus(**SMALL)


def features(n: int, frames: int, bands: int = 16) -> np.ndarray:
    return np.random.default_rng(frames).normal(0, 2, (n, frames, bands)).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 2, 3, 199, 200, 201, 603])
def test_any_length_gives_a_unit_embedding(network: keras.Model, frames: int) -> None:
    embedding = np.asarray(network(features(1, frames), training=False))
    assert embedding.shape == (1, 512)
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)


def test_alone_equals_batched(network: keras.Model) -> None:
    batch = features(4, 230)
    together = np.asarray(network(batch, training=False))
    alone = [np.asarray(network(batch[i : i + 1], training=False)) for i in range(4)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


def test_save_and_load_keep_every_number(network: keras.Model, tmp_path: Path) -> None:
    from network.backbones.registry import load_network

    network.save(tmp_path / "model.keras")
    inputs = features(2, 77)
    np.testing.assert_array_equal(
        np.asarray(load_network(tmp_path / "model.keras")(inputs)), np.asarray(network(inputs))
    )


def test_onnx_agrees_in_float32_and_nearly_in_int8(network: keras.Model, tmp_path: Path) -> None:
    from network.serving.export import export_onnx
    from network.serving.onnx_int8 import quantise_onnx
    from network.serving.runtime import OnnxRuntime
    from tests.support.networks import largest_difference

    file = tmp_path / "model.onnx"
    export_onnx(network, file, (None, None, 16))
    for n, frames in ((1, 48), (3, 131), (2, 1), (1, 501)):
        assert largest_difference(network, file, [features(n, frames)]) < 1e-4
    before = OnnxRuntime(file).run(features(3, 131))
    inputs = [one[None] for one in features(8, 131)]
    quantise_onnx(file, file, inputs, operations=("Conv",))
    after = OnnxRuntime(file).run(features(3, 131))
    assert (before * after).sum(axis=1).min() > 0.99
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("values", [{"n_mels": 20}, {"context": 0}, {"bottlenecks": ((8,), (8,))}])
def test_impossible_sizes_are_refused(values: dict[str, Any]) -> None:
    from network.backbones.voice_campplus import build_voice_campplus

    with pytest.raises(ValueError, match="Received"):
        build_voice_campplus(**SMALL | values)


def test_campplus_is_imported_as_it_is() -> None:
    """Its own shape computes what its definition says, with the same angles."""
    from tests.support import campplus
    from train.voice.campplus import import_campplus

    tensors = campplus.random_tensors()
    inputs = features(3, 231, 80)
    expected = np.stack([campplus.embed(tensors, one) for one in inputs])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    network = import_campplus(tensors)
    made = np.asarray(network(inputs, training=False))
    lift = network.get_layer("lift").kernel.numpy()
    np.testing.assert_allclose(lift @ lift.T, np.eye(192), atol=1e-5)
    np.testing.assert_allclose(made, expected @ lift, atol=2e-5)
