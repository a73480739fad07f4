"""The face backbone `mobilefacenet`, as its authors published it.

Chen et al. 2018, "MobileFaceNets: Efficient CNNs for accurate real-time face verification
on mobile devices" (arXiv:1804.07573): a full-width stem, inverted residual bottlenecks, a
global depthwise convolution, and PReLU throughout. With `embedding_size=128` it has the
published 0.99 M parameters (1.00 M with the slopes of PReLU), and 221 M multiply-adds at
112 px, which the paper counts as 439 M operations.
"""

from __future__ import annotations

from typing import Any

import keras

from network.backbones.blocks import FastBatchNorm, conv_norm, depthwise
from network.backbones.face_common import LAST_FILTERS, Stage, face_network
from utils.arrays import EMBEDDING_SIZE

STEM_FILTERS = 64
STAGES = (
    Stage(64, 128, 5, 2),
    Stage(128, 256, 1, 2),
    Stage(128, 256, 6),
    Stage(128, 512, 1, 2),
    Stage(128, 256, 2),
)


def build_mobilefacenet(embedding_size: int = EMBEDDING_SIZE) -> keras.Model:
    """Build an untrained `mobilefacenet`, as `face_common.face_network` describes it."""
    return face_network("face_mobilefacenet", _trunk, embedding_size)


def _trunk(x: Any) -> Any:
    x = _convolve(x, STEM_FILTERS, 3, "stem", strides=2)
    x = _mix(x, "stem_mix", strides=1)
    for number, stage in enumerate(STAGES):
        for repeat in range(stage.repeats):
            strides = stage.strides if repeat == 0 else 1
            x = _bottleneck(x, stage, f"stage{number}_block{repeat}", strides=strides)
    return _convolve(x, LAST_FILTERS, 1, "last")


def _bottleneck(x: Any, stage: Stage, name: str, *, strides: int) -> Any:
    y = _convolve(x, stage.expansion, 1, f"{name}_up")
    y = _mix(y, f"{name}_mix", strides=strides)
    y = _linear(y, stage.filters, 1, f"{name}_down")
    if strides == 1 and x.shape[-1] == stage.filters:
        return keras.layers.Add(name=f"{name}_add")([x, y])
    return y


def _convolve(x: Any, filters: int, kernel: int, name: str, *, strides: int = 1) -> Any:
    return _prelu(_linear(x, filters, kernel, name, strides=strides), name)


def _mix(x: Any, name: str, *, strides: int) -> Any:
    x = depthwise(x, 3, name, strides=strides)
    return _prelu(FastBatchNorm(name=f"{name}_norm")(x), name)


def _linear(x: Any, filters: int, kernel: int, name: str, *, strides: int = 1) -> Any:
    return conv_norm(x, filters, kernel, name, strides=strides, relu=False)


def _prelu(x: Any, name: str) -> Any:
    # One slope a channel, at 0.25 as in the paper on PReLU (He et al. 2015).
    slopes = keras.initializers.Constant(0.25)
    return keras.layers.PReLU(slopes, shared_axes=[1, 2], name=f"{name}_act")(x)
