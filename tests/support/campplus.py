"""CAM++ by its definition in numpy, on the tensors of its state dictionary.

It follows 3D-Speaker's code: channels first, batch normalisations as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Tensors = Mapping[str, Array]
LAYERS = (12, 24, 16)
EPSILON = 1e-5


def random_tensors() -> dict[str, Array]:
    """A state dictionary of CAM++'s shapes, with some negative scales."""
    rng = np.random.default_rng(0)
    tensors: dict[str, Array] = {}

    def weight(name: str, *shape: int) -> None:
        size = np.prod(shape[1:])
        tensors[f"{name}.weight"] = rng.normal(0, 1.4 / np.sqrt(size), shape).astype(np.float32)

    def norm(name: str, channels: int, affine: bool = True) -> None:
        tensors[f"{name}.running_mean"] = rng.normal(0, 0.2, channels).astype(np.float32)
        tensors[f"{name}.running_var"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
        if affine:
            sign = np.where(rng.random(channels) < 0.02, -1, 1)
            tensors[f"{name}.weight"] = (sign * rng.uniform(0.6, 1.2, channels)).astype(np.float32)
            tensors[f"{name}.bias"] = rng.normal(0, 0.2, channels).astype(np.float32)

    weight("head.conv1", 32, 1, 3, 3)
    norm("head.bn1", 32)
    for stage in (1, 2):
        for block in (0, 1):
            name = f"head.layer{stage}.{block}"
            for half in (1, 2):
                weight(f"{name}.conv{half}", 32, 32, 3, 3)
                norm(f"{name}.bn{half}", 32)
        weight(f"head.layer{stage}.0.shortcut.0", 32, 32, 1, 1)
        norm(f"head.layer{stage}.0.shortcut.1", 32)
    weight("head.conv2", 32, 32, 3, 3)
    norm("head.bn2", 32)
    weight("xvector.tdnn.linear", 128, 320, 5)
    norm("xvector.tdnn.nonlinear.batchnorm", 128)
    channels = 128
    for block, count in enumerate(LAYERS, 1):
        for place in range(1, count + 1):
            name = f"xvector.block{block}.tdnnd{place}"
            norm(f"{name}.nonlinear1.batchnorm", channels)
            weight(f"{name}.linear1", 128, channels, 1)
            norm(f"{name}.nonlinear2.batchnorm", 128)
            weight(f"{name}.cam_layer.linear_local", 32, 128, 3)
            for part, rows, columns in (("linear1", 64, 128), ("linear2", 32, 64)):
                weight(f"{name}.cam_layer.{part}", rows, columns, 1)
                tensors[f"{name}.cam_layer.{part}.bias"] = rng.normal(0, 0.1, rows)
            channels += 32
        norm(f"xvector.transit{block}.nonlinear.batchnorm", channels)
        weight(f"xvector.transit{block}.linear", channels // 2, channels, 1)
        channels //= 2
    norm("xvector.out_nonlinear.batchnorm", channels)
    weight("xvector.dense.linear", 192, 2 * channels, 1)
    norm("xvector.dense.nonlinear.batchnorm", 192, affine=False)
    return tensors


def embed(tensors: Tensors, features: Array) -> Array:
    """Embed features (frames, 80) of one utterance: (192,), before the last ReLU."""
    x = _body(tensors, _head(tensors, features.T[None].astype(np.float64)))
    x = _relu(_norm(tensors, "xvector.out_nonlinear.batchnorm", x))
    pooled = np.concatenate([x.mean(axis=1), x.std(axis=1, ddof=1)])
    linear = tensors["xvector.dense.linear.weight"][:, :, 0]
    return _norm(tensors, "xvector.dense.nonlinear.batchnorm", linear @ pooled)


def _head(tensors: Tensors, x: Array) -> Array:
    x = _relu(_norm(tensors, "head.bn1", _planes(x, tensors["head.conv1.weight"], 1)))
    for stage in (1, 2):
        for block in (0, 1):
            name = f"head.layer{stage}.{block}"
            stride = 2 - block
            y = _planes(x, tensors[f"{name}.conv1.weight"], stride)
            y = _relu(_norm(tensors, f"{name}.bn1", y))
            y = _norm(tensors, f"{name}.bn2", _planes(y, tensors[f"{name}.conv2.weight"], 1))
            if not block:
                x = _planes(x, tensors[f"{name}.shortcut.0.weight"], stride)
                x = _norm(tensors, f"{name}.shortcut.1", x)
            x = _relu(x + y)
    x = _relu(_norm(tensors, "head.bn2", _planes(x, tensors["head.conv2.weight"], 2)))
    return x.reshape(-1, x.shape[2])


def _body(tensors: Tensors, x: Array) -> Array:
    x = _convolve(x, tensors["xvector.tdnn.linear.weight"], stride=2)
    x = _relu(_norm(tensors, "xvector.tdnn.nonlinear.batchnorm", x))
    for block, count in enumerate(LAYERS, 1):
        for place in range(1, count + 1):
            name = f"xvector.block{block}.tdnnd{place}"
            x = np.concatenate([x, _layer(tensors, name, x, 1 if block == 1 else 2)])
        name = f"xvector.transit{block}"
        x = _relu(_norm(tensors, f"{name}.nonlinear.batchnorm", x))
        x = tensors[f"{name}.linear.weight"][:, :, 0] @ x
    return x


def _layer(tensors: Tensors, name: str, x: Array, dilation: int) -> Array:
    hidden = _relu(_norm(tensors, f"{name}.nonlinear1.batchnorm", x))
    hidden = tensors[f"{name}.linear1.weight"][:, :, 0] @ hidden
    hidden = _relu(_norm(tensors, f"{name}.nonlinear2.batchnorm", hidden))
    context = np.repeat(hidden.mean(axis=1, keepdims=True), hidden.shape[1], axis=1)
    for start in range(0, hidden.shape[1], 100):
        steps = slice(start, start + 100)
        context[:, steps] += hidden[:, steps].mean(axis=1, keepdims=True)
    mask = context
    for part, activation in (("linear1", _relu), ("linear2", _sigmoid)):
        kernel = tensors[f"{name}.cam_layer.{part}.weight"][:, :, 0]
        mask = activation(kernel @ mask + tensors[f"{name}.cam_layer.{part}.bias"][:, None])
    local = tensors[f"{name}.cam_layer.linear_local.weight"]
    return _convolve(hidden, local, dilation=dilation) * mask


def _norm(tensors: Tensors, name: str, x: Array) -> Array:
    shape = (-1, *[1] * (x.ndim - 1))
    scale = 1 / np.sqrt(tensors[f"{name}.running_var"].astype(np.float64) + EPSILON)
    scale = scale * tensors.get(f"{name}.weight", np.float64(1))
    centred = x - tensors[f"{name}.running_mean"].reshape(shape)
    offset = np.broadcast_to(tensors.get(f"{name}.bias", np.float64(0)), scale.shape)
    return np.asarray(centred * scale.reshape(shape) + offset.reshape(shape))


def _planes(x: Array, kernel: Array, stride: int) -> Array:
    """Convolve (channels, bands, frames), with a stride over the bands."""
    size = kernel.shape[2]
    reach = size // 2
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
    bands = (x.shape[1] + 2 * reach - size) // stride + 1
    total = np.zeros((len(kernel), bands, x.shape[2]))
    for row in range(size):
        rows = padded[:, row : row + stride * (bands - 1) + 1 : stride]
        for column in range(size):
            read = rows[:, :, column : column + x.shape[2]]
            total += np.einsum("oi,ibt->obt", kernel[:, :, row, column], read)
    return total


def _convolve(x: Array, kernel: Array, *, dilation: int = 1, stride: int = 1) -> Array:
    """Convolve (channels, steps)."""
    taps = kernel.shape[2]
    reach = taps // 2 * dilation
    padded = np.pad(x, ((0, 0), (reach, reach)))
    steps = (x.shape[1] - 1) // stride + 1
    total = np.zeros((len(kernel), steps))
    for tap in range(taps):
        first = tap * dilation
        read = padded[:, first : first + stride * (steps - 1) + 1 : stride]
        total += kernel[:, :, tap] @ read
    return total


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
