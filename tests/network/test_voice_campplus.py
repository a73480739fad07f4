"""The backbone `voice_campplus`: CAM++ itself in it, and its convolutions in 8 bits.

tests/network/test_backbones.py tests what it shares with the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tf


def features(n: int, frames: int, bands: int) -> np.ndarray:
    return np.random.default_rng(frames).normal(0, 2, (n, frames, bands)).astype(np.float32)


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


def test_convolutions_may_compute_in_8_bits(tmp_path: Path) -> None:
    import keras

    from network.backbones.voice_campplus import build_voice_campplus
    from network.serving.export import export_onnx
    from network.serving.onnx_int8 import quantise_onnx
    from network.serving.runtime import OnnxRuntime

    keras.utils.set_random_seed(3)
    network = build_voice_campplus(n_mels=16, bottlenecks=((12, 8), (8, 4), (8,)), context=6)
    file = tmp_path / "model.onnx"
    export_onnx(network, file, (None, None, 16))
    before = OnnxRuntime(file).run(features(3, 131, 16))
    inputs = [one[None] for one in features(8, 131, 16)]
    quantise_onnx(file, file, inputs, operations=("Conv",))
    after = OnnxRuntime(file).run(features(3, 131, 16))
    assert (before * after).sum(axis=1).min() > 0.99
    assert not np.array_equal(before, after)
    assert OnnxRuntime(file).run(features(1, 7, 16)).shape == (1, 512)
