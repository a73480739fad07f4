"""Networks with less work in them, to the same vectors within float32 noise.

ONNX Runtime merges what it knows. Two things that TensorFlow writes for speech it runs as
they are:

- a depthwise convolution over time, as products of shifted steps that are added up;
- sums and means over the steps of (n, steps, channels). A product with ones takes a
  tenth of the time.

They are changed in memory, while a file is loaded. Its hash stays, and so does the id of
its encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from utils.arrays import Float32Array

# What exporters write for "to the end", or more
_TO_THE_END = 2**31 - 1

# Fewer products take no longer than the convolution
_LEAST_TAPS = 3

# Numbers of a constant that may state a shape
_SMALL = 64

# The first version of ONNX that tells a part of a shape
_LEAST_OPSET = 15


def lighten(model: onnx.ModelProto) -> bool:
    """Change a network in place, and return whether anything was found.

    Networks with branches or loops are left alone.
    """
    if _opset(model) < _LEAST_OPSET or _has_branches(model):
        return False
    graph = _Graph(model)
    for node in model.graph.node:
        if node.op_type == "Add":
            graph.replace(node, _as_convolution(graph, node))
        elif node.op_type in ("ReduceSum", "ReduceMean"):
            graph.replace(node, _as_product(graph, node))
    return graph.finish()


def _opset(model: onnx.ModelProto) -> int:
    return max((o.version for o in model.opset_import if not o.domain), default=0)


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a network with inputs in place of its large constants: shapes need no more."""
    graph = model.graph
    small = []
    inputs = [*graph.input]
    for tensor in graph.initializer:
        if np.prod(tensor.dims) <= _SMALL:
            small.append(tensor)
        else:
            inputs.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    light = helper.make_graph(graph.node, graph.name, inputs, graph.output, small)
    return helper.make_model(light, opset_imports=model.opset_import, ir_version=model.ir_version)


def _has_branches(model: onnx.ModelProto) -> bool:
    attributes = chain.from_iterable(node.attribute for node in model.graph.node)
    return any(attribute.HasField("g") for attribute in attributes)


class _Graph:
    """A graph whose nodes are found by what they make."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._makers: dict[str, Any] = {}
        for node in model.graph.node:
            self._makers |= dict.fromkeys(node.output, node)
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._others: dict[str, list[Any]] = {}

    def maker(self, value: str, kind: str) -> Any:
        """The node that makes a value, None where it is of another kind."""
        node = self._makers.get(value)
        return node if node is not None and node.op_type == kind else None

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """A constant, None for what depends on the input."""
        tensor = self._constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def integers(self, name: str) -> list[int] | None:
        """A constant row of integers, None for anything else."""
        array = self.constant(name)
        return None if array is None or array.ndim != 1 else [int(one) for one in array]

    def add_constant(self, name: str, values: npt.NDArray[Any]) -> str:
        """Add a constant, and return its name."""
        self._model.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def channels(self, value: str) -> int | None:
        """Channels of a float32 value (n, steps, channels), 0 where they are free.

        None where it has another shape or type.
        """
        kind = self._types.get(value)
        if kind is None or kind.elem_type != onnx.TensorProto.FLOAT or len(kind.shape.dim) != 3:
            return None
        return int(kind.shape.dim[2].dim_value)

    @cached_property
    def _types(self) -> dict[str, Any]:
        inferred = onnx.shape_inference.infer_shapes(_without_weights(self._model)).graph
        values = (*inferred.value_info, *inferred.input)
        return {value.name: value.type.tensor_type for value in values}

    def replace(self, node: Any, others: Sequence[Any]) -> None:
        """Let others make what a node made. None of them leave it as it is."""
        if others:
            self._others[node.output[0]] = list(others)

    def finish(self) -> bool:
        """Write the new nodes without what nobody reads now. Return whether there are any."""
        if not self._others:
            return False
        graph = self._model.graph
        others = (self._others.get(node.output[0], [node]) for node in graph.node)
        read = {value.name for value in graph.output}
        nodes = []
        for node in reversed(list(chain.from_iterable(others))):
            if read & set(node.output):
                read |= set(node.input)
                nodes.append(node)
        del graph.node[:]
        graph.node.extend(reversed(nodes))
        return True


@dataclass(frozen=True)
class _Tap:
    """Values of `source` some steps ahead, times a weight for each channel."""

    source: str
    ahead: int
    weights: Float32Array


def _as_convolution(graph: _Graph, node: Any) -> list[Any]:
    """Write a sum of taps as a depthwise convolution. [] for another sum."""
    taps = sorted(_taps(graph, node.output[0]), key=lambda tap: tap.ahead)
    if len(taps) < _LEAST_TAPS or len({(tap.source, len(tap.weights)) for tap in taps}) > 1:
        return []
    first = taps[0]
    last = taps[-1]
    distances = {after.ahead - before.ahead for before, after in pairwise(taps)}
    if len(distances) > 1 or 0 in distances or not first.ahead <= 0 <= last.ahead:
        return []
    if graph.channels(first.source) != len(first.weights):
        return []
    result = node.output[0]
    kernel = np.stack([tap.weights for tap in taps], axis=1)[:, None]
    names = [f"{result}/by_channel", graph.add_constant(f"{result}/taps", kernel)]
    return [
        helper.make_node("Transpose", [first.source], names[:1], perm=[0, 2, 1]),
        helper.make_node(
            "Conv",
            names,
            [f"{result}/convolved"],
            group=len(kernel),
            dilations=[*distances],
            pads=[-first.ahead, last.ahead],
        ),
        helper.make_node("Transpose", [f"{result}/convolved"], [result], perm=[0, 2, 1]),
    ]


def _taps(graph: _Graph, value: str) -> list[_Tap]:
    """List the taps whose sum a value is. [] where it is something else."""
    if add := graph.maker(value, "Add"):
        parts = [_taps(graph, name) for name in add.input]
        return [*chain.from_iterable(parts)] if all(parts) else []
    ahead = 0
    if cut := graph.maker(value, "Slice"):
        pad = graph.maker(cut.input[0], "Pad")
        moved = _steps_ahead(graph, pad, cut) if pad else None
        if moved is None:
            return []
        value = pad.input[0]
        ahead = moved
    product = graph.maker(value, "Mul")
    return _tap(graph, product.input, ahead) if product else []


def _tap(graph: _Graph, factors: Sequence[str], ahead: int) -> list[_Tap]:
    for source, other in (factors, factors[::-1]):
        weights = graph.constant(other)
        if weights is not None and weights.ndim == 1 and weights.dtype == np.float32:
            return [_Tap(source, ahead, weights)]
    return []


def _steps_ahead(graph: _Graph, pad: Any, cut: Any) -> int | None:
    """By how many steps padding with zeros and cutting move (n, steps, channels).

    None where they do anything else.
    """
    added = _added_steps(graph, pad)
    dropped = _dropped_steps(graph, cut)
    if added is None or dropped is None or sum(added) != sum(dropped):
        return None
    return dropped[0] - added[0]


def _added_steps(graph: _Graph, pad: Any) -> tuple[int, int] | None:
    """Zeros before and after the steps. None for any other padding."""
    modes = {attribute.s for attribute in pad.attribute if attribute.name == "mode"}
    fillings = [graph.constant(name) for name in pad.input[2:3] if name]
    pads = graph.integers(pad.input[1])
    if modes - {b"constant"} or any(value is None or value.any() for value in fillings):
        return None
    if pads is None or len(pads) != 6 or len(pad.input) > 3 or min(pads) < 0:
        return None
    batch, before, channels, *ends = pads
    return None if any((batch, channels, ends[0], ends[2])) else (before, ends[1])


def _dropped_steps(graph: _Graph, cut: Any) -> tuple[int, int] | None:
    """Steps that are left out at both ends. None for any other cut."""
    rows = [graph.integers(name) for name in cut.input[1:]]
    starts, ends, axes, strides = [*rows, None, None, None][:4]
    if starts is None or ends is None or axes is None or set(strides or [1]) != {1}:
        return None
    dropped = (0, 0)
    for start, end, axis in zip(starts, ends, axes, strict=True):
        left = 0 if end >= _TO_THE_END else -end
        if axis == 1 and start >= 0 <= left:
            dropped = (start, left)
        elif start or left:
            return None
    return dropped


def _as_product(graph: _Graph, node: Any) -> list[Any]:
    """Write a sum or mean over steps as a product with ones. [] for another one."""
    options = {attribute.name: attribute for attribute in node.attribute}
    axes = list(options["axes"].ints) if "axes" in options else None
    if len(node.input) > 1:
        axes = graph.integers(node.input[1])
    source = node.input[0]
    if axes != [1] or graph.channels(source) is None:
        return []
    result = node.output[0]
    names = {part: f"{result}/{part}" for part in ("steps", "shape", "ones", "sum", "count")}
    first = graph.add_constant(f"{result}/first", np.ones(1, np.int64))
    one = numpy_helper.from_array(np.ones(1, np.float32))
    nodes = [
        helper.make_node("Shape", [source], [names["steps"]], start=1, end=2),
        helper.make_node("Concat", [first, names["steps"]], [names["shape"]], axis=0),
        helper.make_node("ConstantOfShape", [names["shape"]], [names["ones"]], value=one),
        helper.make_node("MatMul", [names["ones"], source], [names["sum"]]),
    ]
    if node.op_type == "ReduceMean":
        real = onnx.TensorProto.FLOAT
        nodes.append(helper.make_node("Cast", [names["steps"]], [names["count"]], to=real))
        inputs = [names["sum"], names["count"]]
        nodes.append(helper.make_node("Div", inputs, [f"{result}/mean"]))
    if "keepdims" in options and not options["keepdims"].i:
        inputs = [nodes[-1].output[0], first]
        nodes.append(helper.make_node("Squeeze", inputs, [result]))
    nodes[-1].output[0] = result
    return nodes
