"""The voice backbone `ecapa_tdnn`, as its authors published it.

Desplanques, Thienpondt and Demuynck 2020, "ECAPA-TDNN: Emphasized channel attention,
propagation and aggregation in TDNN based speaker verification" (arXiv:2005.07143):

- Three SE-Res2Blocks of dilated convolutions over time (Res2Net: Gao et al. 2019). Each
  takes the sum of all that came before it.
- The outputs of all three are joined (multi-layer aggregation).
- Attentive statistics, whose attention sees the whole utterance's statistics as well.

With `embedding_size=192` it has the published 6.2 M parameters at 512 channels and
14.7 M at 1024. The input is not masked: it holds one utterance, or several of equal
length.
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

FIRST_KERNEL = 5
KERNEL = 3
DILATIONS = (2, 3, 4)


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        n_mels: Mel bands of the input.
        channels: Channels of the blocks, a multiple of `scale`.
        scale: Parts that a Res2 convolution divides the channels into, at least 2.
        squeezed: Units of squeeze and excitation, and of the attention.
        joined_channels: Channels that are pooled over time.
        embedding_size: Length of the embedding.

    Raises:
        ValueError: A size is impossible.
    """

    n_mels: int = 80
    channels: int = 512
    scale: int = 8
    squeezed: int = 128
    joined_channels: int = 1536
    embedding_size: int = EMBEDDING_SIZE

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 1 or self.scale < 2 or self.channels % self.scale:
            raise ValueError(
                "Sizes must be positive, `scale` at least 2 and `channels` a multiple of it."
                f" Received: {self}"
            )


def build_voice_ecapa(**sizes: int) -> keras.Model:
    """Build an untrained `ecapa_tdnn`.

    Args:
        sizes: Attributes of `Shape`.

    Returns:
        Model from (n, frames, n_mels) float32 mean-normalised filterbank to (n,
        embedding_size) float32 of unit length.

    Raises:
        ValueError: A size is impossible.
    """
    shape = Shape(**fit_fields(Shape, sizes))
    features = keras.Input((None, shape.n_mels), name="features")
    total = _convolve(features, shape.channels, "first", kernel=FIRST_KERNEL)
    outputs = []
    for number, dilation in enumerate(DILATIONS):
        outputs.append(_block(total, shape, dilation, name=f"block{number}"))
        total = layers.Add(name=f"sum{number}")([total, outputs[-1]])
    x = layers.Concatenate(name="aggregate")(outputs)
    x = layers.Dense(shape.joined_channels, activation="relu", name="join")(x)
    x = AttentiveStatistics(shape.squeezed, context=True, name="pool")(x)
    return keras.Model(features, voice_embedding(x, shape.embedding_size), name="ecapa_tdnn")


def _block(x: Any, shape: Shape, dilation: int, *, name: str) -> Any:
    """Apply an SE-Res2Block with its shortcut."""
    y = _convolve(x, shape.channels, f"{name}_in")
    y = _res2(y, shape, dilation, name=name)
    y = _convolve(y, shape.channels, f"{name}_out")
    gate = layers.GlobalAveragePooling1D(keepdims=True, name=f"{name}_squeeze")(y)
    gate = layers.Dense(shape.squeezed, activation="relu", name=f"{name}_gate1")(gate)
    gate = layers.Dense(shape.channels, activation="sigmoid", name=f"{name}_gate2")(gate)
    y = layers.Multiply(name=f"{name}_excite")([y, gate])
    return layers.Add(name=f"{name}_add")([x, y])


def _res2(x: Any, shape: Shape, dilation: int, *, name: str) -> Any:
    """Convolve parts of the channels, each with the output of the part before it.

    The first part stays as it is.
    """
    parts = keras.ops.split(x, shape.scale, axis=-1)
    width = shape.channels // shape.scale
    outputs = [parts[0]]
    for number, part in enumerate(parts[1:], start=1):
        taken = part
        if number > 1:
            taken = layers.Add(name=f"{name}_res{number}_add")([part, outputs[-1]])
        outputs.append(
            _convolve(taken, width, f"{name}_res{number}", kernel=KERNEL, dilation=dilation)
        )
    return layers.Concatenate(name=f"{name}_res")(outputs)


def _convolve(x: Any, channels: int, name: str, *, kernel: int = 1, dilation: int = 1) -> Any:
    """Convolve over time, then ReLU, then batch normalisation."""
    x = layers.Conv1D(
        channels,
        kernel,
        padding="same",
        dilation_rate=dilation,
        activation="relu",
        name=f"{name}_conv",
    )(x)
    return FastBatchNorm(name=f"{name}_norm")(x)
