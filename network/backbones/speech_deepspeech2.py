"""The speech network `deepspeech2`: convolutions, recurrent layers, signs for each step.

D. Amodei et al., "Deep Speech 2: End-to-End Speech Recognition in English and Mandarin",
2016 (arXiv:1512.02595). 2-D convolutions over time and frequency shorten the sound, layers
that run both ways hear what was before and what comes after. It learns by connectionist
temporal classification. Several utterances of different lengths go through
`network.backbones.together`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from network.backbones.blocks import FastBatchNorm
from utils.fields import fit_fields

CELLS = {"gru": layers.GRU, "lstm": layers.LSTM}
# Of the moving statistics: every step of every utterance counts, so one batch says much,
# and trainings of few recordings have few batches
MOMENTUM = 0.95
# Name of the layer whose outputs are the signs
SIGNS = "signs"


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        outputs: Signs, with the blank and the unknown one.
        n_mels: Mel bands of the input, a multiple of 2 for each convolution.
        filters: Channels of the convolutions. The first shortens time by `time_stride`,
            and each halves the bands.
        time_stride: Frames that make one step.
        recurrent: Recurrent layers.
        units: Units of each, in each direction.
        cell: "gru" or "lstm".

    Raises:
        ValueError: A size is impossible.
    """

    outputs: int
    n_mels: int = 80
    filters: tuple[int, ...] = (32, 32)
    time_stride: int = 2
    recurrent: int = 3
    units: int = 256
    cell: str = "gru"

    def __post_init__(self) -> None:
        sizes = (self.outputs, self.time_stride, self.recurrent, self.units, *self.filters)
        if min(sizes) < 1 or not self.filters or self.n_mels % 2 ** len(self.filters):
            raise ValueError(
                "Sizes must be positive, and `n_mels` a multiple of 2 for each of `filters`."
                f" Received: {self}"
            )
        if self.cell not in CELLS:
            raise ValueError(
                f"cell must be one of {', '.join(CELLS)}. Received: cell={self.cell!r}"
            )


def build_deepspeech2(**sizes: Any) -> keras.Model:
    """Build an untrained `deepspeech2`.

    Args:
        sizes: Attributes of `Shape`.

    Returns:
        Model from (n, frames, n_mels) float32 mean-normalised filterbank to (n, steps,
        outputs) float32: natural logarithms of the signs' probabilities, with steps =
        frames / time_stride, rounded up.

    Raises:
        ValueError: A size is impossible.
    """
    shape = Shape(**fit_fields(Shape, sizes))
    features = keras.Input((None, shape.n_mels), name="features")
    x = layers.Reshape((-1, shape.n_mels, 1), name="image")(features)
    for place, channels in enumerate(shape.filters):
        x = _convolve(x, channels, f"conv{place}", shape.time_stride if place == 0 else 1)
    bands = shape.n_mels // 2 ** len(shape.filters)
    x = layers.Reshape((-1, bands * shape.filters[-1]), name="bands_as_channels")(x)
    for place in range(shape.recurrent):
        x = _listen(x, shape, f"recurrent{place}")
    x = layers.Dense(shape.outputs, name=SIGNS, dtype="float32")(x)
    x = layers.Activation("log_softmax", name="logarithms", dtype="float32")(x)
    return keras.Model(features, x, name="deepspeech2")


def _convolve(x: Any, channels: int, name: str, time_stride: int) -> Any:
    """Apply a convolution over 11 frames and 11 bands. It halves the bands.

    Steps lie about the frames 0, `time_stride`, ... however long the sound is.
    """
    x = layers.ZeroPadding2D(((5, 5), (4, 5)), name=f"{name}_padding")(x)
    x = layers.Conv2D(channels, 11, strides=(time_stride, 2), use_bias=False, name=name)(x)
    x = FastBatchNorm(MOMENTUM, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _listen(x: Any, shape: Shape, name: str) -> Any:
    """Run a recurrent layer in both directions, and normalise what it says."""
    cell = CELLS[shape.cell](shape.units, return_sequences=True, name=f"{name}_cell")
    x = layers.Bidirectional(cell, name=name)(x)
    return FastBatchNorm(MOMENTUM, name=f"{name}_norm")(x)
