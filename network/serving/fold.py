"""Other people's ONNX files, written so that ONNX Runtime serves them well.

The vectors stay the same. What changes is what such files often come with:

- weights among the inputs, and a batch of one: the picture or sound alone stays an
  input, and the batch becomes free;
- weights stored as 8-bit integers: they are computed once, not at every call;
- PReLU, which ONNX Runtime neither merges with a convolution nor runs in the layout of
  convolutions: x ↦ (1 − a) · max(x, 0) + a · x takes two depthwise ones of 1 × 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from utils.errors import ModelError
from utils.whole_file import whole_file

# Nodes that pass their first input on.
PASSING = ("Dropout", "Identity")
Constants = dict[str, npt.NDArray[Any]]


def fold_onnx(file: Path, target: Path) -> None:
    """Write the network in `file` as `target`, as the module describes it.

    Raises:
        ModelError: The file is no ONNX network with one input besides its weights.
    """
    try:
        model = onnx.load(file)
    except Exception as error:  # of protobuf, which has no public base class
        raise ModelError(f"onnx cannot load {file.name}: {type(error).__name__}.") from error
    graph = model.graph
    constants = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    nodes = list(_without_prelu(list(_run_constants(graph.node, constants)), constants))
    used = set(chain.from_iterable(node.input for node in nodes))
    inputs = [value for value in graph.input if value.name in used - set(constants)]
    if len(inputs) != 1:
        raise ModelError(
            "A network to fold must have one input besides its weights. Received:"
            f" {', '.join(value.name for value in inputs) or 'none'}"
        )
    for value in (*inputs, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in constants.items()
        if name in used
    ]
    model.graph.CopyFrom(helper.make_graph(nodes, file.stem, inputs, graph.output, weights))
    with whole_file(target) as draft:
        onnx.save(model, draft)


def _run_constants(nodes: Any, constants: Constants) -> Iterator[onnx.NodeProto]:
    """Yield the nodes that depend on the input, and add what the others give."""
    renamed: dict[str, str] = {}
    for node in nodes:
        names = [renamed.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(names)
        if node.op_type in PASSING and names[0] not in constants:
            renamed[node.output[0]] = names[0]
        elif all(name in constants for name in names if name):
            feeds = {name: constants[name] for name in names if name}
            results = ReferenceEvaluator(node).run(None, feeds)
            constants |= dict(zip(node.output, map(np.asarray, results), strict=True))
        else:
            yield node


def _without_prelu(nodes: list[onnx.NodeProto], constants: Constants) -> Iterator[onnx.NodeProto]:
    """Yield the nodes, with two depthwise convolutions in place of every PReLU of maps."""
    for node in nodes:
        slope = constants.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is None or slope.ndim < 3 or slope.size != slope.shape[-3]:
            yield node
            continue
        source = node.input[0]
        result = node.output[0]
        kernel = slope.reshape(-1, 1, 1, 1).astype(np.float32)
        constants[f"{result}_all"] = kernel
        constants[f"{result}_positive"] = 1 - kernel
        yield helper.make_node("Relu", [source], [f"{result}_relu"])
        for part, scaled in (("all", source), ("positive", f"{result}_relu")):
            yield helper.make_node(
                "Conv",
                [scaled, f"{result}_{part}"],
                [f"{result}_{part}_scaled"],
                group=len(kernel),
                kernel_shape=[1, 1],
            )
        parts = [f"{result}_all_scaled", f"{result}_positive_scaled"]
        yield helper.make_node("Add", parts, [result])
