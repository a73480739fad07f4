"""Face crops decoded once, and the teacher's embeddings computed once, as memory-mapped arrays.

Decoding WebP costs more than augmenting the pixels, and the teacher costs about as much as a training step of the
student: both are done once per data set. A cache folder holds `images.npy` (n, 112, 112, 3) uint8 RGB, and, where a
teacher is used, `teacher.npy` (n, 2, d) float16: unit-norm embeddings of each crop and of its mirror image.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from train.datasets import Listing
from utils.errors import DatasetError

SIZE_PX = 112
# The teacher was trained on x / 255, then (x - mean) / std per RGB channel (the common ImageNet statistics).
TEACHER_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
TEACHER_STD = np.array([0.229, 0.224, 0.225], np.float32)


def cache_dir(listing: Listing, base: Path) -> Path:
    """Folder of this data set's cache: below `base`, named after a hash of its root and items."""
    text = "\n".join([str(listing.root.resolve()), *(f"{item.path}\t{item.label}" for item in listing.items)])
    return base / hashlib.sha256(text.encode()).hexdigest()[:16]


def cached_images(listing: Listing, base: Path) -> npt.NDArray[np.uint8]:
    """All crops of `listing` as a read-only memory map, (n, 112, 112, 3) uint8 RGB; decoded on the first call.

    Raises:
        DatasetError: a file that is not a 112 × 112 image.
    """
    file = cache_dir(listing, base) / "images.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        shape = (len(listing.items), SIZE_PX, SIZE_PX, 3)
        images = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        for number, data in enumerate(listing.read_all()):
            images[number] = decode_crop(data, listing.items[number].path)
        images.flush()
        partial.replace(file)
    return np.load(file, mmap_mode="r")


def decode_crop(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Decode one aligned crop to (112, 112, 3) uint8 RGB; `name` is for the error message only."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape[:2] != (SIZE_PX, SIZE_PX):
        shape = None if image is None else image.shape[:2]
        raise DatasetError(f"Face crops must be aligned images of {SIZE_PX} × {SIZE_PX} px. Received: {name}, {shape}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)


class Teacher:
    """A public face network under ONNX Runtime whose embeddings the student learns to reproduce."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the ONNX file at `path`; input (n, 3, 112, 112) float32, output (n, d)."""
        import onnxruntime  # needed by training with a teacher only

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def embed(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed (n, 112, 112, 3) uint8 RGB crops; returns (n, d) float32, unit norm."""
        pixels = (images.astype(np.float32) / np.float32(255) - TEACHER_MEAN) / TEACHER_STD
        (vectors,) = self._session.run(None, {self._input: np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))})
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def embed_both(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed crops and their mirror images; returns (n, 2, d) float32, unit norm."""
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return np.stack([self.embed(images), self.embed(mirrored)], axis=1)


def cached_teacher(listing: Listing, base: Path, teacher: Path, batch: int = 64) -> npt.NDArray[np.float16]:
    """Teacher embeddings (n, 2, d) float16 of every crop and its mirror image; computed on the first call."""
    tag = hashlib.sha256(teacher.read_bytes()).hexdigest()[:8]
    file = cache_dir(listing, base) / f"teacher-{tag}.npy"
    if not file.exists():
        images, network = cached_images(listing, base), Teacher(teacher)
        starts = range(0, len(images), batch)
        vectors = [network.embed_both(np.asarray(images[start : start + batch])) for start in starts]
        partial = file.with_suffix(".partial.npy")
        np.save(partial, np.concatenate(vectors).astype(np.float16))
        partial.replace(file)
    return np.load(file)
