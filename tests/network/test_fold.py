"""Other people's ONNX files become ones that serve well: the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from network.serving.fold import fold_onnx
from network.serving.runtime import OnnxRuntime
from utils.errors import ModelError

RNG = np.random.default_rng(3)
WEIGHTS: dict[str, np.ndarray] = {
    "packed": RNG.integers(-9, 9, (4, 3, 3, 3)).astype(np.int8),
    "step": np.array(0.1, np.float32),
    "slope": RNG.normal(size=(4, 1, 1)).astype(np.float32),
}
NODES = [
    helper.make_node("DequantizeLinear", ["packed", "step"], ["kernel"]),
    helper.make_node("Conv", ["picture", "kernel"], ["maps"], kernel_shape=[3, 3]),
    helper.make_node("PRelu", ["maps", "slope"], ["bent"]),
    helper.make_node("Dropout", ["bent"], ["same"]),
    helper.make_node("Flatten", ["same"], ["out"]),
]


def write(file: Path, inputs: list[str]) -> Path:
    """Write a network whose weights stand among its inputs, for batches of one."""
    shapes = {"picture": [1, 3, 8, 8], "other": [1, 144], "unused": [1]}
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in inputs
    ]
    values += [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in WEIGHTS.items()
    ]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 144])
    weights = [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()]
    nodes = list(NODES)
    if "other" in inputs:
        nodes[-1] = helper.make_node("Flatten", ["same"], ["flat"])
        nodes.append(helper.make_node("Add", ["flat", "other"], ["out"]))
    graph = helper.make_graph(nodes, "theirs", values, [output], weights)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), file)
    return file


def test_the_vectors_stay_the_same(tmp_path: Path) -> None:
    file = write(tmp_path / "theirs.onnx", ["picture", "unused"])
    fold_onnx(file, tmp_path / "folded.onnx")
    graph = onnx.load(tmp_path / "folded.onnx").graph
    assert [value.name for value in graph.input] == ["picture"]
    assert not {node.op_type for node in graph.node} & {"DequantizeLinear", "PRelu", "Dropout"}
    pictures = RNG.normal(size=(5, 3, 8, 8)).astype(np.float32)
    folded = OnnxRuntime(tmp_path / "folded.onnx")
    assert folded.input_shapes == ((None, 3, 8, 8),), "the batch is free"
    theirs = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    nothing = np.zeros(1, np.float32)
    expected = [theirs.run(None, {"picture": one[None], "unused": nothing})[0] for one in pictures]
    np.testing.assert_allclose(folded.run(pictures), np.concatenate(expected), atol=1e-5)


def test_a_file_that_cannot_be_folded(tmp_path: Path) -> None:
    two = write(tmp_path / "two.onnx", ["picture", "other"])
    with pytest.raises(ModelError, match=r"one input besides its weights\. Received: picture, oth"):
        fold_onnx(two, tmp_path / "folded.onnx")
    (tmp_path / "text.onnx").write_text("no network", encoding="utf-8")
    with pytest.raises(ModelError, match=r"onnx cannot load text\.onnx"):
        fold_onnx(tmp_path / "text.onnx", tmp_path / "folded.onnx")
    assert not (tmp_path / "folded.onnx").exists()
