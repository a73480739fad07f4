"""What voice backbones share: pooling over time, and the embedding."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from network.backbones.blocks import PACKAGE, FastBatchNorm

VARIANCE_FLOOR = 1e-5
# Names of the layers that a network is centred by (`train/voice/centring.py`).
LENGTH = "length"
CENTRE = "centre"


def voice_embedding(x: Any, size: int) -> Any:
    """Map pooled features (n, channels) to embeddings (n, size).

    They are brought to unit length, centred, and brought to unit length again.
    """
    x = FastBatchNorm(name="pool_bn", dtype="float32")(x)
    x = layers.Dense(size, use_bias=False, name="embed", dtype="float32")(x)
    x = FastBatchNorm(name="embed_bn", dtype="float32")(x)
    x = layers.UnitNormalization(axis=-1, name=LENGTH, dtype="float32")(x)
    x = Centre(name=CENTRE, dtype="float32")(x)
    return layers.UnitNormalization(axis=-1, name="embedding", dtype="float32")(x)


@keras.saving.register_keras_serializable(PACKAGE)
class AttentiveStatistics(layers.Layer):
    """Mean and standard deviation over time, weighted by a small attention network.

    Each frame and channel has a weight. Input (n, steps, channels), output (n,
    2 * channels): means, then standard deviations. Float32 inside, whatever the policy.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        """Set the size of the attention network's hidden layer."""
        super().__init__(**kwargs)
        self.units = units
        self.hidden = layers.Dense(units, activation="tanh", name="hidden")
        self.weight = layers.Dense(1, name="weight")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the attention network for the channels of the input."""
        self.weight = layers.Dense(input_shape[-1], name="weight")
        self.hidden.build(input_shape)
        self.weight.build((*input_shape[:-1], self.units))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Pool (n, steps, channels) to (n, 2 * channels)."""
        scores = keras.ops.cast(self.weight(self.hidden(inputs)), "float32")
        values = keras.ops.cast(inputs, "float32")
        # keras.ops.softmax, but without its warning for an utterance of a single step.
        scores = keras.ops.exp(scores - keras.ops.max(scores, axis=1, keepdims=True))
        attention = scores / keras.ops.sum(scores, axis=1, keepdims=True)
        mean = keras.ops.sum(attention * values, axis=1)
        square = keras.ops.sum(attention * values * values, axis=1)
        deviation = keras.ops.sqrt(keras.ops.maximum(square - mean * mean, VARIANCE_FLOOR))
        return keras.ops.concatenate([mean, deviation], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, 2 * channels) for (n, steps, channels)."""
        return (input_shape[0], None if input_shape[-1] is None else 2 * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(PACKAGE)
class Centre(layers.Layer):
    """Takes a fixed vector off embeddings (n, size).

    It is 0, and not trained, until `train.voice.centring` sets it.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the vector, (size,)."""
        self.centre = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", trainable=False, name="centre"
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return (n, size) less the centre."""
        return inputs - self.centre
