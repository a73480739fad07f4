"""Batch normalisation, the global depthwise convolution, and bottlenecks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tf


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (6, 7, 3), (16, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_agrees_with_keras(shape: tuple[int, ...], training: bool) -> None:
    import keras

    from network.backbones.blocks import FastBatchNorm

    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, shape).astype(np.float32)
    ours = FastBatchNorm(momentum=0.9)
    theirs = keras.layers.BatchNormalization(momentum=0.9)
    ours.build(shape)
    theirs.build(shape)
    values = [rng.uniform(0.5, 1.5, 3).astype(np.float32) for _ in range(4)]
    ours.set_weights(values)
    theirs.set_weights(values)
    assert np.allclose(ours(x, training=training), theirs(x, training=training), atol=1e-5)
    # TensorFlow's kernel keeps the unbiased variance, Keras the biased one.
    assert np.allclose(ours.moving_mean, theirs.moving_mean, atol=1e-5)
    assert np.allclose(
        ours.moving_variance, theirs.moving_variance, rtol=0.15 if training else 1e-6
    )


def test_global_depthwise_is_a_weighted_sum() -> None:
    from network.backbones.blocks import GlobalDepthwise

    layer = GlobalDepthwise(3)
    layer.build((None, 3, 3, 2))
    x = np.random.default_rng(0).normal(size=(4, 3, 3, 2)).astype(np.float32)
    assert np.allclose(layer(x), (x * layer.kernel.numpy()).sum(axis=(1, 2)), atol=1e-6)


def test_global_depthwise_keeps_its_scale_at_other_resolutions() -> None:
    from network.backbones.blocks import GlobalDepthwise

    layer = GlobalDepthwise(7)
    layer.build((None, 7, 7, 2))
    layer.kernel.assign(np.full((7, 7, 2), 1 / 49, np.float32))
    for size in (4, 5, 7):
        assert np.allclose(layer(np.full((1, size, size, 2), 3.0, np.float32)), 3.0, atol=1e-5)


@pytest.mark.parametrize(
    ("filters", "strides", "adds"), [(8, 1, True), (12, 1, False), (8, 2, False)]
)
def test_bottleneck_adds_its_input_where_the_shapes_agree(
    filters: int, strides: int, adds: bool
) -> None:
    import keras

    from network.backbones.blocks import bottleneck

    image = keras.Input((10, 10, 8))
    model = keras.Model(image, bottleneck(image, filters, 16, "block", strides=strides))
    assert model.output_shape == (None, 10 // strides, 10 // strides, filters)
    assert any(isinstance(layer, keras.layers.Add) for layer in model.layers) == adds


def test_blocks_survive_saving(tmp_path: Path) -> None:
    import keras

    from network.backbones.blocks import GlobalDepthwise, bottleneck

    image = keras.Input((6, 6, 8))
    model = keras.Model(
        image,
        GlobalDepthwise(6, name="pool")(bottleneck(image, 8, 16, "block")),
    )
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype(np.float32)
    assert np.array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), model(x))
