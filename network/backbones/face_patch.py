"""Face backbones: aligned 112 × 112 crops to 512-d embeddings.

`patchface` is a MobileFaceNet (inverted residual bottlenecks, global depthwise
convolution, linear embedding) whose stem cuts the image into 4 × 4 patches: on a CPU
the wide early maps of 56 × 56 cost half of a MobileFaceNet's time and hold few of its
weights. Another backbone is one more function here, registered under a name in
`BACKBONES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from network.backbones.blocks import FastBatchNorm, GlobalDepthwise, bottleneck, conv_norm
from utils.arrays import EMBEDDING_SIZE, FACE_SIZE_PX


@dataclass(frozen=True)
class Stage:
    """A run of bottlenecks of one width; the first one has the stride."""

    filters: int
    expansion: int
    repeats: int
    strides: int = 1


PATCHFACE = (
    Stage(48, 96, 3),
    Stage(96, 192, 1, 2),
    Stage(96, 288, 7),
    Stage(128, 384, 1, 2),
    Stage(128, 256, 5),
)
MOBILEFACE = (
    Stage(32, 64, 1),
    Stage(64, 128, 1, 2),
    Stage(64, 128, 4),
    Stage(128, 256, 1, 2),
    Stage(128, 256, 6),
    Stage(128, 512, 1, 2),
    Stage(128, 256, 2),
)


def build_face(backbone: str = "patchface", embedding_size: int = EMBEDDING_SIZE) -> keras.Model:
    """Build an untrained face network.

    Args:
        backbone: A name in `BACKBONES`.
        embedding_size: Length of the embedding, over 0.

    Returns:
        Model from (n, s, s, 3), RGB in [0, 255], float32, to (n, embedding_size)
        float32 of unit length. s is 112 when serving; training may use other multiples
        of 8 from 48 up.

    Raises:
        ValueError: an unknown backbone or a size that is not positive.
    """
    if backbone not in BACKBONES:
        raise ValueError(
            f"backbone must be one of {sorted(BACKBONES)}. Received: backbone={backbone!r}"
        )
    if embedding_size < 1:
        raise ValueError(
            f"embedding_size must be positive. Received: embedding_size={embedding_size}"
        )
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(image)
    x = BACKBONES[backbone](x)
    return keras.Model(image, _embedding(x, embedding_size), name=f"face_{backbone}")


def patchface(x: Any) -> Any:
    """4 × 4 patches, then most of the work at 14 × 14: 1.32 M parameters, 162 M
    multiply-adds.
    """
    x = keras.layers.Conv2D(48, 4, 4, "valid", use_bias=False, name="patch_conv")(x)
    x = FastBatchNorm(name="patch_norm")(x)
    x = keras.layers.Activation("relu", name="patch_act")(x)
    x = conv_norm(x, 48, 3, "stem")
    return _stages(x, PATCHFACE, "relu")


def mobileface(x: Any) -> Any:
    """The published MobileFaceNet's shape with a narrow stem: 1.21 M parameters, 218 M
    multiply-adds.
    """
    x = conv_norm(x, 32, 3, "stem", strides=2)
    return _stages(x, MOBILEFACE, "relu")


BACKBONES: dict[str, Callable[[Any], Any]] = {"patchface": patchface, "mobileface": mobileface}


def _stages(x: Any, stages: tuple[Stage, ...], activation: str) -> Any:
    # Names count within a stage: a longer one keeps the names of a shorter one
    for number, stage in enumerate(stages):
        for repeat in range(stage.repeats):
            strides = stage.strides if repeat == 0 else 1
            x = bottleneck(
                x,
                stage.filters,
                stage.expansion,
                f"stage{number}_block{repeat}",
                strides,
                activation,
            )
    return conv_norm(x, 512, 1, "last")


def _embedding(x: Any, size: int) -> Any:
    x = GlobalDepthwise(FACE_SIZE_PX // 16, name="global_depthwise", dtype="float32")(x)
    x = FastBatchNorm(name="global_norm", dtype="float32")(x)
    x = keras.layers.Dense(size, use_bias=False, name="embedding", dtype="float32")(x)
    x = FastBatchNorm(name="embedding_norm", dtype="float32")(x)
    return keras.layers.UnitNormalization(dtype="float32", name="output")(x)
