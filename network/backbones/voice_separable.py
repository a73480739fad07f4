"""The voice network: log-mel features of any length -> 512-d voice embedding.

A depthwise-separable convolutional network: a small 2-D stem over time and frequency
(it shares its filters along the mel axis, so a voice that is a little higher meets the
same filters), then 1-D residual blocks over time with the mel axis as channels, then
attentive statistics pooling (Okabe et al. 2018, "Attentive statistics pooling for deep
speaker embedding") over whatever number of frames is left. Depthwise-separable
convolutions: Howard et al. 2017; squeeze and excitation: Hu et al. 2018. What comes out
is brought to unit length, centred and brought to unit length again.

The input is not masked: it holds one utterance, or several of equal length. Time is
halved twice in the stem (40 ms per step at a hop of 10 ms).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from network.backbones.blocks import FastBatchNorm
from utils.arrays import EMBEDDING_SIZE

VARIANCE_FLOOR = 1e-5
# layers before the embedding
LENGTH = "length"
CENTRE = "centre"


@keras.saving.register_keras_serializable(package="duet")
class AttentiveStatistics(layers.Layer):
    """Mean and standard deviation over time, each frame and channel weighted by a small
    attention network.

    Input (n, steps, channels), output (n, 2 * channels): means, then standard
    deviations. Float32 inside, whatever the policy.

    Args:
        units: size of the attention network's hidden layer.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.hidden = layers.Dense(units, activation="tanh", name="hidden")
        self.weight = layers.Dense(1, name="weight")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the attention network for the channels of the input."""
        self.weight = layers.Dense(input_shape[-1], name="weight")
        self.hidden.build(input_shape)
        self.weight.build((*input_shape[:-1], self.units))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Pool (n, steps, channels) to (n, 2 * channels)."""
        scores = keras.ops.cast(self.weight(self.hidden(inputs)), "float32")
        values = keras.ops.cast(inputs, "float32")
        # keras.ops.softmax, but without its warning for an utterance of a single step.
        scores = keras.ops.exp(scores - keras.ops.max(scores, axis=1, keepdims=True))
        attention = scores / keras.ops.sum(scores, axis=1, keepdims=True)
        mean = keras.ops.sum(attention * values, axis=1)
        square = keras.ops.sum(attention * values * values, axis=1)
        deviation = keras.ops.sqrt(keras.ops.maximum(square - mean * mean, VARIANCE_FLOOR))
        return keras.ops.concatenate([mean, deviation], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(n, steps, channels) -> (n, 2 * channels)."""
        return (input_shape[0], None if input_shape[-1] is None else 2 * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="duet")
class Centre(layers.Layer):
    """Takes a fixed vector off embeddings (n, size). It is 0, and not trained, until
    `train.voice.centring` sets it.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """The vector, (size,)."""
        self.centre = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", trainable=False, name="centre"
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """(n, size) less the centre."""
        return inputs - self.centre


def voice_network(
    n_mels: int = 80,
    stem: tuple[int, int] = (16, 32),
    channels: int = 384,
    blocks: int = 6,
    kernel: int = 5,
    pooled_channels: int = 512,
    embedding_size: int = EMBEDDING_SIZE,
) -> keras.Model:
    """Build the untrained network.

    Args:
        n_mels: mel bands of the input; a multiple of 4.
        stem: channels of the two resolutions of the 2-D stem.
        channels: channels of the 1-D blocks.
        blocks: number of 1-D residual blocks.
        kernel: length of their depthwise kernels in steps of 4 frames.
        pooled_channels: channels that are pooled over time.
        embedding_size: size of the embedding.

    Returns:
        Model: (n, frames, n_mels) float32 mean-normalised log-mel -> (n,
            embedding_size) float32 of unit norm.

    Raises:
        ValueError: when `n_mels` is not a multiple of 4 or a size is below 1.
    """
    if (
        n_mels % 4
        or min(n_mels, *stem, channels, blocks, kernel, pooled_channels, embedding_size) < 1
    ):
        raise ValueError(
            "Sizes must be positive and `n_mels` a multiple of 4. Received: "
            f"n_mels={n_mels}, stem={stem}, channels={channels}, blocks={blocks}, kernel={kernel}, "
            f"pooled_channels={pooled_channels}, embedding_size={embedding_size}"
        )
    features = keras.Input((None, n_mels), name="features")
    x = _stem(features, n_mels, stem)
    x = _pointwise(x, channels, "join")
    for number in range(blocks):
        x = _block(x, channels, kernel, f"block{number}")
    x = _pointwise(x, pooled_channels, "widen")
    x = AttentiveStatistics(max(8, pooled_channels // 8), name="pool")(x)
    x = FastBatchNorm(name="pool_bn", dtype="float32")(x)
    x = layers.Dense(embedding_size, use_bias=False, name="embed", dtype="float32")(x)
    x = FastBatchNorm(name="embed_bn", dtype="float32")(x)
    x = layers.UnitNormalization(axis=-1, name=LENGTH, dtype="float32")(x)
    x = Centre(name=CENTRE, dtype="float32")(x)
    embedding = layers.UnitNormalization(axis=-1, name="embedding", dtype="float32")(x)
    return keras.Model(features, embedding, name="voice")


def _stem(features: Any, n_mels: int, widths: tuple[int, int]) -> Any:
    """2-D part: (n, frames, n_mels) -> (n, frames / 4, n_mels / 4 * widths[1])."""
    narrow, wide = widths
    x = layers.Reshape((-1, n_mels, 1), name="image")(features)
    x = layers.Conv2D(narrow, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = _norm_relu(x, "stem")
    x = _separable(x, narrow, 1, "stem1")
    x = _separable(x, wide, 2, "stem2")
    x = _separable(x, wide, 1, "stem3")
    return layers.Reshape((-1, n_mels // 4 * wide), name="bands_as_channels")(x)


def _separable(x: Any, channels: int, strides: int, name: str) -> Any:
    """2-D depthwise-separable convolution, with a shortcut where the shapes agree."""
    shortcut = x
    x = layers.DepthwiseConv2D(
        3, strides=strides, padding="same", use_bias=False, name=f"{name}_depth"
    )(x)
    x = _norm_relu(x, f"{name}_depth")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_point")(x)
    x = FastBatchNorm(name=f"{name}_point_bn")(x)
    if strides == 1 and shortcut.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def _block(x: Any, channels: int, kernel: int, name: str) -> Any:
    """Depthwise over time, pointwise over channels, squeeze and excitation, shortcut."""
    shortcut = x
    x = layers.DepthwiseConv1D(kernel, padding="same", use_bias=False, name=f"{name}_depth")(x)
    x = _norm_relu(x, f"{name}_depth")
    x = layers.Dense(channels, use_bias=False, name=f"{name}_point")(x)
    x = FastBatchNorm(name=f"{name}_point_bn")(x)
    gate = layers.GlobalAveragePooling1D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Dense(channels // 8, activation="relu", name=f"{name}_gate1")(gate)
    gate = layers.Dense(channels, activation="sigmoid", name=f"{name}_gate2")(gate)
    x = layers.Multiply(name=f"{name}_excite")([x, gate])
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, shortcut]))


def _pointwise(x: Any, channels: int, name: str) -> Any:
    return _norm_relu(layers.Dense(channels, use_bias=False, name=name)(x), name)


def _norm_relu(x: Any, name: str) -> Any:
    x = FastBatchNorm(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_act")(x)
