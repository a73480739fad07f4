"""The face backbone `mobileface`: a MobileFaceNet with a narrow stem.

Inverted residual bottlenecks, a global depthwise convolution and a linear embedding
(Chen et al. 2018, arXiv:1804.07573): 1.21 M parameters, 218 M multiply-adds.
"""

from __future__ import annotations

from typing import Any

import keras

from network.backbones.blocks import conv_norm
from network.backbones.face_common import Stage, face_network, inverted_residuals
from utils.arrays import EMBEDDING_SIZE

STEM_FILTERS = 32
STAGES = (
    Stage(32, 64, 1),
    Stage(64, 128, 1, 2),
    Stage(64, 128, 4),
    Stage(128, 256, 1, 2),
    Stage(128, 256, 6),
    Stage(128, 512, 1, 2),
    Stage(128, 256, 2),
)


def build_face_mobile(embedding_size: int = EMBEDDING_SIZE) -> keras.Model:
    """Build an untrained `mobileface`, as `face_common.face_network` describes it."""
    return face_network("face_mobileface", _trunk, embedding_size)


def _trunk(x: Any) -> Any:
    x = conv_norm(x, STEM_FILTERS, 3, "stem", strides=2)
    return inverted_residuals(x, STAGES)
