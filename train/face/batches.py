"""Training batches of faces: which crops, at which resolution, with which targets.

A batch is a pure function of (seed, step, progress): each epoch is one permutation of
all crops, each view is drawn from a generator seeded by (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from train.data.datasets import Listing
from train.face.augment import AugmentOptions, augment
from train.face.cache import (
    BlendSource,
    Shards,
    Teacher,
    cached_blends,
    cached_images,
    cached_teacher,
)
from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray, IndexArray, unit

UNKNOWN = -1  # the label of a blended face


@dataclass(frozen=True)
class TeacherOptions:
    """Where the targets of the distillation come from.

    Attributes:
        path: The teacher's model folder (a network with a card), or its ONNX file (see
            `train.face.cache.Teacher`).
        view: "cached": the mean of the embeddings of the clean crop and its mirror
            image, computed once; "augmented": the same mean over the very view that the
            student sees, computed for each batch (slower).
        threads: Threads of the teacher's runtime for "augmented", where it is a file.
        blends: How many faces are blended from the crops beforehand, for the teacher
            alone to describe ("cached" only).
        side_blends: The same of crops seen from the side only.
        blend_share: The share of both in each batch, in [0, 1).
    """

    path: Path
    view: str = "cached"
    threads: int = 1
    blends: int = 0
    side_blends: int = 0
    blend_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse an unknown view, and blends that would have no target."""
        if self.view not in ("cached", "augmented"):
            raise ValueError(f'view must be "cached" or "augmented". Received: view={self.view!r}')
        if (self.blends or self.side_blends) and self.view != "cached":
            raise ValueError(
                f'Blends need view = "cached". Received: blends={self.blends}, view={self.view!r}'
            )
        if min(self.blends, self.side_blends) < 0 or not 0 <= self.blend_share < 1:
            raise ValueError(
                "blends must not be negative, blend_share lie in [0, 1). Received:"
                f" blends={self.blends}, side_blends={self.side_blends},"
                f" blend_share={self.blend_share}"
            )


@dataclass(frozen=True)
class Pool:
    """Faces to draw views from.

    Attributes:
        images: n × (112, 112, 3) uint8 RGB by number.
        labels: (n,) int32 class numbers, `UNKNOWN` for nobody's.
        targets: (n, t) float32 embeddings of the teacher, None where it is asked for
            each view or there is none.
        per_batch: How many of its views are in a batch.
        salt: Sets its order apart from other pools'.
    """

    images: ImageArray | Shards
    labels: npt.NDArray[np.int32]
    targets: Float32Array | None
    per_batch: int
    salt: int


class FaceBatches:
    """Batches of augmented crops with class numbers and, with a teacher, its
    embeddings.
    """

    def __init__(
        self,
        listing: Listing,
        cache: Path,
        batch_size: int,
        seed: int,
        resolutions: tuple[tuple[float, int], ...] = ((0.0, FACE_SIZE_PX),),
        augmentation: AugmentOptions | None = None,
        teacher: TeacherOptions | None = None,
    ) -> None:
        """Decode the crops (or open the cache).

        Args:
            listing: The training set.
            cache: Folder for decoded crops and teacher embeddings.
            batch_size: Views in a batch, at least 2.
            seed: Of all chance.
            resolutions: (progress, size in px) in rising progress: from which progress
                on views have which size.
            augmentation: None for clean crops (mirrored at random only).
            teacher: None for training from labels alone.
        """
        if batch_size < 2:
            raise ValueError(f"batch_size must be at least 2. Received: batch_size={batch_size}")
        self.images = cached_images(listing, cache)
        self.labels = np.array(listing.label_ids(), np.int32)
        self.batch_size = batch_size
        self.seed = seed
        self._resolutions = resolutions
        self._augmentation = augmentation
        self._teacher: Teacher | None = None
        targets = None
        blends = 0
        if teacher is not None and teacher.view == "cached":
            targets = mean_of_views(cached_teacher(listing, cache, teacher.path))
            blended = teacher.blends + teacher.side_blends > 0
            blends = min(round(teacher.blend_share * batch_size), batch_size - 1) if blended else 0
        elif teacher is not None:
            self._teacher = Teacher(teacher.path, teacher.threads)
        self._pools = [Pool(self.images, self.labels, targets, batch_size - blends, 1 << 40)]
        if teacher is not None and blends:
            self._pools.append(_blended(listing, cache, teacher, seed, blends))
        self._permutation = lru_cache(maxsize=4)(self._new_permutation)

    @property
    def teacher_size(self) -> int:
        """Length of the teacher's embeddings; 0 without a teacher."""
        if self._pools[0].targets is not None:
            return self._pools[0].targets.shape[1]
        return (
            0
            if self._teacher is None
            else self._teacher.embed(np.asarray(self.images[:1])).shape[1]
        )

    def size_px(self, progress: float) -> int:
        """Height and width of the views at this progress."""
        return [size for start, size in self._resolutions if progress >= start][-1]

    def batch(self, step: int, progress: float) -> dict[str, npt.NDArray[Any]]:
        """Batch number `step`: image (b, s, s, 3) uint8, label (b,) int32 and perhaps
        teacher (b, t) float32.

        Blended faces come last and have the label `UNKNOWN`.
        """
        rng = np.random.default_rng((self.seed, step))
        size = self.size_px(progress)
        at_112 = FACE_SIZE_PX if self._teacher is not None else size
        drawn = [(pool, self._rows(pool, step)) for pool in self._pools]
        views = np.stack(
            [self._view(pool.images[row], rng, at_112) for pool, rows in drawn for row in rows]
        )
        labels = np.concatenate([pool.labels[rows] for pool, rows in drawn])
        batch: dict[str, npt.NDArray[Any]] = {"image": views, "label": labels}
        targets = [pool.targets[rows] for pool, rows in drawn if pool.targets is not None]
        if targets:
            batch["teacher"] = np.concatenate(targets)
        elif self._teacher is not None:
            batch["teacher"] = mean_of_views(self._teacher.embed_both(views))
            batch["image"] = resized(views, size)
        return batch

    def _rows(self, pool: Pool, step: int) -> IndexArray:
        places = np.arange(step * pool.per_batch, (step + 1) * pool.per_batch)
        epochs, within = np.divmod(places, len(pool.images))
        order = [self._permutation(pool.salt, len(pool.images), int(epoch)) for epoch in epochs]
        return np.array(
            [permutation[place] for permutation, place in zip(order, within, strict=True)]
        )

    def _new_permutation(self, salt: int, number: int, epoch: int) -> IndexArray:
        return np.random.default_rng((self.seed, salt, epoch)).permutation(number)

    def _view(self, image: ImageArray, rng: np.random.Generator, size: int) -> ImageArray:
        if rng.random() < 0.5:
            image = image[:, ::-1]
        image = np.ascontiguousarray(image)
        if self._augmentation is None:
            return resized(image[None], size)[0]
        return augment(image, rng, self._augmentation, size)


def _blended(
    listing: Listing, cache: Path, teacher: TeacherOptions, seed: int, per_batch: int
) -> Pool:
    """Both kinds of blended faces, as the teacher's options say."""
    kinds = [(teacher.blends, False), (teacher.side_blends, True)]
    made = [
        cached_blends(BlendSource(listing, cache, teacher.path, seed, sides), number)
        for number, sides in kinds
        if number
    ]
    faces = Shards([part for images, _ in made for part in images.parts])
    targets = mean_of_views(np.concatenate([vectors for _, vectors in made]))
    return Pool(faces, np.full(len(faces), UNKNOWN, np.int32), targets, per_batch, 1 << 42)


def mean_of_views(pairs: npt.NDArray[np.floating[Any]]) -> Float32Array:
    """Unit-norm mean of two unit vectors each: (n, 2, d) to (n, d) float32."""
    return unit(pairs.astype(np.float32).mean(axis=1))


def resized(images: ImageArray, size_px: int) -> ImageArray:
    """Scale (n, s, s, 3) crops down to `size_px` by area averaging; as they are where
    the size agrees.
    """
    if images.shape[1] == size_px:
        return images
    shape = (size_px, size_px)
    return np.stack(
        [np.asarray(cv2.resize(image, shape, interpolation=cv2.INTER_AREA)) for image in images]
    )
