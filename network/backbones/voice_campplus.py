"""The voice backbone `voice_campplus`: a densely connected temporal network.

CAM++ (Wang et al. 2023, arXiv:2303.00332) with its batch normalisations folded, in its
own shape (`ORIGINAL`) or a cheaper one. A 2-D head over time and frequency is followed by
blocks in which each layer reads the outputs of all before it, by statistics pooling and
one dense layer. `train.voice.inherit` fits a cheaper one to the original.

The input is not masked: it holds one utterance, or several of equal length.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from network.backbones.dense_temporal import (
    ClampedDense,
    ClampedStatistics,
    ContextLayer,
    Segments,
)
from utils.arrays import EMBEDDING_SIZE
from utils.fields import fit_fields

# Channels of the head, of the first temporal layer, of what each layer adds, and of the
# transits after the blocks.
HEAD = 32
FIRST = 128
GROWTH = 32
TRANSITS = (256, 512, 512)
# Layers of the second and third block read each second step.
DILATIONS = (1, 2, 2)
# Length of CAM++'s own embeddings.
OWN_SIZE = 192
SEGMENT_STEPS = 100
# Layers of each block.
LAYERS = (12, 24, 16)
Widths = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def equal_widths(units: int) -> Widths:
    """The same width for each layer of each block of CAM++."""
    first, second, third = ((units,) * count for count in LAYERS)
    return first, second, third


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        n_mels: Mel bands of the input, a multiple of 8.
        early_stride: Whether time is halved in the head's first stage. Otherwise the
            first temporal layer does, after the head.
        bottlenecks: Bottleneck channels of each layer, by block. There are as many
            layers as widths.
        context: Hidden units of each layer's mask.
        separable: Whether temporal convolutions are pointwise and depthwise.
        ceiling: Whether channels have a ceiling, which negative scales of batch
            normalisations need.
        embedding_size: Length of the embedding. One that is longer than CAM++'s holds
            the same angles in more numbers.
    """

    n_mels: int = 80
    early_stride: bool = True
    bottlenecks: Widths = equal_widths(64)
    context: int = 32
    separable: bool = True
    ceiling: bool = False
    embedding_size: int = EMBEDDING_SIZE

    def __post_init__(self) -> None:
        sizes = [self.n_mels, self.embedding_size, self.context]
        sizes += itertools.chain.from_iterable(self.bottlenecks)
        if self.n_mels % 8 or len(self.bottlenecks) != 3 or min(sizes) < 1:
            raise ValueError(
                "Sizes must be positive, `n_mels` a multiple of 8, and `bottlenecks` of three"
                f" blocks. Received: {self}"
            )


ORIGINAL: Mapping[str, Any] = {
    "early_stride": False,
    "bottlenecks": equal_widths(128),
    "context": 64,
    "separable": False,
    "ceiling": True,
}
"""Options of CAM++ itself."""


def build_voice_campplus(**sizes: Any) -> keras.Model:
    """Build an untrained `voice_campplus`.

    Args:
        sizes: Attributes of `Shape`.

    Returns:
        Model from (n, frames, n_mels) float32 mean-normalised features to (n,
        embedding_size) float32 of unit length.

    Raises:
        ValueError: A size is impossible.
    """
    shape = Shape(**fit_fields(Shape, sizes))
    features = keras.Input((None, shape.n_mels), name="features")
    x = _first(_head(features, shape), shape)
    segments = Segments(SEGMENT_STEPS, name="segments")(x)
    for number, widths in enumerate(shape.bottlenecks, 1):
        for place, width in enumerate(widths, 1):
            added = _layer(shape, width, number, place)([x, *segments])
            x = layers.Concatenate(name=f"block{number}_join{place}")([x, added])
        x = ClampedDense(TRANSITS[number - 1], shape.ceiling, name=f"transit{number}")(x)
    x = ClampedStatistics(shape.ceiling, name="statistics")(x)
    x = layers.Dense(OWN_SIZE, name="embed")(x)
    lift = layers.Dense(shape.embedding_size, use_bias=False, name="lift", trainable=False)
    lift.kernel_initializer = keras.initializers.Orthogonal(seed=0)
    x = layers.UnitNormalization(axis=-1, name="embedding")(lift(x))
    return keras.Model(features, x, name="voice")


def _layer(shape: Shape, width: int, block: int, place: int) -> ContextLayer:
    return ContextLayer(
        growth=GROWTH,
        bottleneck=width,
        context=shape.context,
        dilation=DILATIONS[block - 1],
        separable=shape.separable,
        ceiling=shape.ceiling,
        name=f"block{block}_layer{place}",
    )


def _head(features: Any, shape: Shape) -> Any:
    """Map (n, frames, n_mels) to (n, frames or half, n_mels / 8 * HEAD) in 2-D."""
    x = layers.Reshape((-1, shape.n_mels, 1), name="image")(features)
    x = _relu(_convolve(x, "head_stem"), "head_stem")
    x = _residual(x, "head_stage1_a", (2 if shape.early_stride else 1, 2))
    x = _residual(x, "head_stage1_b")
    x = _residual(x, "head_stage2_a", (1, 2))
    x = _residual(x, "head_stage2_b")
    x = _relu(_convolve(x, "head_end", (1, 2)), "head_end")
    return layers.Reshape((-1, shape.n_mels // 8 * HEAD), name="bands_as_channels")(x)


def _residual(x: Any, name: str, strides: tuple[int, int] = (1, 1)) -> Any:
    """Apply two convolutions and add the input, mapped by a pointwise one if strided."""
    y = _relu(_convolve(x, f"{name}1", strides), f"{name}1")
    y = _convolve(y, f"{name}2")
    if strides != (1, 1):
        x = layers.Conv2D(HEAD, 1, strides, name=f"{name}_shortcut")(x)
    return _relu(layers.Add(name=f"{name}_add")([y, x]), name)


def _convolve(x: Any, name: str, strides: tuple[int, int] = (1, 1)) -> Any:
    """Apply a 3 × 3 convolution whose outputs are centred on each stride-th input."""
    if strides == (1, 1):
        return layers.Conv2D(HEAD, 3, padding="same", name=name)(x)
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layers.Conv2D(HEAD, 3, strides, name=name)(x)


def _first(x: Any, shape: Shape) -> Any:
    """Apply the first temporal convolution, which halves time unless the head did."""
    taps = 3 if shape.early_stride else 5
    x = layers.ZeroPadding1D(taps // 2, name="first_pad")(x)
    strides = 1 if shape.early_stride else 2
    return layers.Conv1D(FIRST, taps, strides, activation="relu", name="first")(x)


def _relu(x: Any, name: str) -> Any:
    return layers.ReLU(name=f"{name}_relu")(x)
