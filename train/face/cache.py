"""Face crops decoded once, and the teacher's embeddings computed once, as memory-mapped
arrays.

Decoding WebP costs more than augmenting the pixels, and the teacher costs about as much
as a training step of the student: both are done once per data set. A cache folder holds
`images.npy` (n, 112, 112, 3) uint8 RGB, and, where a teacher is used, `teacher.npy` (n,
2, d) float16: unit-norm embeddings of each crop and of its mirror image.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from network.serving.card import Card, read_card
from network.serving.encoder import FaceEncoder
from network.serving.runtime import load_runtime
from train.data.datasets import Listing, cache_key
from train.face.blend import Blender
from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray, unit
from utils.errors import DatasetError, ModelError
from utils.file_hash import hash_file
from utils.whole_file import whole_file

SHARD = 2000  # blended faces in a file: some 75 MB
SIDES = 0.15  # the share of a set that counts as seen from the side
# A teacher without a card was trained on x / 255, then (x - mean) / std per RGB channel
# (the common ImageNet statistics).
TEACHER_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
TEACHER_STD = np.array([0.229, 0.224, 0.225], np.float32)
NO_TEACHER = (
    "Put the teacher there ([teacher] path of the configuration), or train from labels alone:"
    " --no-teacher."
)
Embed = Callable[[ImageArray], Float32Array]


def cached_images(listing: Listing, base: Path) -> ImageArray:
    """All crops of `listing` as a read-only memory map, (n, 112, 112, 3) uint8 RGB;
    decoded on the first call.

    Raises:
        DatasetError: a file that is not a 112 × 112 image.
    """
    file = base / cache_key(listing) / "images.npy"
    if not file.exists():
        with whole_file(file) as partial:
            _decode_all(listing, partial)
    return np.load(file, mmap_mode="r")


def _decode_all(listing: Listing, file: Path) -> None:
    images = np.lib.format.open_memmap(
        file, "w+", np.uint8, (len(listing.items), FACE_SIZE_PX, FACE_SIZE_PX, 3)
    )
    for number, data in enumerate(listing.read_all()):
        images[number] = decode_crop(data, listing.items[number].path)
    images.flush()


def decode_crop(data: bytes, name: str) -> ImageArray:
    """Decode one aligned crop to (112, 112, 3) uint8 RGB; `name` is for the error
    message only.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape[:2] != (FACE_SIZE_PX, FACE_SIZE_PX):
        shape = None if image is None else image.shape[:2]
        raise DatasetError(
            f"Face crops must be aligned images of {FACE_SIZE_PX} × {FACE_SIZE_PX} px. Received: {name},"
            f" {shape}"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)


class Teacher:
    """A face network whose embeddings the student learns to reproduce."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the teacher at `path`.

        Args:
            path: A model folder, whose card says what the network is fed; or an ONNX
                file with the input (n, 3, 112, 112) float32, normalised by
                `TEACHER_MEAN` and `TEACHER_STD`, and the output (n, d).
            threads: Of the runtime, for a file.

        Raises:
            DatasetError: nothing there, or a folder that is no model's.
            ModelError: a network that does not fit its card.
        """
        self._embed = _with_card(path) if path.is_dir() else _without_card(path, threads)

    def embed(self, images: ImageArray) -> Float32Array:
        """Embed (n, 112, 112, 3) uint8 RGB crops; returns (n, d) float32, unit norm."""
        return self._embed(images)

    def embed_both(self, images: ImageArray) -> Float32Array:
        """Embed crops and their mirror images; returns (n, 2, d) float32, unit norm."""
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return np.stack([self.embed(images), self.embed(mirrored)], axis=1)


def _with_card(folder: Path) -> Embed:
    card = _teacher_card(folder)
    encoder = FaceEncoder(
        card, load_runtime(card.runtime, folder / card.file, card.input.get("output", ""))
    )
    return lambda images: encoder.embed_each(images)[:, : card.embedding_size]


def _without_card(file: Path, threads: int) -> Embed:
    import onnxruntime  # needed by training with a teacher only

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(_there(file)), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def embed(images: ImageArray) -> Float32Array:
        pixels = (images.astype(np.float32) / np.float32(255) - TEACHER_MEAN) / TEACHER_STD
        (vectors,) = session.run(None, {name: np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))})
        return unit(np.asarray(vectors, np.float32))

    return embed


def _teacher_card(folder: Path) -> Card:
    """The card of a teacher's folder. It embeds one picture at a time: mirror images
    are asked about by themselves.
    """
    try:
        card = read_card(folder)
    except ModelError as error:
        raise DatasetError(error.message, NO_TEACHER) from error
    return replace(card, input={**card.input, "mirror": False})


def _there(teacher: Path) -> Path:
    if not teacher.is_file():
        raise DatasetError(
            f"The teacher must be a model folder or an ONNX file. Received: {teacher.name} (not"
            " found)",
            NO_TEACHER,
        )
    return teacher


def cached_teacher(
    listing: Listing, base: Path, teacher: Path, batch: int = 64
) -> npt.NDArray[np.float16]:
    """Teacher embeddings (n, 2, d) float16 of every crop and its mirror image; computed
    on the first call.
    """
    file = base / cache_key(listing) / f"teacher-{_tag(teacher)}.npy"
    if not file.exists():
        images = cached_images(listing, base)
        network = Teacher(teacher)
        starts = range(0, len(images), batch)
        vectors = [
            network.embed_both(np.asarray(images[start : start + batch])) for start in starts
        ]
        _save(file, np.concatenate(vectors).astype(np.float16))
    return np.load(file)


class Shards:
    """Equal arrays one after the other, seen as one sequence of their rows."""

    def __init__(self, parts: Sequence[ImageArray]) -> None:
        """`parts` are at least one array, all of one length."""
        self.parts = parts
        self._length = len(parts[0])

    def __len__(self) -> int:
        """Number of rows of all parts."""
        return len(self.parts) * self._length

    def __getitem__(self, row: int) -> ImageArray:
        """Row `row`, counted over all parts."""
        return np.asarray(self.parts[row // self._length][row % self._length])


@dataclass(frozen=True)
class BlendSource:
    """What faces are blended from.

    Attributes:
        listing: The training set.
        base: Folder of the caches.
        teacher: Its model folder or ONNX file.
        seed: Of all chance.
        sides: Take crops seen from the side only, of which photo collections have few:
            those (`SIDES` of all) that differ most from their mirror image, to the
            teacher. Otherwise all, those from the side about twice as often.
    """

    listing: Listing
    base: Path
    teacher: Path
    seed: int
    sides: bool = False

    def files(self, shard: int) -> tuple[Path, Path]:
        """Images and embeddings of one shard."""
        name = f"{'sides' if self.sides else 'blends'}-{_tag(self.teacher)}-{self.seed}-{shard}"
        stem = self.base / cache_key(self.listing) / name
        return stem.with_suffix(".images.npy"), stem.with_suffix(".teacher.npy")


def cached_blends(source: BlendSource, number: int) -> tuple[Shards, npt.NDArray[np.float16]]:
    """Faces blended from crops and the teacher's embeddings of them; made on the first
    call.

    They are made by one process a core, `SHARD` at a time: a run that was stopped goes
    on after the last whole shard, and one that wants more adds to them.

    Args:
        source: What they are made from.
        number: How many, over 0, rounded up to whole shards.

    Returns:
        (number, 112, 112, 3) uint8 RGB and (number, 2, d) float16, unit norm: of each
        face and of its mirror image.
    """
    shards = range(-(-number // SHARD))
    missing = [shard for shard in shards if not source.files(shard)[1].exists()]
    cached_teacher(source.listing, source.base, source.teacher)  # which each process will read
    if missing:
        with ProcessPoolExecutor(
            min(len(missing), os.cpu_count() or 1), get_context("spawn")
        ) as pool:
            for work in [pool.submit(_make_shard, source, shard) for shard in missing]:
                work.result()
    files = [source.files(shard) for shard in shards]
    return Shards([np.load(file, mmap_mode="r") for file, _ in files]), np.concatenate(
        [np.load(file) for _, file in files]
    )


def _make_shard(source: BlendSource, shard: int, batch: int = 25) -> None:
    """Blend `SHARD` faces and embed them, in a process of its own; the teacher's file
    is written last.
    """
    cv2.setNumThreads(1)
    blender = _blender(source)
    network = Teacher(source.teacher)
    images = np.stack(
        [blender.face(number) for number in range(shard * SHARD, (shard + 1) * SHARD)]
    )
    vectors = [
        network.embed_both(images[start : start + batch]) for start in range(0, SHARD, batch)
    ]
    images_file, teacher_file = source.files(shard)
    _save(images_file, images)
    _save(teacher_file, np.concatenate(vectors).astype(np.float16))


@lru_cache(maxsize=1)
def _blender(source: BlendSource) -> Blender:
    """One a process: the thumbnails take seconds."""
    vectors = cached_teacher(source.listing, source.base, source.teacher).astype(np.float32)
    asymmetry = 1 - np.sum(vectors[:, 0] * vectors[:, 1], axis=1)
    weights = 1 + asymmetry / max(float(asymmetry.mean()), 1e-6)
    if source.sides:
        weights = (asymmetry >= np.quantile(asymmetry, 1 - SIDES)).astype(np.float32)
    return Blender(cached_images(source.listing, source.base), weights, source.seed + source.sides)


@lru_cache(maxsize=4)
def _tag(teacher: Path) -> str:
    """What names the files of this teacher's embeddings: a hash of its weights and,
    with a card, of what they are fed.
    """
    if teacher.is_dir():
        card = _teacher_card(teacher)
        return hashlib.sha256(
            f"{card.sha256} {json.dumps(card.input, sort_keys=True)}".encode()
        ).hexdigest()[:8]
    return hash_file(_there(teacher))[:8]


def _save(file: Path, array: npt.NDArray[Any]) -> None:
    with whole_file(file) as partial:
        np.save(partial, array)
