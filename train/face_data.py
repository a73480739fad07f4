"""Training batches of faces: which crops, at which resolution, with which targets.

A batch is a pure function of (seed, step, progress): each epoch is one permutation of all crops, each view is drawn
from a generator seeded by (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from train.datasets import Listing
from train.face_augment import AugmentOptions, augment
from train.face_cache import SIZE_PX, Teacher, cached_images, cached_teacher


@dataclass(frozen=True)
class TeacherOptions:
    """Where the targets of the distillation come from.

    Attributes:
        path: The teacher's ONNX file.
        view: "cached": the mean of the embeddings of the clean crop and its mirror image, computed once; "augmented":
            the same mean over the very view that the student sees, computed for each batch (slower).
        threads: Threads of the teacher's runtime for "augmented".
    """

    path: Path
    view: str = "cached"
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse an unknown view."""
        if self.view not in ("cached", "augmented"):
            raise ValueError(f'view must be "cached" or "augmented". Received: view={self.view!r}')


class FaceBatches:
    """Batches of augmented crops with class numbers and, with a teacher, its embeddings."""

    def __init__(
        self,
        listing: Listing,
        cache: Path,
        batch_size: int,
        seed: int,
        resolutions: tuple[tuple[float, int], ...] = ((0.0, SIZE_PX),),
        augmentation: AugmentOptions | None = None,
        teacher: TeacherOptions | None = None,
    ) -> None:
        """Decode the crops (or open the cache).

        Args:
            listing: The training set.
            cache: Folder for decoded crops and teacher embeddings.
            batch_size: Views in a batch, at least 2.
            seed: Of all chance.
            resolutions: (progress, size in px) in rising progress: from which progress on views have which size.
            augmentation: None for clean crops (mirrored at random only).
            teacher: None for training from labels alone.
        """
        if batch_size < 2:
            raise ValueError(f"batch_size must be at least 2. Received: batch_size={batch_size}")
        self.images = cached_images(listing, cache)
        self.labels = np.array(listing.label_ids(), np.int32)
        self.batch_size, self.seed = batch_size, seed
        self._resolutions, self._augmentation = resolutions, augmentation
        self._teacher: Teacher | None = None
        self._targets: npt.NDArray[np.float32] | None = None
        if teacher is not None and teacher.view == "cached":
            self._targets = mean_of_views(cached_teacher(listing, cache, teacher.path))
        elif teacher is not None:
            self._teacher = Teacher(teacher.path, teacher.threads)
        self._permutation = lru_cache(maxsize=4)(self._new_permutation)

    @property
    def teacher_size(self) -> int:
        """Length of the teacher's embeddings; 0 without a teacher."""
        if self._targets is not None:
            return self._targets.shape[1]
        return 0 if self._teacher is None else self._teacher.embed(np.asarray(self.images[:1])).shape[1]

    def size_px(self, progress: float) -> int:
        """Height and width of the views at this progress."""
        return [size for start, size in self._resolutions if progress >= start][-1]

    def batch(self, step: int, progress: float) -> dict[str, npt.NDArray[Any]]:
        """Batch number `step`: image (b, s, s, 3) uint8, label (b,) int32 and perhaps teacher (b, t) float32."""
        rng = np.random.default_rng((self.seed, step))
        rows = self._rows(step)
        size = self.size_px(progress)
        at_112 = SIZE_PX if self._teacher is not None else size
        views = np.stack([self._view(self.images[row], rng, at_112) for row in rows])
        batch: dict[str, npt.NDArray[Any]] = {"image": views, "label": self.labels[rows]}
        if self._targets is not None:
            batch["teacher"] = self._targets[rows]
        elif self._teacher is not None:
            batch["teacher"] = mean_of_views(self._teacher.embed_both(views))
            batch["image"] = resized(views, size)
        return batch

    def _rows(self, step: int) -> npt.NDArray[np.intp]:
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, within = np.divmod(places, len(self.images))
        return np.array([self._permutation(int(e))[w] for e, w in zip(epochs, within, strict=True)])

    def _new_permutation(self, epoch: int) -> npt.NDArray[np.intp]:
        return np.random.default_rng((self.seed, 1 << 40, epoch)).permutation(len(self.images))

    def _view(self, image: npt.NDArray[np.uint8], rng: np.random.Generator, size: int) -> npt.NDArray[np.uint8]:
        if rng.random() < 0.5:
            image = image[:, ::-1]
        image = np.ascontiguousarray(image)
        if self._augmentation is None:
            return resized(image[None], size)[0]
        return augment(image, rng, self._augmentation, size)


def mean_of_views(pairs: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Unit-norm mean of two unit vectors each: (n, 2, d) to (n, d) float32."""
    mean = pairs.astype(np.float32).mean(axis=1)
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)


def resized(images: npt.NDArray[np.uint8], size_px: int) -> npt.NDArray[np.uint8]:
    """Scale (n, s, s, 3) crops down to `size_px` by area averaging; as they are where the size agrees."""
    if images.shape[1] == size_px:
        return images
    shape = (size_px, size_px)
    return np.stack([np.asarray(cv2.resize(image, shape, interpolation=cv2.INTER_AREA)) for image in images])
