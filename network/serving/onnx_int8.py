"""ONNX files in 8 bits: convolutions and matrix products, by representative inputs.

Weights are quantised by channel. Depthwise convolutions, the first convolution and the
last matrix product stay float32: they hold little work, and the cosine with the float
network stays above 0.99 without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from utils.arrays import Float32Array


class _Inputs(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime states no types
    """Hands representative inputs over, one by one."""

    def __init__(self, name: str, inputs: Sequence[Float32Array]) -> None:
        self._name = name
        self._left = iter(inputs)

    def get_next(self) -> dict[str, Float32Array] | None:
        """The next input by its name, None after the last."""
        one = next(self._left, None)
        return None if one is None else {self._name: one}


def quantise_onnx(
    file: Path,
    target: Path,
    inputs: Sequence[Float32Array],
    *,
    operations: Sequence[str] = ("Conv", "MatMul"),
) -> None:
    """Write a network of one input in 8 bits.

    Args:
        file: The network in float32.
        target: The file to write, which may be the same.
        inputs: (1, ...) each. They represent what will come.
        operations: What is quantised, by its name in ONNX.
    """
    graph = onnx.load(file).graph
    quantize_static(
        str(file),
        str(target),
        _Inputs(graph.input[0].name, inputs),
        per_channel=True,
        op_types_to_quantize=list(operations),
        nodes_to_exclude=_float_nodes(graph),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def is_quantised(file: Path) -> bool:
    """Whether a part of an ONNX file computes in 8 bits."""
    nodes = onnx.load(file, load_external_data=False).graph.node
    return any(node.op_type == "QuantizeLinear" for node in nodes)


def _float_nodes(graph: Any) -> list[str]:
    """Name the nodes that stay float32."""
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    products = [node for node in graph.node if node.op_type == "MatMul"]
    depthwise = [node for node in convolutions if _is_depthwise(node)]
    return [node.name for node in (*convolutions[:1], *depthwise, *products[-1:])]


def _is_depthwise(node: Any) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
