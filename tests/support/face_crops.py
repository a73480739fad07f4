"""Face crops on the disk, a teacher of faces, and batches of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

from train.data.datasets import Listing, read_listing
from train.face.augment import AugmentOptions
from train.face.batches import BatchOptions, FaceBatches
from utils.arrays import FACE_SIZE_PX, ImageArray

CROPS = 24
CROPS_PER_PERSON = 3


def crop(number: int) -> ImageArray:
    """A smooth picture without symmetry, (112, 112, 3), its own for every number."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (FACE_SIZE_PX, FACE_SIZE_PX)), np.uint8)


def write_crops(folder: Path) -> Listing:
    """Write the crops of eight people, a folder each."""
    for number in range(CROPS):
        file = folder / f"person{number // CROPS_PER_PERSON}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), crop(number)[..., ::-1])
    return read_listing(folder)


def write_teacher(file: Path) -> Path:
    """Write a network with the signature of the teacher.

    It gives the mean of each colour on the left and on the right half.
    """
    halves = [FACE_SIZE_PX, FACE_SIZE_PX // 2]
    nodes = [
        helper.make_node(
            "AveragePool", ["input0"], ["halves"], kernel_shape=halves, strides=halves
        ),
        helper.make_node("Flatten", ["halves"], ["output"]),
    ]
    shape: list[str | int] = ["n", 3, FACE_SIZE_PX, FACE_SIZE_PX]
    image = helper.make_tensor_value_info("input0", TensorProto.FLOAT, shape)
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 6])
    graph = helper.make_graph(nodes, "teacher", [image], [output])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), file)
    return file


def batches(listing: Listing, folder: Path, **changes: Any) -> FaceBatches:
    """Batches of ten with a cache in `folder`, with these options changed."""
    options: dict[str, Any] = {"batch_size": 10, "seed": 1, "augmentation": AugmentOptions()}
    return FaceBatches(listing, folder / "cache", BatchOptions(**options | changes))
