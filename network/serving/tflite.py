"""Keras networks as TFLite files, in float32 or in 8 bits, and LiteRT that runs them.

In 8 bits, the convolutions and dense layers that work on a whole map are quantised:
weights by channel, activations by representative inputs (Jacob et al. 2018,
arXiv:1712.05877). They hold nearly all work. Depthwise convolutions, element-wise
operations and layers on one vector stay float32: quantised too, the cosine with the
float network fell to 0.91 for the shipped face network.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from network.serving.export import freeze
from utils.arrays import Float32Array
from utils.errors import ModelError

WIDE = ("CONV_2D", "FULLY_CONNECTED")
"""TFLite's names of the operations that are quantised."""


def to_tflite(
    network: keras.Model, shape: Sequence[int | None], inputs: Sequence[Float32Array] = ()
) -> bytes:
    """Convert a network of one input to a TFLite file.

    Args:
        network: The network.
        shape: Shape of its input without the batch, which is one. None is a free size.
        inputs: Representative inputs (1, ...) for 8 bits, none for float32.
    """
    function = freeze(network, [shape])
    with warnings.catch_warnings():
        # The converter names parts of TensorFlow that are to go.
        warnings.simplefilter("ignore")
        plain = bytes(_converter(function).convert())
        return _quantise(function, plain, inputs) if inputs else plain


def _converter(function: Any) -> Any:
    return tf.lite.TFLiteConverter.from_concrete_functions([function])


def _quantise(function: Any, plain: bytes, inputs: Sequence[Float32Array]) -> bytes:
    """Convert in 8 bits all that `_float_parts` does not name of the float32 file."""

    def each() -> Iterator[list[Float32Array]]:
        for one in inputs:
            yield [one]

    converter = _converter(function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = each
    operations, nodes = _float_parts(plain)
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=operations, denylisted_nodes=nodes
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=each, debug_options=options
    )
    return bytes(debugger.get_nondebug_quantized_model())


def _float_parts(plain: bytes) -> tuple[list[str], list[str]]:
    """Name the operations, and the outputs of wide layers on one vector, of a file."""
    interpreter = _open(model_content=plain)
    interpreter.allocate_tensors()
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    names = set()
    vectors = []
    for operation in interpreter._get_ops_details():
        names.add(operation["op_name"])
        output = tensors[operation["outputs"][0]]
        leading = set(output["shape_signature"][:-1])
        if operation["op_name"] == "FULLY_CONNECTED" and leading <= {1}:
            vectors.append(output["name"])
    return sorted(names - {*WIDE, "DELEGATE"}), vectors


def _open(**options: Any) -> Any:
    """Open LiteRT on one thread. Raises ModelError where it is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise ModelError(
            "TFLite files need the package ai-edge-litert, which is not installed.",
            "Install it: pip install -r requirements-optional.txt",
        ) from None
    return Interpreter(num_threads=1, **options)


class LiteRuntime:
    """A TFLite file under LiteRT on one thread, one input at a time."""

    def __init__(self, file: Path) -> None:
        """Load the file. Raises ModelError where LiteRT is not installed."""
        self._interpreter = _open(model_path=str(file))
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def run(self, one: Float32Array) -> Float32Array:
        """Embed one prepared input: (1, ...) to (1, d)."""
        self._interpreter.resize_tensor_input(self._input, one.shape)
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input, one)
        self._interpreter.invoke()
        return np.array(self._interpreter.get_tensor(self._output), np.float32)
