"""CAM++ of 3D-Speaker as the backbone `voice_campplus`, from its published tensors.

Batch normalisations are folded into the layers that read them. Its last ReLU is left
out: 3D-Speaker's own code has none, and without it the embeddings tell speakers apart
better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from network.backbones.dense_temporal import NO_CEILING, NO_FLOOR
from network.backbones.voice_campplus import LAYERS, ORIGINAL, build_voice_campplus
from utils.arrays import Float64Array

EPSILON = 1e-5
# A channel whose floor lies further down never meets it.
FURTHEST = 60.0
HEAD_STAGES = {"layer1": "head_stage1", "layer2": "head_stage2"}
Tensors = Mapping[str, NDArray[Any]]
Affine = tuple[Float64Array, Float64Array]
"""Scale and offset of each channel."""


def import_campplus(tensors: Tensors) -> keras.Model:
    """Build CAM++ with its published weights, before its last ReLU.

    Args:
        tensors: The state dictionary `campplus_cn_en_common.pt`.

    Returns:
        Model from (n, frames, 80) mean-normalised Kaldi filterbanks (samples in [-1, 1])
        to (n, 512) of unit length, with the cosines of its 192 numbers.

    Raises:
        KeyError: A tensor is missing.
    """
    network = build_voice_campplus(**ORIGINAL)
    for name, weights in _all_weights(tensors):
        network.get_layer(name).set_weights(weights)
    return network


def _all_weights(tensors: Tensors) -> Iterator[tuple[str, list[Any]]]:
    yield from _head(tensors)
    yield "first", _first(tensors)
    for block, count in enumerate(LAYERS, 1):
        for place in range(1, count + 1):
            yield (
                f"block{block}_layer{place}",
                _layer(tensors, f"xvector.block{block}.tdnnd{place}"),
            )
        yield f"transit{block}", _transit(tensors, f"xvector.transit{block}")
    yield "statistics", list(_clamp(normalisation(tensors, "xvector.out_nonlinear.batchnorm"))[:2])
    yield "embed", _embed(tensors)


def normalisation(tensors: Tensors, name: str) -> Affine:
    """Scale and offset of a batch normalisation in evaluation."""
    variance = tensors[f"{name}.running_var"].astype(np.float64)
    scale = tensors.get(f"{name}.weight", np.ones_like(variance)) / np.sqrt(variance + EPSILON)
    mean = tensors[f"{name}.running_mean"]
    return scale, tensors.get(f"{name}.bias", np.zeros_like(variance)) - mean * scale


def _clamp(affine: Affine) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Floor, ceiling and constant of relu(scale * x + offset).

    It is scale * min(max(x, floor), ceiling) + constant.
    """
    scale, offset = affine
    edge = -offset / scale
    falling = scale < 0
    always = (edge < -FURTHEST) & ~falling
    floor = np.where(falling, NO_FLOOR, np.maximum(edge, -FURTHEST))
    ceiling = np.where(falling, edge, NO_CEILING)
    constant = np.where(falling | always, offset, -scale * floor)
    return floor, ceiling, constant


def _head(tensors: Tensors) -> Iterator[tuple[str, list[Any]]]:
    yield "head_stem", _planes(tensors, "head.conv1", "head.bn1")
    for stage, ours in HEAD_STAGES.items():
        for number, letter in enumerate("ab"):
            block = f"head.{stage}.{number}"
            for part in "12":
                name = f"{ours}_{letter}{part}"
                yield name, _planes(tensors, f"{block}.conv{part}", f"{block}.bn{part}")
        shortcut = f"head.{stage}.0.shortcut"
        yield f"{ours}_a_shortcut", _planes(tensors, f"{shortcut}.0", f"{shortcut}.1")
    yield "head_end", _planes(tensors, "head.conv2", "head.bn2")


def _planes(tensors: Tensors, convolution: str, norm: str) -> list[Any]:
    """Kernel (time, bands, in, out) and bias of a convolution over (in, bands, time)."""
    scale, offset = normalisation(tensors, norm)
    return [tensors[f"{convolution}.weight"].transpose(3, 2, 1, 0) * scale, offset]


def _first(tensors: Tensors) -> list[Any]:
    """The first temporal layer, whose inputs are channels by bands, not bands by channels."""
    scale, offset = normalisation(tensors, "xvector.tdnn.nonlinear.batchnorm")
    kernel = tensors["xvector.tdnn.linear.weight"]
    units, inputs, taps = kernel.shape
    planes = kernel.reshape(units, 32, inputs // 32, taps)
    ours = planes.transpose(3, 2, 1, 0).reshape(taps, inputs, units)
    return [ours * scale, offset]


def _layer(tensors: Tensors, name: str) -> list[Any]:
    floor, ceiling, constant = _clamp(normalisation(tensors, f"{name}.nonlinear1.batchnorm"))
    scale_in, _ = normalisation(tensors, f"{name}.nonlinear1.batchnorm")
    scale, offset = normalisation(tensors, f"{name}.nonlinear2.batchnorm")
    linear = tensors[f"{name}.linear1.weight"][:, :, 0].T
    kernel = linear * scale_in[:, None] * scale
    bias = (constant @ linear) * scale + offset
    local = tensors[f"{name}.cam_layer.linear_local.weight"]
    point = local.transpose(1, 2, 0).reshape(local.shape[1], -1)
    mask: list[Any] = []
    for part in ("linear1", "linear2"):
        mask.append(tensors[f"{name}.cam_layer.{part}.weight"][:, :, 0].T)
        mask.append(tensors[f"{name}.cam_layer.{part}.bias"])
    return [floor, kernel, bias, ceiling, np.zeros_like(floor), point, *mask]


def _transit(tensors: Tensors, name: str) -> list[Any]:
    norm = normalisation(tensors, f"{name}.nonlinear.batchnorm")
    floor, ceiling, constant = _clamp(norm)
    linear = tensors[f"{name}.linear.weight"][:, :, 0].T
    kernel = linear * norm[0][:, None]
    return [floor, kernel, constant @ linear, ceiling, np.zeros_like(floor)]


def _embed(tensors: Tensors) -> list[Any]:
    """The last layer on statistics of clamped channels.

    A deviation scales by the size of a channel's scale, and constants do not matter to it.
    """
    norm = normalisation(tensors, "xvector.out_nonlinear.batchnorm")
    scale_in, _ = norm
    constant = _clamp(norm)[2]
    scale, offset = normalisation(tensors, "xvector.dense.nonlinear.batchnorm")
    linear = tensors["xvector.dense.linear.weight"][:, :, 0].T
    kernel = linear * np.concatenate([scale_in, np.abs(scale_in)])[:, None] * scale
    bias = (constant @ linear[: len(constant)]) * scale + offset
    return [kernel, bias]
