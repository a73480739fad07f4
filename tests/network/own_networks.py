"""ONNX files of an operator, and the command that adds them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from onnx import helper

import cli
from tests.support.tiny import save_onnx

# Options of a network that was trained on pixels normalised as on ImageNet.
IMAGENET = "--scale 0.00392156862745098 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"


def face_network(
    file: Path,
    *,
    size: int = 64,
    shape: Sequence[str | int] = ("n", 3, 112, 112),
    name: str = "pixels",
) -> Path:
    """Write a network: a picture (nchw) averaged over 8 × 8 px, projected at random."""
    rows = math.prod(int(length) for length in shape[1:]) // 64
    weights = np.random.default_rng(1).normal(size=(rows, size)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", [name], ["a"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["out"]),
    ]
    save_onnx(file, {name: list(shape)}, nodes, {"w": weights})
    return file


def voice_network(
    file: Path, *, size: int = 96, mels: int = 40, shape: Sequence[str | int] | None = None
) -> Path:
    """Write a network: features (n, mels, frames) averaged over time, projected at random."""
    weights = np.random.default_rng(2).normal(size=(mels, size)).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["out"]),
    ]
    save_onnx(file, {"x": list(shape or ("n", mels, "t"))}, nodes, {"w": weights})
    return file


def picture_network(
    file: Path,
    *nodes: Any,
    inputs: dict[str, list[str | int]] | None = None,
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write a network of these nodes over the picture `x`."""
    save_onnx(file, inputs or {"x": ["n", 3, 112, 112]}, list(nodes), weights or {})
    return file


def add_model(kind: str, file: Path, folder: Path, options: str = "") -> Result:
    """Run `cli.py models add`, with options as they are typed."""
    words = ["models", "add", kind, str(file), *options.split(), "--to", str(folder)]
    return CliRunner().invoke(cli.cli, words)


def refuse_model(kind: str, file: Path, folder: Path, options: str = "") -> str:
    """Run `cli.py models add`, check that it is refused, and return what is printed."""
    result = add_model(kind, file, folder, options)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output
