"""A small network that tells a face from a picture of one: separable convolutions.

It is of the class of MiniFASNet: 80 × 80 pixels of a face with surroundings, few weights.
"""

from __future__ import annotations

import keras

SIZE_PX = 80
_WIDTHS = (16, 32, 48, 64, 96)
_DROPOUT = 0.3


def build_screen_patch() -> keras.Model:
    """Build the network: (n, 80, 80, 3) RGB in [0, 1] → (n, 1), how genuine in [0, 1]."""
    image = keras.Input((SIZE_PX, SIZE_PX, 3), name="image")
    x = keras.layers.Conv2D(_WIDTHS[0], 3, 2, "same", use_bias=False)(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    for width in _WIDTHS[1:]:
        x = _separable(x, width)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(_DROPOUT)(x)
    genuine = keras.layers.Dense(1, activation="sigmoid", name="genuine")(x)
    return keras.Model(image, genuine, name="screen_patch")


def _separable(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    """Halve the sides by a depthwise convolution, and mix the channels."""
    x = keras.layers.DepthwiseConv2D(3, 2, "same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(width, 1, use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
