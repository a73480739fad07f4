"""Writing a trained Keras network as ONNX for serving, and counting what it costs.

The same weights run 2 to 5 times faster under onnxruntime than in TensorFlow. tf2onnx
converts the traced graph; onnxruntime merges batch normalisation into the convolutions
before it when it loads the file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from utils.arrays import Float32Array
from utils.whole_file import whole_file

OPSET = 17


def export_onnx(
    model: keras.Model, path: Path, input_shape: tuple[int | None, ...] | None = None
) -> None:
    """Write `model` to `path`, so that onnxruntime gives the same output; `path` is
    replaced in one step.

    Args:
        model: A Keras model of one or more inputs, run with training=False. Float32.
        path: The ONNX file.
        input_shape: Shape of the (only) input where it should be narrower than the
            model's, such as (None, 112, 112, 3) for a network that was trained at
            several resolutions. None stays dynamic.
    """
    import tf2onnx  # needed for exports only

    shapes = (
        [input_shape]
        if input_shape is not None
        else [tuple(tensor.shape) for tensor in model.inputs]
    )
    names = [re.sub(r"\W", "_", tensor.name) for tensor in model.inputs]
    signature = [
        tf.TensorSpec(shape, tf.float32, name) for shape, name in zip(shapes, names, strict=True)
    ]

    def serve(*inputs: tf.Tensor) -> Any:
        return tf.identity(
            model(inputs[0] if len(inputs) == 1 else list(inputs), training=False), name="embedding"
        )

    proto, _ = tf2onnx.convert.from_function(
        tf.function(serve, input_signature=signature), input_signature=signature, opset=OPSET
    )
    with whole_file(path) as draft:
        draft.write_bytes(proto.SerializeToString())


def largest_difference(model: keras.Model, path: Path, inputs: list[Float32Array]) -> float:
    """Largest absolute difference between the outputs of `model` and of the ONNX file
    for `inputs`.
    """
    from network.serving.runtime import OnnxRuntime  # needed for exports only

    expected = np.asarray(model(inputs[0] if len(inputs) == 1 else inputs, training=False))
    return float(np.abs(expected - OnnxRuntime(path).run(*inputs)).max())


def count_parameters(model: keras.Model) -> int:
    """Numbers that serving needs: all weights, batch normalisation counted with its
    moving statistics.
    """
    return int(model.count_params())


def count_multiply_adds(model: keras.Model, input_shape: tuple[int, ...] | None = None) -> int:
    """Multiply-adds of convolutions and matrix products for one input of `input_shape`
    (without the batch axis; None: the model's own).

    TensorFlow's profiler counts two floating-point operations each; element-wise
    operations are left out.
    """
    from tensorflow.python.framework.convert_to_constants import (  # private path, used only here
        convert_variables_to_constants_v2,
    )

    shapes = (
        [input_shape]
        if input_shape is not None
        else [tuple(tensor.shape[1:]) for tensor in model.inputs]
    )
    signature = [tf.TensorSpec((1, *shape), tf.float32) for shape in shapes]
    function = tf.function(
        lambda *x: model(x[0] if len(x) == 1 else list(x), training=False)
    ).get_concrete_function(*signature)
    graph = convert_variables_to_constants_v2(function).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    profile = tf.compat.v1.profiler.profile(graph, options=options)
    kinds = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2")
    flops = sum(
        node.total_float_ops
        for node in _leaves(profile)
        if graph.get_operation_by_name(node.name).type in kinds
    )
    return int(flops // 2)


def _leaves(profile: Any) -> list[Any]:
    nodes = []
    for child in profile.children:
        nodes.append(child)
        nodes += _leaves(child)
    return nodes
