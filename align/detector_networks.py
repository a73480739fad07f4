"""The three networks of MTCNN, run by ONNX Runtime.

The package `mtcnn` (MIT licence) brings the weights. It runs them in eager TensorFlow,
which takes twice the time and adds 600 MB to the process
(docs/measurements/decode.md). The layers are those of `mtcnn.network.{pnet,rnet,onet}`.
Inputs are (n, 3, h, w) float32, RGB, (pixel − 127.5) / 128, or have one grey channel.
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
# Channels that a processor with the widest registers takes at a time
_BLOCK = 16

_OUTPUTS = {"pnet": ("cells",), "rnet": ("box", "face"), "onet": ("box", "landmarks", "face")}


@dataclass(frozen=True)
class Networks:
    """The three networks, each from images to several arrays.

    - `proposal`: images of any size → cells (n, 5, y, x): four box offsets, and the
      log-odds of a face.
    - `refinement`: 24 × 24 crops → offsets (n, 4), probabilities (n, 2).
    - `output`: 48 × 48 crops → offsets, landmarks (n, 10), probabilities.
    - `grey_output`: the same for grey crops (n, 1, 48, 48), in four fifths of the time.
    """

    proposal: Network
    refinement: Network
    output: Network
    grey_output: Network


def load_networks(threads: int) -> Networks:
    """Load all of them. Several threads may call them.

    Raises:
        ModelError: the package or a weight file is missing.
    """
    pnet, rnet, onet = map(_read_weights, ("pnet", "rnet", "onet"))
    models = (
        build_onnx("pnet", pnet),
        build_onnx("rnet", _fill_block(rnet)),
        build_onnx("onet", onet),
        build_onnx("onet", _to_grey(onet)),
    )
    return Networks(*(_open_session(model, threads) for model in models))


def _fill_block(weights: Sequence[Float32Array]) -> list[Float32Array]:
    """The weights with channels of zeros that fill the last block of the first layer.

    ONNX Runtime pools whole blocks where they are, and rearranges others before and after.
    """
    kernel, bias, slope, following, *others = weights
    more = (0, -len(bias) % _BLOCK)
    none = (0, 0)
    return [
        np.pad(kernel, (none, none, none, more)),
        np.pad(bias, more),
        np.pad(slope, (none, none, more)),
        np.pad(following, (none, none, more, none)),
        *others,
    ]


def _to_grey(weights: Sequence[Float32Array]) -> list[Float32Array]:
    """The weights for one channel in place of three that are alike."""
    first, *others = weights
    return [first.sum(axis=2, keepdims=True), *others]


def _read_weights(name: str) -> list[Float32Array]:
    """Read the arrays of one network in the order of its layers.

    The package is not imported: it would import TensorFlow.
    """
    import joblib

    spec = importlib.util.find_spec("mtcnn")
    folders = list(spec.submodule_search_locations or []) if spec else []
    paths = [Path(folder) / "assets" / "weights" / f"{name}.lz4" for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ModelError(
            f"The weights of the face detector ({name}.lz4) are missing.",
            "Install the requirements: pip install -r requirements.txt",
        )
    return list(joblib.load(path))


def build_onnx(name: str, weights: Sequence[Float32Array]) -> bytes:
    """Build the ONNX model of a network with the weights of Keras.

    Every convolution and dense layer is followed by a PReLU. Keras flattens after
    swapping height and width, and so does the model.

    Args:
        name: "pnet", "rnet" or "onet".
        weights: the arrays in the order of the layers.

    Returns:
        The serialised model.
    """
    from onnx import TensorProto, helper

    channels = weights[0].shape[2]
    graph = _Graph(iter(weights))
    for kind, size, padding in _LAYERS[name]:
        graph.add(kind, size, padding)
    for output in _OUTPUTS[name]:
        graph.add_head(output)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", channels, "h", "w"])
    outputs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in _OUTPUTS[name]]
    model = helper.make_model(
        helper.make_graph(
            nodes=graph.nodes,
            name=name,
            inputs=[image],
            outputs=outputs,
            initializer=graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants of a model under construction.

    `last` is the name of the newest value.
    """

    def __init__(self, weights: Iterator[Float32Array]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "image"
        self._weights = weights

    def add(self, kind: str, size: int, padding: str) -> None:
        """Append one layer."""
        if kind == "pool":
            shape = [size, size]
            self.last = self._node(
                "MaxPool", [self.last], kernel_shape=shape, strides=[2, 2], auto_pad=padding
            )
        elif kind == "flatten":
            swapped = self._node("Transpose", [self.last], perm=[0, 3, 2, 1])
            self.last = self._node("Flatten", [swapped], axis=1)
        else:
            linear = self._add_linear()
            slope = next(self._weights).reshape((-1, 1, 1) if kind == "conv" else (1, -1))
            self.last = self._add_prelu(linear, slope)

    def add_head(self, output: str) -> None:
        """Append an output that reads the last layer."""
        if output == "cells":
            self._add_cells()
            return
        value = self._add_linear()
        if output == "face":
            self._node("Softmax", [value], output, axis=1)
        else:
            self._node("Identity", [value], output)

    def _add_cells(self) -> None:
        """Append the heads for boxes and for faces as one, with log-odds for probabilities.

        A softmax over so many cells takes a seventh of the network's time.
        """
        box, box_bias, face, face_bias = self._weights
        kernel = np.concatenate([box, face[..., 1:] - face[..., :1]], axis=-1)
        bias = np.concatenate([box_bias, face_bias[1:] - face_bias[:1]])
        self._node("Identity", [self._add_layer(kernel, bias)], "cells")

    def _add_prelu(self, value: str, slope: Float32Array) -> str:
        """Append a PReLU as slope · x + (1 − slope) · max(x, 0).

        ONNX Runtime's own operator takes three times as long as these four. A factor that
        is not negative may come before the maximum, and then takes no step of its own.
        """
        below = self._node("Mul", [value, self._constant(slope)])
        steps = ["Mul", "Relu"] if slope.max() <= 1 else ["Relu", "Mul"]
        for kind in steps:
            factor = [self._constant(1 - slope)] if kind == "Mul" else []
            value = self._node(kind, [value, *factor])
        return self._node("Add", [below, value])

    def _add_linear(self) -> str:
        return self._add_layer(next(self._weights), next(self._weights))

    def _add_layer(self, kernel: Float32Array, bias: Float32Array) -> str:
        if kernel.ndim == 2:
            return self._node("Gemm", [self.last, self._constant(kernel), self._constant(bias)])
        # Keras holds (height, width, in, out)
        filters = self._constant(kernel.transpose(3, 2, 0, 1))
        return self._node("Conv", [self.last, filters, self._constant(bias)])

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


def _open_session(model: bytes, threads: int) -> Network:
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
