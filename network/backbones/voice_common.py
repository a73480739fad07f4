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

    def __init__(self, units: int, context: bool = False, **kwargs: Any) -> None:
        """Set the attention network.

        Args:
            units: Size of its hidden layer.
            context: It also sees the mean and deviation of every channel over the whole
                utterance (ECAPA-TDNN).
        """
        super().__init__(**kwargs)
        self.units = units
        self.context = context
        self.hidden = layers.Dense(units, activation="tanh", name="hidden")
        self.weight = layers.Dense(1, name="weight")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the attention network for the channels of the input."""
        *leading, channels = input_shape
        assert channels is not None
        self.weight = layers.Dense(channels, name="weight")
        self.hidden.build((*leading, (3 if self.context else 1) * channels))
        self.weight.build((*input_shape[:-1], self.units))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Pool (n, steps, channels) to (n, 2 * channels)."""
        values = keras.ops.cast(inputs, "float32")
        hidden = self._hidden_in_context(values) if self.context else self.hidden(inputs)
        scores = keras.ops.cast(self.weight(hidden), "float32")
        # keras.ops.softmax, but without its warning for an utterance of a single step.
        scores = keras.ops.exp(scores - keras.ops.max(scores, axis=1, keepdims=True))
        attention = scores / keras.ops.sum(scores, axis=1, keepdims=True)
        mean, deviation = _weighted_moments(values, attention)
        return keras.ops.concatenate([mean, deviation], axis=-1)

    def _hidden_in_context(self, values: Any) -> Any:
        """What `hidden` makes of (n, steps, channels) beside mean and deviation over time.

        These two are the same at each step, so they are multiplied once.
        """
        kernels = keras.ops.split(keras.ops.cast(self.hidden.kernel, "float32"), 3)
        own, *others = map(keras.ops.matmul, (values, *_moments(values)), kernels)
        everywhere = sum(others, keras.ops.cast(self.hidden.bias, "float32"))
        return self.hidden.activation(own + everywhere)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, 2 * channels) for (n, steps, channels)."""
        return (input_shape[0], None if input_shape[-1] is None else 2 * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "units": self.units, "context": self.context}


def _weighted_moments(values: Any, weights: Any) -> tuple[Any, Any]:
    """Mean and standard deviation over time, (n, channels) each, by weights that sum to 1."""
    mean = keras.ops.sum(weights * values, axis=1)
    square = keras.ops.sum(weights * values * values, axis=1)
    return mean, keras.ops.sqrt(keras.ops.maximum(square - mean * mean, VARIANCE_FLOOR))


def _moments(values: Any) -> tuple[Any, Any]:
    """Mean and standard deviation over time, (n, 1, channels) each."""
    mean = keras.ops.mean(values, axis=1, keepdims=True)
    square = keras.ops.mean(values * values, axis=1, keepdims=True)
    return mean, keras.ops.sqrt(keras.ops.maximum(square - mean * mean, VARIANCE_FLOOR))


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
