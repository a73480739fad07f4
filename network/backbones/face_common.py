"""What face backbones share: the scaling of pixels, bottlenecks, and the embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from network.backbones.blocks import FastBatchNorm, GlobalDepthwise, bottleneck, conv_norm
from utils.arrays import FACE_SIZE_PX

LAST_FILTERS = 512
# A trunk halves height and width so often that one cell stands for so many pixels.
CELL_PX = 16


@dataclass(frozen=True)
class Stage:
    """A run of bottlenecks of one width, of which the first one has the stride."""

    filters: int
    expansion: int
    repeats: int
    strides: int = 1


def face_network(name: str, trunk: Callable[[Any], Any], embedding_size: int) -> keras.Model:
    """Build an untrained face network around a trunk.

    Args:
        name: Name of the model, from which its card is named.
        trunk: Maps pixels in [-1, 1], (n, s, s, 3), to features (n, s / 16, s / 16, c).
        embedding_size: Length of the embedding, over 0.

    Returns:
        Model from (n, s, s, 3), RGB in [0, 255], float32, to (n, embedding_size)
        float32 of unit length. s is 112 when serving. Training may use other multiples
        of 8 from 48 up.

    Raises:
        ValueError: `embedding_size` is not positive.
    """
    if embedding_size < 1:
        raise ValueError(
            f"embedding_size must be positive. Received: embedding_size={embedding_size}"
        )
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(image)
    return keras.Model(image, _embed(trunk(x), embedding_size), name=name)


def inverted_residuals(x: Any, stages: Sequence[Stage]) -> Any:
    """Apply stages of bottlenecks, then a 1×1 convolution to `LAST_FILTERS` channels."""
    # Names count within a stage: a longer one keeps the names of a shorter one.
    for number, stage in enumerate(stages):
        for repeat in range(stage.repeats):
            x = bottleneck(
                x,
                stage.filters,
                stage.expansion,
                f"stage{number}_block{repeat}",
                strides=stage.strides if repeat == 0 else 1,
            )
    return conv_norm(x, LAST_FILTERS, 1, "last")


def _embed(x: Any, size: int) -> Any:
    x = GlobalDepthwise(FACE_SIZE_PX // CELL_PX, name="global_depthwise", dtype="float32")(x)
    x = FastBatchNorm(name="global_norm", dtype="float32")(x)
    x = keras.layers.Dense(size, use_bias=False, name="embedding", dtype="float32")(x)
    x = FastBatchNorm(name="embedding_norm", dtype="float32")(x)
    return keras.layers.UnitNormalization(dtype="float32", name="output")(x)
