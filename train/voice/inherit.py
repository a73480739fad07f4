"""A smaller `voice_campplus` that inherits what CAM++ knows, by least squares.

No training: in order, each layer is fitted on what the smaller network computes so far,
towards what the original computes. Every channel of the smaller network stands for one
of the original's. So its layers begin at the original's weights, and the last one is the
original's. `train/voice/distil.py` fine-tunes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from network.backbones.dense_temporal import ClampedDense, ContextLayer
from train.voice.least_squares import patches, ridge, separate, strongest, windows
from utils.arrays import Float32Array

Channels = NDArray[np.int64]
# Pulls towards the original's weights, as shares of the mean variance. The mask is fitted
# on few rows, one a segment.
STRENGTH = 1e-3
SQUEEZE_STRENGTH = 3e-2
EXCITE_STRENGTH = 1e-1
# Crops for the head, which has rows enough, and rows of each of its fits.
HEAD_CROPS = 24
HEAD_ROWS = 60000
BATCH = 8
# The head's convolutions in order, each with the sum that it ends in.
HEAD = (
    ("head_stem", ""),
    ("head_stage1_a_shortcut", ""),
    ("head_stage1_a1", ""),
    ("head_stage1_a2", "head_stage1_a_add"),
    ("head_stage1_b1", ""),
    ("head_stage1_b2", "head_stage1_b_add"),
    ("head_stage2_a_shortcut", ""),
    ("head_stage2_a1", ""),
    ("head_stage2_a2", "head_stage2_a_add"),
    ("head_stage2_b1", ""),
    ("head_stage2_b2", "head_stage2_b_add"),
    ("head_end", ""),
)


def inherit(
    teacher: keras.Model,
    student: keras.Model,
    features: Float32Array,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Set the weights of `student` by those of `teacher`.

    Args:
        teacher: CAM++ itself (`train.voice.campplus.import_campplus`).
        student: A smaller `voice_campplus`. It may lack the last layers of a block.
        features: Crops (n, frames, n_mels), best of one speaker each.
        report: Told in a line what is fitted.
    """
    _fit_head(teacher, student, features[:HEAD_CROPS])
    _fit_first(teacher, student, features)
    report("Fitted: the head, before three blocks.")
    body = _Body(teacher, student, features)
    for block in (1, 2, 3):
        body.fit_block(block)
        report(f"Fitted: block {block} of 3.")
    for name in ("statistics", "embed", "lift"):
        weights = teacher.get_layer(name).get_weights()
        layer = student.get_layer(name)
        # Without the ceiling, where the student has none.
        layer.set_weights(weights[: len(layer.weights)])


def _fit_head(teacher: keras.Model, student: keras.Model, features: Float32Array) -> None:
    """Fit the convolutions of the 2-D head in order."""
    rng = np.random.default_rng(0)
    for name, end in HEAD:
        layer = student.get_layer(name)
        original = teacher.get_layer(name)
        wanted = compute(teacher, teacher.get_layer(end or name).output, features)
        if end:
            # The second convolution makes up for what the shortcut misses.
            beside = student.get_layer(end).input[1]
            shortcut = compute(student, beside, features)
            wanted = wanted[:, :: round(wanted.shape[1] / shortcut.shape[1])] - shortcut
        inputs = compute(student, _unpadded_input(student, name), features)
        rows, targets = _some_rows(inputs, wanted, layer, rng)
        pull, _ = original.get_weights()
        kernel, bias = ridge(rows, targets, pull.reshape(-1, pull.shape[-1]), STRENGTH)
        layer.set_weights([kernel.reshape(pull.shape), bias])


def _unpadded_input(student: keras.Model, name: str) -> keras.KerasTensor:
    """What a convolution is given, before zeros are put around it."""
    padding = f"{name}_pad"
    names = {layer.name for layer in student.layers}
    return student.get_layer(padding if padding in names else name).input


def _some_rows(
    inputs: Float32Array, wanted: Float32Array, layer: keras.Layer, rng: np.random.Generator
) -> tuple[Float32Array, Float32Array]:
    """Some rows of what a 2-D convolution reads, and of what it should give there."""
    rows: list[Float32Array] = []
    targets: list[Float32Array] = []
    down, across = layer.strides
    for image, outputs in zip(inputs, wanted, strict=True):
        if layer.kernel_size == (1, 1):
            read = image[::down, ::across]
        else:
            read = patches(image[None], layer.strides)[0]
        places = read.shape[0] * read.shape[1]
        some = rng.permutation(places)[: HEAD_ROWS // len(inputs)]
        rows.append(read.reshape(places, -1)[some])
        same_steps = outputs[:: round(len(outputs) / len(read))]
        targets.append(same_steps.reshape(places, -1)[some])
    return np.concatenate(rows), np.concatenate(targets)


def _fit_first(teacher: keras.Model, student: keras.Model, features: Float32Array) -> None:
    """Fit the first temporal layer, towards the original's before its ReLU."""
    original, bias = teacher.get_layer("first").get_weights()
    layer = student.get_layer("first")
    theirs = compute(teacher, teacher.get_layer("bands_as_channels").output, features)
    wanted = windows(theirs, len(original), 2) @ original.reshape(-1, original.shape[-1]) + bias
    ours = compute(student, student.get_layer("bands_as_channels").output, features)
    taps = int(layer.kernel_size[0])
    pull = original if taps == len(original) else _every_second(original)
    rows = windows(ours, taps, int(layer.strides[0]))
    kernel, offset = ridge(rows, wanted, pull.reshape(-1, pull.shape[-1]), STRENGTH)
    layer.set_weights([kernel.reshape(pull.shape), offset])


def _every_second(kernel: Float32Array) -> Float32Array:
    """Three taps over every second step for five over all, (taps, c, u)."""
    first, second, third, fourth, fifth = kernel
    return np.stack([first + second / 2, (second + fourth) / 2 + third, fourth / 2 + fifth])


class _Body:
    """Fits the blocks in order. Arguments as for `inherit`."""

    def __init__(self, teacher: keras.Model, student: keras.Model, features: Float32Array) -> None:
        self._teacher = teacher
        self._student = student
        # What both compute so far.
        self._theirs = compute(teacher, teacher.get_layer("first").output, features)
        self._ours = compute(student, student.get_layer("first").output, features)
        self._segments = teacher.get_layer("segments")(tf.constant(self._theirs[:1]))

    def fit_block(self, block: int) -> None:
        """Fit the layers of a block and the transit after it."""
        for theirs, ours in self._layers(block):
            self._fit_layer(theirs, ours)
        theirs = self._teacher.get_layer(f"transit{block}")
        ours = self._student.get_layer(f"transit{block}")
        wanted = self._end_of(block)
        self._fit_clamped(ours, theirs, wanted, np.arange(ours.units))
        self._theirs = wanted
        self._ours = ours(self._ours).numpy()

    def _layers(self, block: int) -> Iterator[tuple[ContextLayer, ContextLayer]]:
        """The student's layers of a block, each after the original's that it stands for."""
        for layer in self._student.layers:
            if layer.name.startswith(f"block{block}_layer"):
                yield self._teacher.get_layer(layer.name), layer

    def _end_of(self, block: int) -> Float32Array:
        """The original's transit, after layers that the student may not have."""
        channels = self._theirs
        kernel = self._teacher.get_layer(f"transit{block}").kernel
        place = sum(1 for _ in self._layers(block))
        while channels.shape[-1] < kernel.shape[0]:
            place += 1
            layer = self._teacher.get_layer(f"block{block}_layer{place}")
            channels = self._append_output(layer, channels)
        outputs: Float32Array = self._teacher.get_layer(f"transit{block}")(channels).numpy()
        return outputs

    def _append_output(self, layer: ContextLayer, channels: Float32Array) -> Float32Array:
        added = layer([tf.constant(channels), *self._segments]).numpy()
        return np.concatenate([channels, added], axis=-1)

    def _fit_layer(self, theirs: ContextLayer, ours: ContextLayer) -> None:
        """Fit one layer, and add its output to what both compute so far."""
        wanted = theirs.narrow(self._theirs).numpy()
        original = np.maximum(wanted, 0)
        weights = theirs.point.kernel.numpy()
        counts = original.var(axis=(0, 1)) * (weights**2).sum(axis=1)
        units = strongest(counts, ours.sizes["bottleneck"])
        self._fit_clamped(ours.narrow, theirs.narrow, wanted, units)
        hidden = tf.nn.relu(ours.narrow(self._ours)).numpy()
        kernel = weights[units].reshape(len(units), 3, -1).transpose(1, 0, 2)
        convolved = theirs.convolve(tf.constant(original)).numpy()
        point, taps = separate(hidden, convolved, kernel, ours.sizes["dilation"])
        ours.point.kernel.assign(point)
        ours.taps.assign(taps)
        self._fit_mask(theirs, ours, (original, hidden), units)
        self._ours = self._append_output(ours, self._ours)
        self._theirs = self._append_output(theirs, self._theirs)

    def _fit_clamped(
        self, ours: ClampedDense, theirs: ClampedDense, wanted: Float32Array, units: Channels
    ) -> None:
        """Fit a pointwise map from the student's channels to some of the original's outputs."""
        channels = self._ours.shape[-1]
        ours.floor.assign(theirs.floor.numpy()[:channels])
        inputs = ours.clamp(self._ours).numpy()
        pull = theirs.kernel.numpy()[:channels, units]
        kernel, bias = ridge(inputs, wanted[..., units], pull, STRENGTH)
        centre = inputs.mean(axis=(0, 1))
        ours.kernel.assign(kernel)
        ours.centre.assign(centre)
        ours.bias.assign(bias + centre @ kernel)

    def _fit_mask(
        self,
        theirs: ContextLayer,
        ours: ContextLayer,
        hidden: tuple[Float32Array, Float32Array],
        units: Channels,
    ) -> None:
        share = self._segments[0]
        original, own = (tf.matmul(share, values).numpy() for values in hidden)
        kernel, bias = theirs.squeeze.get_weights()
        wide, offset = theirs.excite.get_weights()
        before = original @ kernel + bias
        squeezed = np.maximum(before, 0)
        counts = squeezed.var(axis=(0, 1)) * (wide**2).sum(axis=1)
        inner = strongest(counts, ours.sizes["context"])
        ours.squeeze.set_weights(
            ridge(own, before[..., inner], kernel[units][:, inner], SQUEEZE_STRENGTH)
        )
        rows = tf.nn.relu(ours.squeeze(own)).numpy()
        ours.excite.set_weights(ridge(rows, squeezed @ wide + offset, wide[inner], EXCITE_STRENGTH))


def compute(
    network: keras.Model, tensor: keras.KerasTensor, features: Float32Array
) -> Float32Array:
    """Compute an inner tensor of a network for all crops."""
    part = keras.Model(network.input, tensor)
    batches = [features[start : start + BATCH] for start in range(0, len(features), BATCH)]
    return np.concatenate([part(batch, training=False).numpy() for batch in batches])
