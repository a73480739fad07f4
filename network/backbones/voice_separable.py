"""The voice backbone `voice_separable`, which is shipped.

A depthwise-separable convolutional network over log-mel features of any length:

- A small 2-D stem over time and frequency shares its filters along the mel axis, so that
  a voice that is a little higher meets the same filters. It halves time twice (40 ms a
  step at a hop of 10 ms).
- 1-D residual blocks over time have the mel axis as channels.
- Attentive statistics pooling (Okabe et al. 2018, "Attentive statistics pooling for deep
  speaker embedding") takes whatever number of frames is left.

Depthwise-separable convolutions: Howard et al. 2017. Squeeze and excitation: Hu et al.
2018. The input is not masked: it holds one utterance, or several of equal length.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import layers

from network.backbones.blocks import FastBatchNorm
from network.backbones.voice_common import AttentiveStatistics, voice_embedding
from utils.arrays import EMBEDDING_SIZE
from utils.fields import fit_fields


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        n_mels: Mel bands of the input, a multiple of 4.
        stem: Channels of the two resolutions of the 2-D stem.
        channels: Channels of the 1-D blocks.
        blocks: Number of 1-D residual blocks.
        kernel: Length of their depthwise kernels, in steps of 4 frames.
        pooled_channels: Channels that are pooled over time.
        embedding_size: Length of the embedding.
    """

    n_mels: int = 80
    stem: tuple[int, int] = (16, 32)
    channels: int = 384
    blocks: int = 6
    kernel: int = 5
    pooled_channels: int = 512
    embedding_size: int = EMBEDDING_SIZE

    def __post_init__(self) -> None:
        sizes = asdict(self)
        narrow, wide = sizes.pop("stem")
        if self.n_mels % 4 or min(narrow, wide, *sizes.values()) < 1:
            raise ValueError(
                f"Sizes must be positive and `n_mels` a multiple of 4. Received: {self}"
            )


def build_voice_separable(**sizes: Any) -> keras.Model:
    """Build an untrained `voice_separable`.

    Args:
        sizes: Attributes of `Shape`.

    Returns:
        Model from (n, frames, n_mels) float32 mean-normalised log-mel to (n,
        embedding_size) float32 of unit length.

    Raises:
        ValueError: A size is impossible.
    """
    shape = Shape(**fit_fields(Shape, sizes))
    features = keras.Input((None, shape.n_mels), name="features")
    x = _stem(features, shape.n_mels, shape.stem)
    x = _pointwise(x, shape.channels, "join")
    for number in range(shape.blocks):
        x = _block(x, shape.channels, shape.kernel, f"block{number}")
    x = _pointwise(x, shape.pooled_channels, "widen")
    x = AttentiveStatistics(max(8, shape.pooled_channels // 8), name="pool")(x)
    return keras.Model(features, voice_embedding(x, shape.embedding_size), name="voice")


def _stem(features: Any, n_mels: int, widths: tuple[int, int]) -> Any:
    """Map (n, frames, n_mels) to (n, frames / 4, n_mels / 4 * widths[1]) in 2-D."""
    narrow, wide = widths
    x = layers.Reshape((-1, n_mels, 1), name="image")(features)
    x = layers.Conv2D(narrow, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = _norm_relu(x, "stem")
    x = _separable(x, narrow, 1, "stem1")
    x = _separable(x, wide, 2, "stem2")
    x = _separable(x, wide, 1, "stem3")
    return layers.Reshape((-1, n_mels // 4 * wide), name="bands_as_channels")(x)


def _separable(x: Any, channels: int, strides: int, name: str) -> Any:
    """Apply a 2-D depthwise-separable convolution, with a shortcut if shapes agree."""
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
    """Mix over time and over channels, squeeze and excite, and add the input."""
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
