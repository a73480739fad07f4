"""Real ONNX networks with random weights, with their cards.

`tiny_models(folder)` is a model folder that the service loads in a moment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from network.frontends.log_mel import FrontendSpec
from network.serving.card import Card, write_card
from tests.support.gallery_parts import CALIBRATION
from utils.arrays import EMBEDDING_SIZE, FACE_SIZE_PX, Float32Array, ImageArray
from utils.file_hash import hash_file

Shape = Sequence[str | int]
FILE = "model.onnx"
MEL_BANDS = 80


def save_onnx(
    path: Path,
    inputs: Mapping[str, Shape],
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, np.ndarray[Any, Any]],
) -> None:
    """Write a network of these nodes with one output, `out`, of two dimensions."""
    graph = helper.make_graph(
        nodes=nodes,
        name="tiny",
        inputs=[_floats(name, shape) for name, shape in inputs.items()],
        outputs=[_floats("out", ("n", "d"))],
        initializer=[numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def _floats(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _random(*shape: int) -> Float32Array:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def random_faces(count: int) -> ImageArray:
    """Crops of noise, (count, 112, 112, 3)."""
    shape = (count, FACE_SIZE_PX, FACE_SIZE_PX, 3)
    return np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)


def make_face(folder: Path, size: int = EMBEDDING_SIZE) -> Card:
    """A face network: the mean of the rows, projected to `size` numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["out"]),
    ]
    weights = {"w": _random(FACE_SIZE_PX * 3, size)}
    save_onnx(folder / FILE, {"x": ["n", FACE_SIZE_PX, FACE_SIZE_PX, 3]}, nodes, weights)
    return put_card(folder, "face", {"scale": 1 / 255}, size)


def make_voice(folder: Path) -> Card:
    """A voice network: the mean over time, projected."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["out"]),
    ]
    weights = {"w": _random(MEL_BANDS, EMBEDDING_SIZE)}
    save_onnx(folder / FILE, {"x": ["n", "t", MEL_BANDS]}, nodes, weights)
    return put_card(folder, "voice", {"frontend": FrontendSpec(mean_norm=False).to_dict()})


def make_fusion(folder: Path, face_id: str, voice_id: str) -> Card:
    """A fusion network: the sum of both embeddings."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [helper.make_node("Add", ["a", "b"], ["out"])]
    both: Shape = ["n", EMBEDDING_SIZE]
    save_onnx(folder / FILE, {"a": both, "b": both}, nodes, {})
    return put_card(folder, "fusion", {"face": face_id, "voice": voice_id})


def make_grid_face(folder: Path) -> Path:
    """A face encoder that tells coloured squares apart: mean colours of a 4 × 4 grid."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["p"], ["out"]),
    ]
    save_onnx(folder / FILE, {"x": ["n", 3, FACE_SIZE_PX, FACE_SIZE_PX]}, nodes, {})
    pixels = {"layout": "nchw", "scale": 1 / 255, "mean": [0.5] * 3, "std": [0.5] * 3}
    put_card(folder, "face", pixels, size=48)
    return folder


def put_card(
    folder: Path, name: str, network_input: Mapping[str, object], size: int = EMBEDDING_SIZE
) -> Card:
    """Write the card of the network in `folder`."""
    card = Card(
        name=f"tiny-{name}",
        modality="fused" if name == "fusion" else name,
        runtime="onnx",
        file=FILE,
        sha256=hash_file(folder / FILE),
        embedding_size=size,
        input=dict(network_input),
    )
    write_card(folder, card)
    return card


def tiny_models(folder: Path) -> Path:
    """ONNX networks and cards with a plausible calibration."""
    face = make_face(folder / "face")
    voice = make_voice(folder / "voice")
    fusion = make_fusion(folder / "fusion", face.encoder_id, voice.encoder_id)
    for card, name in ((face, "face"), (voice, "voice"), (fusion, "fusion")):
        calibrated = dataclasses.replace(card, calibration=CALIBRATION.to_dict())
        write_card(folder / name, calibrated)
    return folder
