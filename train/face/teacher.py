"""The teacher of a face network, and its embeddings of the training crops.

The teacher costs about as much as a training step of the student, so its embeddings are
computed once per data set. They lie beside the decoded crops (`train/face/cache.py`) as
`teacher-<hash>.npy`, (n, 2, d) float16: unit-norm embeddings of each crop and of its
mirror image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from network.serving.card import Card, read_card
from network.serving.encoder import FaceEncoder
from network.serving.runtime import load_runtime
from train.data.datasets import Listing, cache_key
from train.face.cache import cached_images, save_array
from utils.arrays import Float32Array, ImageArray, unit
from utils.errors import DatasetError, ModelError
from utils.file_hash import hash_file

# A teacher without a card was trained on x / 255, then (x - mean) / std per RGB channel
# (the common ImageNet statistics).
TEACHER_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
TEACHER_STD = np.array([0.229, 0.224, 0.225], np.float32)
NO_TEACHER = (
    "Put the teacher there ([teacher] path of the configuration), or train from labels alone:"
    " --no-teacher."
)
Embed = Callable[[ImageArray], Float32Array]


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
            DatasetError: There is no teacher, or the folder is no model's.
            ModelError: The network does not fit its card.
        """
        self._embed = _with_card(path) if path.is_dir() else _without_card(path, threads)

    def embed(self, images: ImageArray) -> Float32Array:
        """Embed (n, 112, 112, 3) uint8 RGB crops: (n, d) float32, unit norm."""
        return self._embed(images)

    def embed_both(self, images: ImageArray) -> Float32Array:
        """Embed crops and their mirror images: (n, 2, d) float32, unit norm."""
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return np.stack([self.embed(images), self.embed(mirrored)], axis=1)


def cached_teacher(
    listing: Listing, base: Path, teacher: Path, batch: int = 64
) -> npt.NDArray[np.float16]:
    """Teacher embeddings of every crop and its mirror image.

    Computed on the first call, (n, 2, d) float16.
    """
    file = base / cache_key(listing) / f"teacher-{teacher_tag(teacher)}.npy"
    if not file.exists():
        images = cached_images(listing, base)
        network = Teacher(teacher)
        vectors = [
            network.embed_both(np.asarray(images[start : start + batch]))
            for start in range(0, len(images), batch)
        ]
        save_array(file, np.concatenate(vectors).astype(np.float16))
    return np.load(file)


@lru_cache(maxsize=4)
def teacher_tag(teacher: Path) -> str:
    """What names the files of this teacher's embeddings.

    A hash of its weights and, with a card, of what they are fed.
    """
    if not teacher.is_dir():
        return hash_file(_require_file(teacher))[:8]
    card = _read_teacher_card(teacher)
    content = f"{card.sha256} {json.dumps(card.input, sort_keys=True)}".encode()
    return hashlib.sha256(content).hexdigest()[:8]


def _with_card(folder: Path) -> Embed:
    card = _read_teacher_card(folder)
    runtime = load_runtime(card.runtime, folder / card.file, card.input.get("output", ""))
    encoder = FaceEncoder(card, runtime)
    return lambda images: encoder.embed_each(images)[:, : card.embedding_size]


def _without_card(file: Path, threads: int) -> Embed:
    # Needed by training with a teacher only.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(_require_file(file)), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def embed(images: ImageArray) -> Float32Array:
        pixels = (images.astype(np.float32) / np.float32(255) - TEACHER_MEAN) / TEACHER_STD
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        (vectors,) = session.run(None, {name: planes})
        return unit(np.asarray(vectors, np.float32))

    return embed


def _read_teacher_card(folder: Path) -> Card:
    """The card of a teacher's folder, without mirror images.

    The teacher embeds one picture at a time: mirror images are asked about by
    themselves.
    """
    try:
        card = read_card(folder)
    except ModelError as error:
        raise DatasetError(error.message, NO_TEACHER) from error
    return replace(card, input={**card.input, "mirror": False})


def _require_file(teacher: Path) -> Path:
    if not teacher.is_file():
        raise DatasetError(
            f"The teacher must be a model folder or an ONNX file. Received: {teacher.name} (not"
            " found)",
            NO_TEACHER,
        )
    return teacher
