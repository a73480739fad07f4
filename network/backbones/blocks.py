"""Building blocks of the depthwise-separable networks, shared by face and voice.

- `FastBatchNorm`: batch normalisation by TensorFlow's fused kernel
- `GlobalDepthwise`: the global depthwise convolution of MobileFaceNets (Chen et al. 2018,
  arXiv:1804.07573), whose kernel adapts to the size of the feature map
- functions that put layers together into inverted residual bottlenecks (Sandler et al.
  2018, arXiv:1801.04381)
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

PACKAGE = "duet"


@keras.saving.register_keras_serializable(PACKAGE)
class FastBatchNorm(keras.layers.Layer):
    """Batch normalisation over all axes but the last, by TensorFlow's fused kernel.

    On a CPU it takes a third of the time of `keras.layers.BatchNormalization`, which is
    put together from single operations. Statistics are float32 whatever the input's
    dtype is.
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs: Any) -> None:
        """Set the options, both as in Keras.

        Args:
            momentum: Of the moving statistics.
            epsilon: Added to the variance.
        """
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create scale, offset and moving statistics for (..., channels)."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(
            shape=shape, initializer="ones", name="gamma", dtype="float32", autocast=False
        )
        self.beta = self.add_weight(
            shape=shape, initializer="zeros", name="beta", dtype="float32", autocast=False
        )
        self.moving_mean = self._statistic(shape, "zeros", "moving_mean")
        self.moving_variance = self._statistic(shape, "ones", "moving_variance")

    def _statistic(self, shape: tuple[int | None, ...], initializer: str, name: str) -> Any:
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            name=name,
            dtype="float32",
            autocast=False,
            trainable=False,
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalise (n, channels), (n, length, channels) or (n, h, w, channels).

        The same shape comes out. A layer that is not `trainable` keeps its statistics.
        """
        training = training and self.trainable
        shape = tf.shape(inputs)
        image = (
            inputs if inputs.shape.rank == 4 else tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1]))
        )
        output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=image,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=tf.zeros((0,)) if training else self.moving_mean.value,
            variance=tf.zeros((0,)) if training else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
            self.moving_variance.assign(
                self.moving_variance * self.momentum + variance * (1 - self.momentum)
            )
        return output if inputs.shape.rank == 4 else tf.reshape(output, shape)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        config: dict[str, Any] = super().get_config()
        return config | {"momentum": self.momentum, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(PACKAGE)
class GlobalDepthwise(keras.layers.Layer):
    """Weighted sum over the whole feature map, with one weight map per channel.

    Maps (n, h, w, c) to (n, c). The weights belong to a map of `size` × `size`. For a
    smaller map (training at a lower resolution) they are resized bilinearly and scaled
    so that their sum stays. One network can so be trained at several resolutions.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        """Set the height and width of the feature map at full resolution."""
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel (size, size, channels), which starts as an average."""
        shape = (self.size, self.size, input_shape[-1])
        start = keras.initializers.RandomNormal(mean=1 / self.size**2, stddev=0.5 / self.size**2)
        self.kernel = self.add_weight(shape=shape, initializer=start, name="kernel")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Weigh and sum (n, h, w, c) over h and w.

        h and w must be known when the graph is traced.
        """
        height = inputs.shape[1]
        width = inputs.shape[2]
        kernel = tf.convert_to_tensor(self.kernel)
        if None not in (height, width) and (height, width) != (self.size, self.size):
            resized = tf.image.resize(tf.cast(kernel, tf.float32), (height, width), antialias=True)
            kernel = tf.cast(resized * (self.size**2 / (height * width)), inputs.dtype)
        return tf.reduce_sum(inputs * tf.cast(kernel, inputs.dtype), axis=(1, 2))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, c)."""
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size}


def conv_norm(
    x: Any, filters: int, kernel: int, name: str, *, strides: int = 1, relu: bool = True
) -> Any:
    """Apply a convolution without bias, batch normalisation and, if wanted, ReLU."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides,
        "same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return _norm(x, name, relu)


def depthwise_norm(x: Any, kernel: int, name: str, *, strides: int = 1) -> Any:
    """Apply a depthwise convolution without bias, batch normalisation and ReLU."""
    return _norm(depthwise(x, kernel, name, strides=strides), name, relu=True)


def depthwise(x: Any, kernel: int, name: str, *, strides: int = 1) -> Any:
    """Apply a depthwise convolution without bias."""
    # Under mixed precision the strided ones stay float32: in bfloat16 TensorFlow's CPU
    # kernels for their gradients take twenty times as long (measured: 120 ms against
    # 6 ms for 128 maps of 16 × 16 × 192).
    return keras.layers.DepthwiseConv2D(
        kernel,
        strides,
        "same",
        use_bias=False,
        depthwise_initializer="he_normal",
        dtype="float32" if strides > 1 else None,
        name=f"{name}_depthwise",
    )(x)


def bottleneck(x: Any, filters: int, expansion: int, name: str, *, strides: int = 1) -> Any:
    """Apply an inverted residual bottleneck.

    1×1 up to `expansion` channels, 3×3 depthwise, linear 1×1 down to `filters` channels,
    plus the input where the shapes agree.
    """
    hidden = conv_norm(x, expansion, 1, f"{name}_up")
    hidden = depthwise_norm(hidden, 3, f"{name}_mix", strides=strides)
    hidden = conv_norm(hidden, filters, 1, f"{name}_down", relu=False)
    if strides == 1 and x.shape[-1] == filters:
        return keras.layers.Add(name=f"{name}_add")([x, hidden])
    return hidden


def _norm(x: Any, name: str, relu: bool) -> Any:
    x = FastBatchNorm(name=f"{name}_norm")(x)
    return keras.layers.Activation("relu", name=f"{name}_act")(x) if relu else x
