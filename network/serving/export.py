"""Export of a trained Keras network as ONNX, and what the network costs.

The same weights run 2 to 5 times faster under onnxruntime than in TensorFlow. tf2onnx
converts the traced graph. When onnxruntime loads the file, it merges batch normalisation
into the convolutions before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from utils.whole_file import whole_file

OPSET = 17
# A number that tf2onnx puts behind a name
MADE_UP = re.compile(r"__\d+")
COUNTED = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2")


def export_onnx(
    model: keras.Model, path: Path, input_shape: tuple[int | None, ...] | None = None
) -> None:
    """Write a network as an ONNX file that gives the same output under onnxruntime.

    Args:
        model: A Keras model of one or more inputs, float32, run with training=False.
        path: The ONNX file, which is replaced in one step.
        input_shape: Shape of the (only) input where it should be narrower than the
            model's, such as (None, 112, 112, 3) for a network that was trained at
            several resolutions. None stays dynamic.
    """
    import tf2onnx  # needed for exports only

    shapes = [tensor.shape for tensor in model.inputs] if input_shape is None else [input_shape]
    signature = [
        tf.TensorSpec(shape, tf.float32, re.sub(r"\W", "_", tensor.name))
        for shape, tensor in zip(shapes, model.inputs, strict=True)
    ]

    def serve(*inputs: tf.Tensor) -> Any:
        return tf.identity(
            model(inputs[0] if len(inputs) == 1 else list(inputs), training=False), name="embedding"
        )

    proto, _ = tf2onnx.convert.from_function(
        tf.function(serve, input_signature=signature), input_signature=signature, opset=OPSET
    )
    settle_names(proto.graph)
    with whole_file(path) as draft:
        draft.write_bytes(proto.SerializeToString(deterministic=True))


def settle_names(graph: Any) -> None:
    """Name by the order of its use what tf2onnx named by chance in an ONNX graph.

    Its numbers, the order of the constants, and whose name one of two equal constants has
    are others in each process. The id of an encoder is the hash of its file, so equal
    weights get one id by this.
    """
    constants = {constant.name: constant for constant in graph.initializer}
    outer = {value.name for value in (*graph.input, *graph.output)}
    numbers: dict[str, str] = {}
    names: dict[str, str] = {}

    def rename(name: str) -> str:
        if name in outer:
            return name
        if name in constants:
            return names.setdefault(name, f"constant_{len(names)}")
        return MADE_UP.sub(lambda part: numbers.setdefault(part[0], f"__n{len(numbers)}"), name)

    for node in graph.node:
        _rename_node(node, rename)
    del graph.initializer[:]
    for before, name in names.items():
        constants[before].name = name
        graph.initializer.append(constants[before])


def _rename_node(node: Any, rename: Callable[[str], str]) -> None:
    """Rename a node, what it takes and gives, and the same in the body of a loop."""
    node.name = rename(node.name)
    node.input[:] = [rename(name) for name in node.input]
    node.output[:] = [rename(name) for name in node.output]
    for attribute in node.attribute:
        body = attribute.g
        for value in (*body.input, *body.initializer, *body.output):
            value.name = rename(value.name)
        for inner in body.node:
            _rename_node(inner, rename)


def count_parameters(model: keras.Model) -> int:
    """Count the numbers that serving needs: all weights and moving statistics."""
    return int(model.count_params())


def count_multiply_adds(model: keras.Model, input_shape: tuple[int, ...] | None = None) -> int:
    """Count the multiply-adds of convolutions and matrix products for one input.

    Element-wise operations are left out.

    Args:
        model: The network.
        input_shape: Shape of the input without the batch axis. None: the model's own.
    """
    shapes = [tensor.shape[1:] for tensor in model.inputs] if input_shape is None else [input_shape]
    graph = freeze(model, shapes).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    profile = tf.compat.v1.profiler.profile(graph, options=options)
    operations = sum(
        node.total_float_ops
        for node in _leaves(profile)
        if graph.get_operation_by_name(node.name).type in COUNTED
    )
    # TensorFlow's profiler counts two floating-point operations for each.
    return int(operations // 2)


def freeze(model: keras.Model, shapes: Sequence[Sequence[int | None]]) -> Any:
    """Trace `model` for one input, with its weights as constants.

    `shapes` are those of its inputs without the batch axis, None for a free size. A
    `ConcreteFunction` comes back, whose `graph` holds the operations.
    """
    from tensorflow.python.framework.convert_to_constants import (  # private path, used only here
        convert_variables_to_constants_v2,
    )

    signature = [tf.TensorSpec((1, *shape), tf.float32) for shape in shapes]
    function = tf.function(
        lambda *x: model(x[0] if len(x) == 1 else list(x), training=False)
    ).get_concrete_function(*signature)
    return convert_variables_to_constants_v2(function)


def _leaves(profile: Any) -> list[Any]:
    nodes = []
    for child in profile.children:
        nodes.append(child)
        nodes += _leaves(child)
    return nodes
