"""The three networks of MTCNN, with the weights that the package `mtcnn` (MIT licence)
brings, run by ONNX Runtime.

The package itself runs them in eager TensorFlow, which takes twice the time and adds
600 MB to the process (docs/measurements/decode.md). The layers are those of
`mtcnn.network.{pnet,rnet,onet}`; inputs are (n, 3, h, w) float32, RGB, (pixel − 127.5)
/ 128.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.arrays import Float32Array
from utils.errors import ModelError

Network = Callable[[Float32Array], tuple[Float32Array, ...]]
_Layer = tuple[str, int, str]

_CONV = ("conv", 0, "")
_DENSE = ("dense", 0, "")
_FLATTEN = ("flatten", 0, "")
_LAYERS: dict[str, tuple[_Layer, ...]] = {
    "pnet": (_CONV, ("pool", 2, "SAME_UPPER"), _CONV, _CONV),
    "rnet": (
        _CONV,
        ("pool", 3, "SAME_UPPER"),
        _CONV,
        ("pool", 3, "VALID"),
        _CONV,
        _FLATTEN,
        _DENSE,
    ),
    "onet": (
        _CONV,
        ("pool", 3, "SAME_UPPER"),
        _CONV,
        ("pool", 3, "VALID"),
        _CONV,
        ("pool", 2, "SAME_UPPER"),
        _CONV,
        _FLATTEN,
        _DENSE,
    ),
}
_OUTPUTS = {"pnet": ("box", "face"), "rnet": ("box", "face"), "onet": ("box", "landmarks", "face")}


@dataclass(frozen=True)
class Networks:
    """`proposal`: images of any size → box offsets (n, 4, y, x), probabilities (n, 2,
    y, x) of no face and face.

    `refinement`: 24 × 24 crops → offsets (n, 4), probabilities (n, 2); `output`: 48 ×
    48 crops → offsets, landmarks (n, 10), probabilities.
    """

    proposal: Network
    refinement: Network
    output: Network


def load_networks(threads: int) -> Networks:
    """Load all three; they may be called from several threads. Raises ModelError when
    the package or a weight file is missing.
    """
    return Networks(
        *(_session(build_onnx(name, _weights(name)), threads) for name in ("pnet", "rnet", "onet"))
    )


def _weights(name: str) -> list[Float32Array]:
    """The arrays of one network in the order of its layers, read without importing the
    package (which would import TensorFlow).
    """
    import joblib

    spec = importlib.util.find_spec("mtcnn")
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = (
        Path(folders[0]) / "assets" / "weights" / f"{name}.lz4" if folders else Path(f"{name}.lz4")
    )
    if not path.is_file():
        message = f"The weights of the face detector ({path.name}) are missing."
        raise ModelError(message, "Install the requirements: pip install -r requirements.txt")
    return list(joblib.load(path))


def build_onnx(name: str, weights: Sequence[Float32Array]) -> bytes:
    """The ONNX model of the network `name` ("pnet", "rnet" or "onet") with Keras'
    weights, serialised.

    Every layer but pools is followed by a PReLU. Keras flattens after swapping height
    and width, so that does the model.
    """
    from onnx import TensorProto, helper

    graph = _Graph(iter(weights))
    for kind, size, padding in _LAYERS[name]:
        graph.add(kind, size, padding)
    for output in _OUTPUTS[name]:
        graph.head(output)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    outputs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in _OUTPUTS[name]]
    made = helper.make_graph(graph.nodes, name, [image], outputs, graph.constants)
    return bytes(
        helper.make_model(
            made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
        ).SerializeToString()
    )


class _Graph:
    """Nodes and constants of a model under construction; `last` is the name of the
    newest value.
    """

    def __init__(self, weights: Iterator[Float32Array]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "image"
        self._weights = weights

    def add(self, kind: str, size: int, padding: str) -> None:
        """Append one layer."""
        if kind == "pool":
            self.last = self._node(
                "MaxPool", [self.last], kernel_shape=[size, size], strides=[2, 2], auto_pad=padding
            )
        elif kind == "flatten":
            self.last = self._node(
                "Flatten", [self._node("Transpose", [self.last], perm=[0, 3, 2, 1])], axis=1
            )
        else:
            linear = self._linear()
            shape = (-1, 1, 1) if kind == "conv" else (1, -1)
            self.last = self._node(
                "PRelu", [linear, self._constant(next(self._weights).reshape(shape))]
            )

    def head(self, output: str) -> None:
        """Append an output that reads the last layer."""
        value = self._linear()
        self._node("Softmax", [value], output, axis=1) if output == "face" else self._node(
            "Identity", [value], output
        )

    def _linear(self) -> str:
        kernel = next(self._weights)
        bias = next(self._weights)
        if kernel.ndim == 4:  # Keras holds (height, width, in, out)
            return self._node(
                "Conv",
                [self.last, self._constant(kernel.transpose(3, 2, 0, 1)), self._constant(bias)],
            )
        return self._node("Gemm", [self.last, self._constant(kernel), self._constant(bias)])

    def _constant(self, values: Float32Array) -> str:
        from onnx import numpy_helper

        name = f"weight{len(self.constants)}"
        self.constants.append(
            numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
        )
        return name

    def _node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


def _session(model: bytes, threads: int) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Waiting threads sleep: others need the cores
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena would keep the peak of the largest picture for good
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda image: tuple(session.run(None, {"image": image}))
