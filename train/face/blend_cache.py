"""Blended faces made beforehand, with the teacher's embeddings of them.

One process a core makes them, `SHARD` at a time. A run that was stopped goes on after
the last whole shard, and one that wants more adds to them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from train.data.datasets import Listing, cache_key
from train.face.blend import Blender
from train.face.cache import cached_images, save_array
from train.face.teacher import Teacher, cached_teacher, teacher_tag
from utils.arrays import ImageArray

# Blended faces in a file: some 75 MB.
SHARD = 2000
# The share of a set that counts as seen from the side.
SIDES = 0.15
# Faces that the teacher embeds at once.
BATCH = 25


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
        seed: Seed of all chance.
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
        kind = "sides" if self.sides else "blends"
        name = f"{kind}-{teacher_tag(self.teacher)}-{self.seed}-{shard}"
        stem = self.base / cache_key(self.listing) / name
        return stem.with_suffix(".images.npy"), stem.with_suffix(".teacher.npy")


def cached_blends(source: BlendSource, number: int) -> tuple[Shards, npt.NDArray[np.float16]]:
    """Blended faces and the teacher's embeddings of them, made on the first call.

    Args:
        source: What they are made from.
        number: How many, over 0, rounded up to whole shards.

    Returns:
        (number, 112, 112, 3) uint8 RGB and (number, 2, d) float16, unit norm: of each
        face and of its mirror image.
    """
    shards = range(-(-number // SHARD))
    missing = [shard for shard in shards if not source.files(shard)[1].exists()]
    # Each process will read the embeddings of the crops.
    cached_teacher(source.listing, source.base, source.teacher)
    if missing:
        workers = min(len(missing), os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            for work in [pool.submit(_make_shard, source, shard) for shard in missing]:
                work.result()
    files = [source.files(shard) for shard in shards]
    images = Shards([np.load(file, mmap_mode="r") for file, _ in files])
    return images, np.concatenate([np.load(file) for _, file in files])


def _make_shard(source: BlendSource, shard: int) -> None:
    """Blend `SHARD` faces and embed them, in a process of its own.

    The teacher's file is written last.
    """
    cv2.setNumThreads(1)
    blender = make_blender(source)
    network = Teacher(source.teacher)
    numbers = range(shard * SHARD, (shard + 1) * SHARD)
    images = np.stack([blender.face(number) for number in numbers])
    vectors = [
        network.embed_both(images[start : start + BATCH]) for start in range(0, SHARD, BATCH)
    ]
    images_file, teacher_file = source.files(shard)
    save_array(images_file, images)
    save_array(teacher_file, np.concatenate(vectors).astype(np.float16))


@lru_cache(maxsize=1)
def make_blender(source: BlendSource) -> Blender:
    """The blender of a source. One a process: its thumbnails take seconds."""
    vectors = cached_teacher(source.listing, source.base, source.teacher).astype(np.float32)
    asymmetry = 1 - np.sum(vectors[:, 0] * vectors[:, 1], axis=1)
    if source.sides:
        weights = (asymmetry >= np.quantile(asymmetry, 1 - SIDES)).astype(np.float32)
    else:
        weights = 1 + asymmetry / max(float(asymmetry.mean()), 1e-6)
    return Blender(cached_images(source.listing, source.base), weights, source.seed + source.sides)
