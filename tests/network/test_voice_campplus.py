"""The backbone `voice_campplus`: CAM++ itself in it, and its convolutions in 8 bits.

tests/network/test_backbones.py tests what it shares with the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from network.serving.runtime import OnnxRuntime
from tests.support import media_sound
from utils.arrays import RATE_HZ
from utils.config import ROOT

SHIPPED = ROOT / "best_model" / "voice"
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


def test_the_shipped_voice_serves_what_its_weights_say() -> None:
    """On a second of speech, in 8 bits where it is stated, and alike in batches."""
    from network.backbones.registry import load_network
    from network.serving.card import read_card
    from network.serving.inputs import VoiceInput
    from network.serving.onnx_int8 import is_quantised

    card = read_card(SHIPPED)
    assert card.parameters is not None
    assert card.parameters <= 4_200_000
    assert is_quantised(SHIPPED / card.file)
    spec = VoiceInput.from_dict(card.input)
    network = load_network(SHIPPED / "model.keras")
    runtime = OnnxRuntime(SHIPPED / card.file)
    for person, seconds in ((1, 0.5), (2, 2.0), (3, 20.0)):
        speech = media_sound.speech(person, seconds, rate_hz=RATE_HZ)
        inputs = spec.prepare(np.asarray(speech, np.float32))
        served = runtime.run(inputs)
        expected = np.asarray(network(inputs, training=False))
        assert (served * expected).sum(axis=1).min() > 0.98
        batch = runtime.run(np.concatenate([inputs, inputs]))
        np.testing.assert_allclose(batch[1:], served, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(served, axis=1), 1.0, atol=1e-5)
