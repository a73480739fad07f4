"""Networks under two runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from network.serving.runtime import OnnxRuntime
from utils.arrays import Float32Array

if TYPE_CHECKING:
    import keras


def largest_difference(model: keras.Model, path: Path, inputs: list[Float32Array]) -> float:
    """Compare the outputs of `model` and of the ONNX file for `inputs`."""
    expected = np.asarray(model(inputs[0] if len(inputs) == 1 else inputs, training=False))
    return float(np.abs(expected - OnnxRuntime(path).run(*inputs)).max())


def make_uneven(model: keras.Model) -> None:
    """Make the weights and statistics of normalisations as uneven as after training."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
