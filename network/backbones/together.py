"""Utterances of several lengths through one network, each as if it were alone.

The shorter ones of a batch are filled up with zeros. A network that takes this fill for
silence hears an utterance otherwise in a batch than by itself. So normalisations see the
real rows alone, recurrent layers begin and end with them, and convolutions find zeros
beyond the end, as they do at the end of a single utterance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from network.backbones.blocks import FastBatchNorm


def hear_together(
    network: keras.Model, features: tf.Tensor, frames: tf.Tensor, *, training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Run a network whose layers follow one another on utterances of several lengths.

    Args:
        network: Convolutions are padded by layers of their own, so that where a step
            begins does not depend on the length.
        features: (n, most frames, n_mels) float32, zero beyond each end.
        frames: (n,) int32, the frames of each.
        training: Normalisations use the statistics of this batch, and note them.

    Returns:
        Output (n, most steps, outputs) of the network, and the steps (n,) int32 of each.
        What lies beyond them says nothing.
    """
    x = features
    steps = tf.convert_to_tensor(frames)
    for layer in network.layers[1:]:
        if isinstance(layer, keras.layers.Conv2D):
            steps = -(-steps // layer.strides[0])
            x = layer(x)
        elif isinstance(layer, FastBatchNorm):
            x = _normalise(layer, x, steps, training=training)
        else:
            x = layer(x, **_options_of(layer, x, steps, training=training))
    return x, steps


def _normalise(
    layer: FastBatchNorm, x: tf.Tensor, steps: tf.Tensor, *, training: bool
) -> tf.Tensor:
    """Normalise the real rows of (n, steps, ...). The others become zero."""
    rows = tf.where(_mark(x, steps))
    normal = layer(tf.gather_nd(x, rows), training=training)
    return tf.scatter_nd(rows, normal, tf.shape(x, tf.int64))


def _options_of(
    layer: keras.layers.Layer, x: tf.Tensor, steps: tf.Tensor, *, training: bool
) -> Mapping[str, Any]:
    """What a layer that goes along the steps is told of their ends."""
    if isinstance(layer, keras.layers.Bidirectional | keras.layers.RNN):
        return {"mask": _mark(x, steps), "training": training}
    return {}


def _mark(x: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Mark the real rows of (n, steps, ...) as (n, steps)."""
    return tf.sequence_mask(steps, tf.shape(x)[1])
