"""The voice network: any length, any batch, size, saving, ONNX, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    import keras

pytestmark = pytest.mark.tf
TINY: dict[str, Any] = {
    "n_mels": 16,
    "stem": (4, 6),
    "channels": 16,
    "blocks": 2,
    "pooled_channels": 24,
    "embedding_size": 32,
}


@pytest.fixture(scope="module")
def network() -> keras.Model:
    import keras

    from network.backbones.voice_separable import build_voice_separable

    keras.utils.set_random_seed(3)
    model = build_voice_separable(**TINY)
    # Statistics of a trained network: with those of a fresh one, mean and variance play
    # no part.
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if "moving_variance" in variable.path:
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
        elif "moving_mean" in variable.path or "beta" in variable.path:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model


def features(n: int, frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (n, frames, TINY["n_mels"])).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 47, 48, 301, 6000])
def test_any_length_gives_a_unit_embedding(network: keras.Model, frames: int) -> None:
    embedding = np.asarray(network(features(1, frames), training=False))
    assert embedding.shape == (1, TINY["embedding_size"])
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)


def test_alone_equals_batched(network: keras.Model) -> None:
    batch = features(5, 120)
    together = np.asarray(network(batch, training=False))
    alone = np.concatenate(
        [np.asarray(network(batch[i : i + 1], training=False)) for i in range(5)]
    )
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_different_speech_gives_different_embeddings(network: keras.Model) -> None:
    embeddings = np.asarray(network(features(4, 120), training=False))
    cosines = embeddings @ embeddings.T
    assert cosines[~np.eye(4, dtype=bool)].max() < 0.9999


def test_save_and_load_keep_every_number(network: keras.Model, tmp_path: Path) -> None:
    import keras

    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    inputs = features(2, 77)
    np.testing.assert_array_equal(
        np.asarray(loaded(inputs, training=False)), np.asarray(network(inputs, training=False))
    )


def test_onnx_agrees_at_every_length_and_batch(network: keras.Model, tmp_path: Path) -> None:
    from network.serving.export import export_onnx
    from tests.support.networks import largest_difference

    export_onnx(network, tmp_path / "model.onnx", (None, None, TINY["n_mels"]))
    for n, frames in ((1, 48), (1, 500), (3, 131), (2, 1), (1, 6000)):
        assert largest_difference(network, tmp_path / "model.onnx", [features(n, frames)]) < 1e-4


def test_the_shape_of_its_configuration_is_within_its_budget() -> None:
    import tomllib

    from network.backbones.voice_separable import build_voice_separable
    from network.serving.export import count_parameters

    table = tomllib.loads(Path("train/configs/voice.toml").read_text(encoding="utf-8"))["network"]
    assert table.pop("backbone") == "voice_separable"
    model = build_voice_separable(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    )
    assert model.output_shape == (None, 512)
    assert count_parameters(model) <= 2_000_000


@pytest.mark.parametrize(
    "values", [{"n_mels": 30}, {"blocks": 0}, {"stem": (0, 8)}, {"embedding_size": -1}]
)
def test_impossible_sizes_are_refused(values: dict[str, int]) -> None:
    from network.backbones.voice_separable import build_voice_separable

    with pytest.raises(ValueError, match="Received"):
        build_voice_separable(**{**TINY, **values})


def test_pooling_weighs_time_and_bounds_its_output() -> None:
    from network.backbones.voice_common import AttentiveStatistics

    layer = AttentiveStatistics(4)
    inputs = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    pooled = np.asarray(layer(inputs))
    assert pooled.shape == (2, 6) == layer.compute_output_shape((2, 9, 3))
    assert (pooled[:, :3] >= inputs.min(axis=1)).all()
    assert (pooled[:, :3] <= inputs.max(axis=1)).all()
    constant = np.asarray(layer(np.ones((1, 5, 3), np.float32)))
    np.testing.assert_allclose(constant[0, :3], 1.0, atol=1e-5)
    assert constant[0, 3:].max() < 0.01
