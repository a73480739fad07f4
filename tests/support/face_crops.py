"""Face crops on the disk, a teacher of faces, and batches of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import helper

from network.serving.card import Card, write_card
from network.serving.inputs import FaceInput
from tests.support.tiny import save_onnx
from train.data.datasets import Listing, read_listing
from train.face.augment import AugmentOptions
from train.face.batches import BatchOptions, FaceBatches
from train.face.teacher import TeacherNetwork
from utils.arrays import FACE_SIZE_PX, ImageArray
from utils.file_hash import hash_file

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


def write_teacher(folder: Path) -> TeacherNetwork:
    """Write a face network with a card, to be a teacher.

    It gives the mean of each colour on the left and on the right half.
    """
    halves = [FACE_SIZE_PX, FACE_SIZE_PX // 2]
    nodes = [
        helper.make_node("AveragePool", ["x"], ["halves"], kernel_shape=halves, strides=halves),
        helper.make_node("Flatten", ["halves"], ["out"]),
    ]
    fed = FaceInput(
        layout="nchw",
        scale=1 / 255,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    write_network(folder, ["n", 3, FACE_SIZE_PX, FACE_SIZE_PX], nodes, fed)
    return TeacherNetwork(folder)


def write_network(
    folder: Path, shape: Sequence[str | int], nodes: Sequence[onnx.NodeProto], fed: FaceInput
) -> None:
    """Write a face network from "x" of this shape to six numbers "out", with its card."""
    folder.mkdir()
    save_onnx(folder / "model.onnx", {"x": shape}, nodes, {})
    card = Card(
        name=folder.name,
        modality="face",
        runtime="onnx",
        file="model.onnx",
        sha256=hash_file(folder / "model.onnx"),
        embedding_size=6,
        input=fed.to_dict(),
    )
    write_card(folder, card)


def batches(listing: Listing, folder: Path, **changes: Any) -> FaceBatches:
    """Batches of ten with a cache in `folder`, with these options changed."""
    options: dict[str, Any] = {"batch_size": 10, "seed": 1, "augmentation": AugmentOptions()}
    return FaceBatches(listing, folder / "cache", BatchOptions(**options | changes))
