"""Networks with less work in them: the same vectors, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from network.serving.lighten import lighten
from network.serving.runtime import OnnxRuntime
from utils.arrays import Float32Array
from utils.config import ROOT

SHIPPED = ROOT / "best_model" / "voice" / "model.onnx"
CHANNELS = 4
END = 2**31 - 1
RNG = np.random.default_rng(5)
TAPS = RNG.normal(size=(3, CHANNELS)).astype(np.float32)
Constants = dict[str, Any]


def make_network(
    nodes: Sequence[Any], constants: Mapping[str, Any], *, opset: int = 17
) -> onnx.ModelProto:
    """A network from `x` (n, steps, 4) to `y`."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "steps", CHANNELS])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "test", [x], [y], weights)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def shifts(steps: int = 1) -> tuple[list[Any], Constants]:
    """A convolution over time as TensorFlow writes it: two of three products are moved."""
    constants: Constants = {f"tap{i}": TAPS[i] for i in range(3)}
    constants |= {
        "before": np.array([0, steps, 0, 0, 0, 0]),
        "after": np.array([0, 0, 0, 0, steps, 0]),
        "axes": np.array([0, 1]),
        "from_first": np.array([0, 0]),
        "to_end": np.array([END, END]),
        "from_later": np.array([0, steps]),
        "to_earlier": np.array([END, -steps]),
    }
    nodes = [helper.make_node("Mul", ["x", f"tap{i}"], [f"part{i}"]) for i in range(3)]
    nodes += [
        helper.make_node("Pad", ["part0", "before"], ["padded0"]),
        helper.make_node("Slice", ["padded0", "from_first", "to_earlier", "axes"], ["late"]),
        helper.make_node("Pad", ["part2", "after"], ["padded2"]),
        helper.make_node("Slice", ["padded2", "from_later", "to_end", "axes"], ["early"]),
        helper.make_node("Add", ["late", "part1"], ["two"]),
        helper.make_node("Add", ["two", "early"], ["y"]),
    ]
    return nodes, constants


def run(model: onnx.ModelProto, x: Float32Array) -> Float32Array:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(["y"], {"x": x})[0])


def kinds(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def make_input(n: int, steps: int) -> Float32Array:
    return RNG.normal(size=(n, steps, CHANNELS)).astype(np.float32)


@pytest.mark.parametrize("steps", [1, 2])
def test_moved_products_become_one_convolution(steps: int) -> None:
    heavy = make_network(*shifts(steps))
    light = make_network(*shifts(steps))
    assert lighten(light)
    assert kinds(light) == {"Transpose", "Conv"}
    for n, length in ((1, 1), (1, 2), (2, 3), (3, 40)):
        x = make_input(n, length)
        made = run(light, x)
        np.testing.assert_allclose(made, run(heavy, x), atol=1e-6)
        padded = np.pad(x, ((0, 0), (steps, steps), (0, 0)))
        expected = sum(padded[:, i * steps : i * steps + length] * TAPS[i] for i in range(3))
        np.testing.assert_allclose(made, expected, atol=1e-6)


def test_what_others_read_stays() -> None:
    nodes, constants = shifts()
    nodes[-1].output[0] = "convolved"
    nodes.append(helper.make_node("Add", ["convolved", "two"], ["y"]))
    heavy = make_network(nodes, constants)
    light = make_network(nodes, constants)
    assert lighten(light)
    assert kinds(light) > {"Conv"}
    x = make_input(2, 9)
    np.testing.assert_allclose(run(light, x), run(heavy, x), atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"before": np.array([1, 0, 0, 0, 0, 0])},
        {"before": np.array([0, 2, 0, 0, 0, 0])},
        {"before": np.array([0, 0, 0, 0, 1, 0])},
        {"to_earlier": np.array([END, 7])},
        {"to_earlier": np.array([-1, END])},
        {"from_later": np.array([0, -1])},
        {"tap1": TAPS},
        {"tap1": TAPS[1].astype(np.float64).sum()},
    ],
)
def test_other_sums_of_moved_products_stay(changes: Constants) -> None:
    nodes, constants = shifts()
    model = make_network(nodes, {**constants, **changes})
    before = model.SerializeToString()
    assert not lighten(model)
    assert model.SerializeToString() == before


def change_mode(nodes: list[Any], constants: Constants) -> None:
    nodes[3].attribute.append(helper.make_attribute("mode", "edge"))


def change_filling(nodes: list[Any], constants: Constants) -> None:
    constants["filling"] = np.array(1, np.float32)
    nodes[3].input.append("filling")


def change_source(nodes: list[Any], constants: Constants) -> None:
    nodes[1].input[0] = "other"
    nodes.insert(0, helper.make_node("Relu", ["x"], ["other"]))


def change_stride(nodes: list[Any], constants: Constants) -> None:
    constants["strides"] = np.array([1, 2])
    nodes[4].input.append("strides")


def change_weights(nodes: list[Any], constants: Constants) -> None:
    nodes[1].input[1] = "weights"
    nodes.insert(0, helper.make_node("ReduceMax", ["x"], ["weights"], axes=[0, 1], keepdims=0))


def add_branch(nodes: list[Any], constants: Constants) -> None:
    inner = helper.make_node("Identity", ["two"], ["inner"])
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    branch = helper.make_graph([inner], "branch", [], [value])
    constants["always"] = np.array(True)
    parts = {"then_branch": branch, "else_branch": branch}
    nodes[-1].output[0] = "three"
    nodes.append(helper.make_node("If", ["always"], ["chosen"], **parts))
    nodes.append(helper.make_node("Add", ["three", "chosen"], ["y"]))


@pytest.mark.parametrize(
    "change",
    [change_mode, change_filling, change_source, change_stride, change_weights, add_branch],
)
def test_what_computes_something_else_stays(change: Any) -> None:
    nodes, constants = shifts()
    change(nodes, constants)
    model = make_network(nodes, constants)
    before = model.SerializeToString()
    assert not lighten(model)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceMean"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_sums_over_time_become_products(kind: str, keepdims: int) -> None:
    as_input = kind == "ReduceSum"
    options: Any = {"keepdims": keepdims} | ({} if as_input else {"axes": [1]})
    inputs = ["x", "axes"] if as_input else ["x"]
    nodes = [helper.make_node(kind, inputs, ["y"], **options)]
    heavy = make_network(nodes, {"axes": np.array([1])})
    light = make_network(nodes, {"axes": np.array([1])})
    assert lighten(light)
    assert "MatMul" in kinds(light)
    assert kind not in kinds(light)
    for n, length in ((1, 1), (3, 500)):
        x = make_input(n, length)
        made = run(light, x)
        expected = run(heavy, x)
        assert made.shape == expected.shape
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("axes", "rank"), [([2], 3), ([0], 3), ([1, 2], 3), ([1], 4)])
def test_other_sums_stay(axes: list[int], rank: int) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=axes)]
    if rank == 4:
        nodes = [
            helper.make_node("Unsqueeze", ["x", "axis"], ["more"]),
            helper.make_node("ReduceMean", ["more"], ["y"], axes=axes),
        ]
    model = make_network(nodes, {"axis": np.array([0])})
    assert not lighten(model)
    assert "ReduceMean" in kinds(model)


def test_older_files_stay() -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1])]
    assert not lighten(make_network(nodes, {}, opset=14))


def test_the_shipped_voice_has_less_to_do() -> None:
    model = onnx.load(SHIPPED)
    nodes = len(model.graph.node)
    assert lighten(model)
    assert len(model.graph.node) < 0.8 * nodes
    assert not lighten(model), "nothing is left"
    heavy = onnxruntime.InferenceSession(SHIPPED, providers=["CPUExecutionProvider"])
    light = OnnxRuntime(SHIPPED, threads=1)
    for n, frames in ((1, 3), (2, 498)):
        features = RNG.normal(0, 2, (n, frames, 80)).astype(np.float32)
        (expected,) = heavy.run(None, {"features": features})
        np.testing.assert_allclose(light.run(features), expected, rtol=0, atol=1e-5)
