"""The optimizers that a configuration names (`optimizer` in `[loop]`).

AdamW takes the decay off the kernels by itself (Loshchilov and Hutter 2019,
arXiv:1711.05101). For Adam and SGD the decay is added to the gradients, as in their
original form (L2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from train.loop.options import LoopOptions

# Parts of the names of variables that do not decay.
NO_DECAY = ("bias", "gamma", "beta", "alpha")
EPSILON = 1e-7
# Sizes of a tensor that a relative step is at least and at most a share of.
LEAST_SIZE = 0.01
MOST_SIZE = 0.3


def _adamw(options: LoopOptions) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW(
        options.peak_rate, weight_decay=options.weight_decay, epsilon=EPSILON
    )
    optimizer.exclude_from_weight_decay(var_names=list(NO_DECAY))
    return optimizer


def _adam(options: LoopOptions) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(options.peak_rate, epsilon=EPSILON)


def _sgd(options: LoopOptions) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(options.peak_rate, momentum=options.momentum)


class RelativeAdam(keras.optimizers.Adam):
    """Adam whose learning rate is a share of the size of each tensor.

    It suits weights that were inherited rather than drawn: a step that is small for one
    tensor would wreck another. The size is the root mean square of the present values, as
    in Adafactor (Shazeer and Stern 2018, arXiv:1804.04235).
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change `variable` by one step."""
        size = tf.sqrt(tf.reduce_mean(tf.square(tf.convert_to_tensor(variable))))
        share = tf.clip_by_value(size, LEAST_SIZE, MOST_SIZE)
        super().update_step(gradient, variable, learning_rate * share)


def _relative_adam(options: LoopOptions) -> keras.optimizers.Optimizer:
    return RelativeAdam(options.peak_rate, beta_2=0.98, epsilon=EPSILON)


OPTIMIZERS: Mapping[str, Callable[[LoopOptions], keras.optimizers.Optimizer]] = {
    "adamw": _adamw,
    "relative_adam": _relative_adam,
    "adam": _adam,
    "sgd": _sgd,
}


def make_optimizer(options: LoopOptions, variables: Sequence[Any]) -> keras.optimizers.Optimizer:
    """Make the optimizer that the options name, built for `variables`."""
    optimizer = OPTIMIZERS[options.optimizer](options)
    optimizer.build(list(variables))
    return optimizer


def add_decay(
    gradients: Sequence[tf.Tensor], variables: Sequence[Any], options: LoopOptions
) -> list[tf.Tensor]:
    """Add the decay to the gradients of kernels, but for AdamW, which has its own."""
    if options.optimizer == "adamw" or not options.weight_decay:
        return list(gradients)
    return [
        _pull_down(gradient, variable, options.weight_decay)
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def _pull_down(gradient: tf.Tensor, variable: Any, weight_decay: float) -> tf.Tensor:
    if any(part in variable.path for part in NO_DECAY):
        return gradient
    return gradient + weight_decay * tf.cast(variable.value, gradient.dtype)
