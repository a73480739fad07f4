"""Layers of densely connected temporal networks, whose batch normalisations are folded.

relu(batch_norm(x)) with a positive scale is that scale times max(x, floor) plus a
constant. A layer that reads x therefore needs a floor for each channel, and the rest goes
into its weights (`ClampedDense`). Where a scale is negative, a ceiling takes the place of
the floor.

All work on (n, steps, channels) float32, with any number of steps.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from network.backbones.blocks import PACKAGE

# No activation comes near these.
NO_FLOOR = -1e4
NO_CEILING = 1e4
VARIANCE_FLOOR = 1e-8


class _Clamping(layers.Layer):
    """A layer that clamps its input channel by channel before all else."""

    def __init__(self, ceiling: bool = False, **kwargs: Any) -> None:
        """Say whether channels have a ceiling beside their floor."""
        super().__init__(**kwargs)
        self.has_ceiling = ceiling

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the floor, which is that of ReLU, and the ceiling."""
        shape = (input_shape[-1],)
        self.floor = self.add_weight(shape=shape, initializer="zeros", name="floor")
        if self.has_ceiling:
            start = keras.initializers.Constant(NO_CEILING)
            self.ceiling = self.add_weight(
                shape=shape, initializer=start, trainable=False, name="ceiling"
            )
        super().build(input_shape)

    def clamp(self, inputs: Any) -> Any:
        """Clamp (..., channels)."""
        clamped = tf.maximum(inputs, tf.convert_to_tensor(self.floor))
        if not self.has_ceiling:
            return clamped
        return tf.minimum(clamped, tf.convert_to_tensor(self.ceiling))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "ceiling": self.has_ceiling}


@keras.saving.register_keras_serializable(PACKAGE)
class ClampedDense(_Clamping):
    """Pointwise map of clamped channels: (clamp(x) - centre) @ kernel + bias.

    The centre is not trained. Clamped channels lie far from 0 on one side, and gradients
    of the kernel would all point one way. `centre` brings them back to 0.
    """

    def __init__(self, units: int, ceiling: bool = False, **kwargs: Any) -> None:
        """Set the number of output channels."""
        super().__init__(ceiling, **kwargs)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for the channels of the input."""
        super().build(input_shape)
        channels = input_shape[-1]
        self.centre = self.add_weight(
            shape=(channels,), initializer="zeros", trainable=False, name="centre"
        )
        self.kernel = self.add_weight(shape=(channels, self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Map (n, steps, channels) to (n, steps, units)."""
        kernel = tf.convert_to_tensor(self.kernel)
        centred = tf.linalg.matvec(kernel, tf.convert_to_tensor(self.centre), transpose_a=True)
        return tf.matmul(self.clamp(inputs), kernel) + (self.bias - centred)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, steps, units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(PACKAGE)
class Pointwise(layers.Dense):
    """A dense layer on (n, steps, channels) that is exported as one matrix product."""

    def call(self, inputs: Any) -> Any:
        """Map (n, steps, channels) to (n, steps, units)."""
        outputs = tf.matmul(inputs, tf.convert_to_tensor(self.kernel))
        return outputs + self.bias if self.use_bias else outputs


@keras.saving.register_keras_serializable(PACKAGE)
class Segments(layers.Layer):
    """How steps belong to segments of a fixed length, the last of which may be shorter.

    Gives two matrices for inputs (n, steps, channels), the same for all n:

    - `share` (1, segments, steps), which averages: the mean over the segment plus that
      over all steps
    - `spread` (1, steps, segments), which brings a segment's values back to its steps
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        """Set the steps of a segment."""
        super().__init__(**kwargs)
        self.length = length

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """Return `share` and `spread`."""
        steps = tf.shape(inputs)[1]
        segment = tf.range(steps) // self.length
        spread = tf.cast(
            tf.equal(segment[:, None], tf.range((steps - 1) // self.length + 1)), tf.float32
        )
        share = tf.transpose(spread / tf.reduce_sum(spread, axis=0))
        return (share + 1 / tf.cast(steps, tf.float32))[None], spread[None]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[tuple[int | None, ...], ...]:
        """Return the shapes of both."""
        return (1, None, input_shape[1]), (1, input_shape[1], None)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "length": self.length}


@keras.saving.register_keras_serializable(PACKAGE)
class ContextLayer(layers.Layer):
    """One layer of a densely connected block: what it adds to the channels before it.

    A pointwise bottleneck, a temporal convolution of 3 taps, and a mask that depends on
    the context: the mean of the bottleneck over a segment and over all steps ("CAM++: A
    fast and efficient network for speaker verification using context-aware masking", Wang
    et al. 2023, arXiv:2303.00332).
    """

    def __init__(
        self,
        *,
        growth: int,
        bottleneck: int,
        context: int,
        dilation: int,
        separable: bool,
        ceiling: bool = False,
        **kwargs: Any,
    ) -> None:
        """Set the sizes.

        Args:
            growth: Channels that it adds.
            bottleneck: Channels of the bottleneck.
            context: Hidden units of the mask.
            dilation: Steps between taps.
            separable: Whether the convolution is pointwise, then depthwise.
            ceiling: See `ClampedDense`.
        """
        super().__init__(**kwargs)
        self.sizes: dict[str, Any] = {
            "growth": growth,
            "bottleneck": bottleneck,
            "context": context,
            "dilation": dilation,
            "separable": separable,
            "ceiling": ceiling,
        }
        self.narrow = ClampedDense(bottleneck, ceiling, name="narrow")
        # An ordinary convolution is three pointwise ones whose outputs are shifted.
        width = growth if separable else 3 * growth
        self.point = Pointwise(width, use_bias=False, name="point")
        self.squeeze = Pointwise(context, name="squeeze")
        self.excite = Pointwise(growth, name="excite")

    def build(self, input_shape: Any) -> None:
        """Create the weights for the channels of the first input."""
        inner = (None, None, self.sizes["bottleneck"])
        self.narrow.build(input_shape[0])
        self.point.build(inner)
        if self.sizes["separable"]:
            self.taps = self.add_weight(shape=(3, self.sizes["growth"]), name="taps")
        self.squeeze.build(inner)
        self.excite.build((None, None, self.sizes["context"]))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Map channels (n, steps, c) and both outputs of `Segments` to (n, steps, growth)."""
        channels, share, spread = inputs
        hidden = tf.nn.relu(self.narrow(channels))
        squeezed = tf.nn.relu(self.squeeze(tf.matmul(share, hidden)))
        mask = tf.sigmoid(self.excite(squeezed))
        return self.convolve(hidden) * tf.matmul(spread, mask)

    def convolve(self, hidden: Any) -> Any:
        """Convolve the bottleneck (n, steps, bottleneck) over time."""
        values = self.point(hidden)
        if self.sizes["separable"]:
            taps = tf.convert_to_tensor(self.taps)
            parts = [values * taps[0], values * taps[1], values * taps[2]]
        else:
            parts = tf.split(values, 3, axis=-1)
        return (
            shift(parts[0], self.sizes["dilation"])
            + parts[1]
            + shift(parts[2], -self.sizes["dilation"])
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return (n, steps, growth)."""
        return (*input_shape[0][:-1], self.sizes["growth"])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), **self.sizes}


@keras.saving.register_keras_serializable(PACKAGE)
class ClampedStatistics(_Clamping):
    """Mean and standard deviation over time of clamped channels.

    (n, steps, channels) gives (n, 2 * channels): means, then standard deviations.
    """

    def call(self, inputs: Any) -> Any:
        """Pool over the steps."""
        values = self.clamp(inputs)
        mean = tf.reduce_mean(values, axis=1, keepdims=True)
        steps = tf.cast(tf.shape(values)[1], values.dtype)
        squares = tf.reduce_sum(tf.square(values - mean), axis=1)
        variance = squares / tf.maximum(steps - 1, 1)
        return tf.concat([mean[:, 0], tf.sqrt(variance + VARIANCE_FLOOR)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, 2 * channels)."""
        return (input_shape[0], None if input_shape[-1] is None else 2 * input_shape[-1])


def shift(values: Any, steps: int) -> Any:
    """Move (n, length, channels) by some steps, later where positive, with zeros."""
    if steps > 0:
        return tf.pad(values, ((0, 0), (steps, 0), (0, 0)))[:, :-steps]
    return tf.pad(values, ((0, 0), (0, -steps), (0, 0)))[:, -steps:]


def freeze_inherited(network: keras.Model) -> None:
    """Let blocks and transits alone be trained, and not their thresholds.

    Gradients of what reads activations that are never negative agree in sign. Steps of
    equal size there would wreck what the weights inherited. A network without such
    layers stays as it is.
    """
    if not any(isinstance(layer, ContextLayer) for layer in network.layers):
        return
    for layer in network.layers:
        layer.trainable = isinstance(layer, ClampedDense | ContextLayer)
        if isinstance(layer, ClampedDense):
            layer.floor.trainable = False
        elif isinstance(layer, ContextLayer):
            layer.narrow.floor.trainable = False
