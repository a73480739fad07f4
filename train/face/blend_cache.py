"""Blended faces made beforehand, with the teacher's embeddings of them.

One process a core makes them, `SHARD` at a time. A run that was stopped goes on after
the last whole shard, and one that wants more adds to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from train.data.datasets import Listing, cache_key
from train.face.blend import Blender, lopsidedness, thumbnails
from train.face.cache import cached_images, save_array
from train.face.teacher import (
    TeacherNetwork,
    cached_views,
    join_networks,
    mean_of_views,
    teacher_tag,
)
from utils.arrays import Float32Array, ImageArray
from utils.processors import PROCESSORS

# Blended faces in a file: some 75 MB.
SHARD = 2000
# The share of a set that counts as seen from the side.
SIDES = 0.15


class Shards:
    """Arrays one after the other, seen as one sequence of their rows."""

    def __init__(self, parts: Sequence[ImageArray]) -> None:
        """`parts` are at least one array, none of them empty."""
        self.parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        """Number of rows of all parts."""
        return int(self._ends[-1])

    def __getitem__(self, row: int) -> ImageArray:
        """Row `row`, counted over all parts."""
        part = int(np.searchsorted(self._ends, row, side="right"))
        return np.asarray(self.parts[part][row - int(self._ends[part])])


@dataclass(frozen=True)
class BlendSource:
    """What faces are blended from.

    Attributes:
        listing: The training set.
        base: Folder of the caches.
        teacher: The networks that describe them.
        seed: Seed of all chance.
        sides: Take crops seen from the side only, of which photo collections have few:
            those (`SIDES` of all) that differ most from their mirror image. Otherwise
            all, those from the side about twice as often.
        mirror: The teacher describes their mirror images too.
    """

    listing: Listing
    base: Path
    teacher: tuple[TeacherNetwork, ...]
    seed: int
    sides: bool = False
    mirror: bool = True

    def images_file(self, shard: int) -> Path:
        """The faces of one shard."""
        return self._stem(shard).with_suffix(".images.npy")

    def teacher_file(self, shard: int, network: TeacherNetwork) -> Path:
        """One network's embeddings of them."""
        tag = teacher_tag(network.path, self.mirror)
        return self._stem(shard).with_suffix(f".teacher-{tag}.npy")

    def missing(self, shard: int) -> bool:
        """Whether something of a shard is not made yet."""
        files = [self.teacher_file(shard, network) for network in self.teacher]
        return not all(file.exists() for file in [self.images_file(shard), *files])

    def _stem(self, shard: int) -> Path:
        kind = "sides" if self.sides else "blends"
        return self.base / cache_key(self.listing) / f"{kind}-{self.seed}-{shard}"


def cached_blends(source: BlendSource, number: int) -> tuple[Shards, Float32Array]:
    """Blended faces and the teacher's embeddings of them, made on the first call.

    Args:
        source: What they are made from.
        number: How many, over 0, rounded up to whole shards.

    Returns:
        (number, 112, 112, 3) uint8 RGB and (number, d) float32, unit norm.
    """
    shards = range(-(-number // SHARD))
    cached_images(source.listing, source.base)  # each process will read them
    missing = [shard for shard in shards if source.missing(shard)]
    if missing:
        workers = min(len(missing), PROCESSORS)
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            for work in [pool.submit(_make_shard, source, shard) for shard in missing]:
                work.result()
    images = Shards([np.load(source.images_file(shard), mmap_mode="r") for shard in shards])
    return images, np.concatenate([_describe(source, shard) for shard in shards])


def _make_shard(source: BlendSource, shard: int) -> None:
    """Blend `SHARD` faces and embed them, in a process of its own."""
    cv2.setNumThreads(1)
    file = source.images_file(shard)
    if not file.exists():
        blender = make_blender(source)
        numbers = range(shard * SHARD, (shard + 1) * SHARD)
        save_array(file, np.stack([blender.face(number) for number in numbers]))
    _describe(source, shard)


def _describe(source: BlendSource, shard: int) -> Float32Array:
    """The teacher's embeddings of one shard, made where they are missing."""
    images = np.load(source.images_file(shard), mmap_mode="r")
    views = [
        cached_views(source.teacher_file(shard, network), images, network.path, source.mirror)
        for network in source.teacher
    ]
    weights = [network.weight for network in source.teacher]
    return join_networks([mean_of_views(each) for each in views], weights)


@lru_cache(maxsize=1)
def make_blender(source: BlendSource) -> Blender:
    """The blender of a source. One a process: its thumbnails take seconds."""
    images = cached_images(source.listing, source.base)
    small = thumbnails(images)
    weights = lopsidedness(small)
    if source.sides:
        weights = (weights >= np.quantile(weights, 1 - SIDES)).astype(np.float32)
    else:
        weights = 1 + weights / max(float(weights.mean()), 1e-6)
    return Blender(images, small, weights, seed=source.seed + source.sides)
