"""The voice backbone `resnet34_thin`: residual 2-D convolutions over time and frequency.

ResNet-34 (He et al. 2015, arXiv:1512.03385) with a quarter of its widths, as speaker
recognition uses it (Chung et al. 2020, "In defence of metric learning for speaker
recognition", arXiv:2003.11982). Time and frequency are halved together in three of four
stages. Attentive statistics pool what is left of time. The input is not masked: it holds
one utterance, or several of equal length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from network.backbones.blocks import conv_norm
from network.backbones.voice_common import AttentiveStatistics, voice_embedding
from utils.arrays import EMBEDDING_SIZE
from utils.fields import fit_fields

# Stages after the first halve time and frequency.
HALVINGS = 3


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        n_mels: Mel bands of the input, a multiple of 8.
        width: Channels of the first stage. Each further stage has twice as many. Fewer than
            16 end the process in oneDNN (TensorFlow 2, width 4, 6 and 8).
        blocks: Residual blocks of the four stages.
        embedding_size: Length of the embedding.

    Raises:
        ValueError: A size is impossible.
    """

    n_mels: int = 80
    width: int = 16
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    embedding_size: int = EMBEDDING_SIZE

    def __post_init__(self) -> None:
        sizes = (self.n_mels, self.width, self.embedding_size, *self.blocks)
        if min(sizes) < 1 or self.n_mels % 2**HALVINGS or len(self.blocks) != HALVINGS + 1:
            raise ValueError(
                "Sizes must be positive, `n_mels` a multiple of 8 and `blocks` four numbers."
                f" Received: {self}"
            )


def build_voice_resnet(**sizes: Any) -> keras.Model:
    """Build an untrained `resnet34_thin`.

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
    x = layers.Reshape((-1, shape.n_mels, 1), name="image")(features)
    x = conv_norm(x, shape.width, 3, "stem")
    for stage, blocks in enumerate(shape.blocks):
        for block in range(blocks):
            strides = 2 if stage > 0 and block == 0 else 1
            x = _block(x, shape.width * 2**stage, f"stage{stage}_block{block}", strides=strides)
    channels = shape.n_mels // 2**HALVINGS * shape.width * 2**HALVINGS
    x = layers.Reshape((-1, channels), name="bands_as_channels")(x)
    x = AttentiveStatistics(max(8, channels // 8), name="pool")(x)
    return keras.Model(features, voice_embedding(x, shape.embedding_size), name="resnet34_thin")


def _block(x: Any, channels: int, name: str, *, strides: int) -> Any:
    """Apply two convolutions, and add the input, projected where shapes differ."""
    y = conv_norm(x, channels, 3, f"{name}_first", strides=strides)
    y = conv_norm(y, channels, 3, f"{name}_second", relu=False)
    if strides > 1 or x.shape[-1] != channels:
        x = conv_norm(x, channels, 1, f"{name}_shortcut", strides=strides, relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
