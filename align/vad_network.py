"""The Silero network for many windows at a time.

The file of the package judges one window a call, and most of a call is overhead. Its
weights are put into a graph that judges a batch: convolutions see all windows at once, and
the LSTM goes through them in order. A window has four steps in time or fewer, which is too
short for ONNX Runtime's convolutions. So each is one matrix product over all windows. A
test holds both networks to the same probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.arrays import Float32Array

# The graph of 16 kHz is the branch of a condition. Names of weights end in these
_BRANCH = "then_branch"
_STFT = "stft.forward_basis_buffer"
_ENCODER = "encoder.{}.reparam_conv.{}"
_DECODER = "decoder.decoder.2.{}"
_LSTM = "decoder.rnn.{}"

# Samples from one spectrum to the next, and those that are mirrored at the end
_STFT_STEP = 128
_STFT_PADDING = 64
_STRIDES = (1, 2, 2, 1)
_STATE = 128

# Steps in time of a window: its spectra, and what is left of them after each stride
_STEPS = 4
_TAPS = 3


def build_onnx(path: Path) -> bytes:
    """Build the network from the package's file.

    Inputs are `windows` (n, 576) in order of time and `state` (2, 1, 128), outputs
    `probabilities` (n, 1, 1) and `state_after` (2, 1, 128).
    """
    from onnx import TensorProto, helper

    graph = _Graph(_read_weights(path))
    _add_spectrum(graph)
    steps = _STEPS
    for layer, stride in enumerate(_STRIDES):
        steps = _add_conv(graph, _ENCODER.format(layer, "{}"), steps, stride)
        graph.add("Relu")
    _add_memory(graph)
    graph.add_product(_DECODER)
    graph.add("Sigmoid", output="probabilities")
    real = TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info("windows", real, ["n", "window"]),
        helper.make_tensor_value_info("state", real, [2, 1, _STATE]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, real, None) for name in ("probabilities", "state_after")
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "vad", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    return bytes(model.SerializeToString())


def _read_weights(path: Path) -> dict[str, Float32Array]:
    """Read the weights of 16 kHz by the last part of their name."""
    import onnx

    (condition,) = (n for n in onnx.load(path).graph.node if n.op_type == "If")
    (branch,) = (a.g for a in condition.attribute if a.name == _BRANCH)
    constants = (node for node in branch.node if node.op_type == "Constant")
    return {
        node.output[0].rsplit("__", 1)[-1]: onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in constants
    }


class _Graph:
    """Nodes and constants under construction. `last` is the name of the newest value."""

    def __init__(self, weights: dict[str, Float32Array]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "windows"

    def add(
        self, kind: str, *others: str, inputs: Sequence[str] = (), output: str = "", **options: Any
    ) -> str:
        """Append a node that reads `inputs`, or else the last value and `others`."""
        from onnx import helper

        names = list(inputs) or [self.last, *others]
        self.last = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [self.last], **options))
        return self.last

    def add_product(self, name: str) -> None:
        """Append a convolution whose taps lie side by side: (n, steps, taps · channels).

        `name` is that of its weights (out, channels, taps), but for the last word.
        """
        weight, bias = (self.weights[name.format(part)] for part in ("weight", "bias"))
        self.add("MatMul", self.constant(weight.transpose(2, 1, 0).reshape(-1, len(weight))))
        self.add("Add", self.constant(bias))

    def add_slice(self, value: str, start: int, count: int, stride: int = 1) -> str:
        """Append every `stride`-th step of a value from `start` on, and return its name."""
        bounds = ([start], [start + stride * (count - 1) + 1], [1], [stride])
        return self.add("Slice", inputs=[value, *map(self.constant, bounds)])

    def constant(self, values: Float32Array | Sequence[int]) -> str:
        """Add a constant, and return its name. Whole numbers are indices."""
        from onnx import numpy_helper

        array = values if isinstance(values, np.ndarray) else np.array(values, np.int64)
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def _add_spectrum(graph: _Graph) -> None:
    """Append the magnitudes (n, 4, 129) of four spectra of each window."""
    ends = graph.constant([0, 0, 0, _STFT_PADDING])
    graph.add("Pad", ends, mode="reflect")
    hops = graph.add("Reshape", graph.constant([-1, _STEPS + 1, _STFT_STEP]))
    graph.add("Concat", inputs=[graph.add_slice(hops, start, _STEPS) for start in (0, 1)], axis=2)
    both = graph.add("MatMul", graph.constant(graph.weights[_STFT][:, 0].T))
    graph.add("Mul", inputs=[both, both])
    graph.add("Reshape", graph.constant([0, _STEPS, 2, -1]))
    graph.add("ReduceSum", graph.constant([2]), keepdims=0)
    graph.add("Sqrt")


def _add_conv(graph: _Graph, name: str, steps: int, stride: int) -> int:
    """Append a convolution of three taps, padded by one, and return the steps it leaves.

    It reads (n, steps, channels). `name` is that of `add_product`.
    """
    left = (steps - 1) // stride + 1
    padded = graph.add("Pad", graph.constant([0, 1, 0, 0, 1, 0]))
    taps = [graph.add_slice(padded, tap, left, stride) for tap in range(_TAPS)]
    graph.add("Concat", inputs=taps, axis=2)
    graph.add_product(name)
    return left


def _add_memory(graph: _Graph) -> None:
    """Append the LSTM over the windows, from (n, 1, 128) to (n, 1, 128)."""
    from onnx import helper

    sequence = graph.last
    hidden = graph.add("Slice", inputs=["state", *map(graph.constant, ([0], [1], [0]))])
    cell = graph.add("Slice", inputs=["state", *map(graph.constant, ([1], [2], [0]))])
    weights = [_to_onnx_gates(graph.weights[_LSTM.format(f"weight_{s}")]) for s in ("ih", "hh")]
    biases = [_to_onnx_gates(graph.weights[_LSTM.format(f"bias_{s}")]) for s in ("ih", "hh")]
    names = [graph.constant(array[None]) for array in (*weights, np.concatenate(biases))]
    graph.nodes.append(
        helper.make_node(
            "LSTM",
            [sequence, *names, "", hidden, cell],
            ["heard", "hidden_after", "cell_after"],
            hidden_size=_STATE,
        )
    )
    graph.add("Concat", inputs=["hidden_after", "cell_after"], output="state_after", axis=0)
    graph.add("Squeeze", inputs=["heard", graph.constant([1])])
    graph.add("Relu")


def _to_onnx_gates(array: Float32Array) -> Float32Array:
    """Bring the gates from PyTorch's order (input, forget, cell, output) to ONNX's."""
    i, f, c, o = np.split(array, 4)
    return np.concatenate([i, o, f, c])
