"""The face backbone `patchface`, which is shipped.

A MobileFaceNet (`network/backbones/face_mobile.py`) whose stem cuts the image into 4 × 4
patches. On a CPU the wide early maps of 56 × 56 cost half of a MobileFaceNet's time and
hold few of its weights. Most of the work is done at 14 × 14: 1.32 M parameters, 162 M
multiply-adds.
"""

from __future__ import annotations

from typing import Any

import keras

from network.backbones.blocks import FastBatchNorm, conv_norm
from network.backbones.face_common import Stage, face_network, inverted_residuals
from utils.arrays import EMBEDDING_SIZE

STEM_FILTERS = 48
PATCH_PX = 4
STAGES = (
    Stage(48, 96, 3),
    Stage(96, 192, 1, 2),
    Stage(96, 288, 7),
    Stage(128, 384, 1, 2),
    Stage(128, 256, 5),
)


def build_face_patch(embedding_size: int = EMBEDDING_SIZE) -> keras.Model:
    """Build an untrained `patchface`, as `face_common.face_network` describes it."""
    return face_network("face_patchface", _trunk, embedding_size)


def _trunk(x: Any) -> Any:
    patch = keras.layers.Conv2D(
        STEM_FILTERS, PATCH_PX, PATCH_PX, "valid", use_bias=False, name="patch_conv"
    )
    x = FastBatchNorm(name="patch_norm")(patch(x))
    x = keras.layers.Activation("relu", name="patch_act")(x)
    x = conv_norm(x, STEM_FILTERS, 3, "stem")
    return inverted_residuals(x, STAGES)
