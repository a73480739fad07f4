"""Training batches of faces: which crops, at which resolution, with which targets.

A batch is a pure function of (seed, step, progress): each epoch is one permutation of
all crops, each view is drawn from a generator seeded by (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from train.data.datasets import Listing
from train.face.augment import AugmentOptions, augment
from train.face.blend import lopsidedness, thumbnails
from train.face.blend_cache import BlendSource, Shards, cached_blends
from train.face.cache import cached_images
from train.face.pairs import PairOptions, PairPicker
from train.face.teacher import Teacher, TeacherNetwork, cached_teacher
from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray, IndexArray

# The label of a blended face.
UNKNOWN = -1
# Of a view. In smaller ones little is left of a face.
LEAST_PX = 32
# Salts set the order of crops and of blended faces apart.
CROPS_SALT = 1 << 40
BLENDS_SALT = 1 << 42


@dataclass(frozen=True)
class TeacherOptions:
    """Where the targets of the distillation come from (table `[teacher]`).

    Attributes:
        networks: The teacher's networks.
        view: "cached": the embedding of the clean crop, computed once; "augmented": of
            the very view that the student sees, computed for each batch (slower).
        mirror: Targets are the mean of the embeddings of both mirror images, for twice
            the teacher's time.
        blends: How many faces are blended from the crops beforehand, for the teacher
            alone to describe ("cached" only).
        side_blends: The same of crops seen from the side only.
        blend_share: The share of both in each batch, in [0, 1).

    Raises:
        ValueError: The view is unknown, or blends would have no target.
    """

    networks: tuple[TeacherNetwork, ...]
    view: str = "cached"
    mirror: bool = True
    blends: int = 0
    side_blends: int = 0
    blend_share: float = 0.5

    def __post_init__(self) -> None:
        if self.view not in ("cached", "augmented"):
            raise ValueError(f'view must be "cached" or "augmented". Received: view={self.view!r}')
        if self.has_blends and self.view != "cached":
            raise ValueError(
                f'Blends need view = "cached". Received: blends={self.blends}, view={self.view!r}'
            )
        if min(self.blends, self.side_blends) < 0 or not 0 <= self.blend_share < 1:
            raise ValueError(
                "blends must not be negative, blend_share lie in [0, 1). Received:"
                f" blends={self.blends}, side_blends={self.side_blends},"
                f" blend_share={self.blend_share}"
            )

    @property
    def has_blends(self) -> bool:
        """Whether faces are blended."""
        return bool(self.blends or self.side_blends)


@dataclass(frozen=True)
class BatchOptions:
    """How batches are made.

    Attributes:
        batch_size: Views in a batch, at least 2.
        seed: Seed of all chance.
        resolutions: (progress, size in px) in rising progress: from which progress on
            views have which size.
        augmentation: None for clean crops (mirrored at random only).
        teacher: None for training from labels alone.
        unlabelled: Sets of crops for the teacher alone to describe.
        pairs: Pairs of one person, None for none.

    Raises:
        ValueError: `batch_size` is below 2, `resolutions` are impossible, or pairs would
            have no target.
    """

    batch_size: int
    seed: int
    resolutions: tuple[tuple[float, int], ...] = ((0.0, FACE_SIZE_PX),)
    augmentation: AugmentOptions | None = None
    teacher: TeacherOptions | None = None
    unlabelled: tuple[Listing, ...] = ()
    pairs: PairOptions | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ValueError(
                f"batch_size must be at least 2. Received: batch_size={self.batch_size}"
            )
        starts = [start for start, _ in self.resolutions]
        sizes = [size for _, size in self.resolutions]
        rises = starts[:1] == [0] and starts == sorted(starts) and starts[-1] <= 1
        if not rises or not all(LEAST_PX <= size <= FACE_SIZE_PX for size in sizes):
            raise ValueError(
                "resolutions must rise from progress 0 to 1 at most, with sizes between"
                f" {LEAST_PX} and {FACE_SIZE_PX} px. Received: resolutions={self.resolutions}"
            )
        if self.pairs and (self.teacher is None or self.teacher.view != "cached"):
            view = self.teacher.view if self.teacher else None
            raise ValueError(f'Pairs need a teacher with view = "cached". Received: view={view!r}')

    @property
    def blends(self) -> int:
        """Blended faces in a batch."""
        if self.teacher is None or not self.teacher.has_blends:
            return 0
        return min(round(self.teacher.blend_share * self.batch_size), self.batch_size - 1)


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

    images: Shards
    labels: npt.NDArray[np.int32]
    targets: Float32Array | None
    per_batch: int
    salt: int


class FaceBatches:
    """Batches of augmented crops with class numbers and, with a teacher, its embeddings."""

    def __init__(self, listing: Listing, cache: Path, options: BatchOptions) -> None:
        """Decode the crops of the training set, or open the cache.

        `cache` is the folder of decoded crops and teacher embeddings.
        """
        self.options = options
        self._pools = _make_pools(listing, cache, options)
        self.labels = self._pools[0].labels
        self._teacher = _live_teacher(options.teacher)
        self._picker = _make_picker(self._pools[0], listing, cache, options)
        if self._picker:
            self._pools[0] = replace(self._pools[0], targets=self._picker.targets)
        self._permutation = lru_cache(maxsize=4)(self._new_permutation)

    @property
    def teacher_size(self) -> int:
        """Length of the teacher's embeddings, 0 without a teacher."""
        if self._pools[0].targets is not None:
            return int(self._pools[0].targets.shape[1])
        if self._teacher is None:
            return 0
        return int(self._teacher.embed(self._pools[0].images[0][None]).shape[1])

    def size_px(self, progress: float) -> int:
        """Height and width of the views at this progress."""
        return [size for start, size in self.options.resolutions if progress >= start][-1]

    def batch(self, step: int, progress: float) -> dict[str, npt.NDArray[Any]]:
        """Make batch number `step`.

        Returns:
            image (b, s, s, 3) uint8, label (b,) int32 and perhaps teacher (b, t)
            float32. Faces without a name have the label `UNKNOWN`, blended ones come
            last.
        """
        rng = np.random.default_rng((self.options.seed, step))
        size = self.size_px(progress)
        # A teacher that sees the views sees them at full resolution.
        view_px = FACE_SIZE_PX if self._teacher is not None else size
        views: list[ImageArray] = []
        labels: list[npt.NDArray[np.int32]] = []
        targets: list[Float32Array] = []
        for pool in self._pools:
            rows = self._rows(pool, step, rng)
            views += [self._view(pool, row, rng, view_px) for row in rows]
            labels.append(pool.labels[rows])
            if pool.targets is not None:
                targets.append(pool.targets[rows])
        batch: dict[str, npt.NDArray[Any]] = {
            "image": np.stack(views),
            "label": np.concatenate(labels),
        }
        if targets:
            batch["teacher"] = np.concatenate(targets)
        elif self._teacher is not None:
            batch["teacher"] = self._teacher.embed(batch["image"])
            batch["image"] = resize(batch["image"], size)
        return batch

    def _rows(self, pool: Pool, step: int, rng: np.random.Generator) -> IndexArray:
        """The rows of a pool in batch number `step`: pairs first, then as their turn comes."""
        pairs = np.zeros(0, np.int64)
        if self._picker and pool is self._pools[0]:
            pairs = self._picker.rows(rng, pool.per_batch)
        number = pool.per_batch - len(pairs)
        return np.concatenate([pairs, self._in_turn(pool, step, number)])

    def _in_turn(self, pool: Pool, step: int, number: int) -> IndexArray:
        places = np.arange(step * number, (step + 1) * number)
        epochs, within = np.divmod(places, len(pool.images))
        order = [self._permutation(pool.salt, len(pool.images), int(epoch)) for epoch in epochs]
        return np.array(
            [permutation[place] for permutation, place in zip(order, within, strict=True)]
        )

    def _new_permutation(self, salt: int, number: int, epoch: int) -> IndexArray:
        return np.random.default_rng((self.options.seed, salt, epoch)).permutation(number)

    def _view(self, pool: Pool, row: int, rng: np.random.Generator, size: int) -> ImageArray:
        image = pool.images[row]
        if self._picker and pool.labels[row] != UNKNOWN:
            image = self._picker.turn_some(image, rng)
        if rng.random() < 0.5:
            image = image[:, ::-1]
        image = np.ascontiguousarray(image)
        if self.options.augmentation is None:
            return resize(image[None], size)[0]
        return augment(image, rng, self.options.augmentation, size)


def _make_picker(
    crops: Pool, listing: Listing, cache: Path, options: BatchOptions
) -> PairPicker | None:
    """What draws pairs of one person from `crops`, None where they are not asked for."""
    if options.pairs is None or crops.targets is None:
        return None
    sides = np.zeros(len(crops.labels), np.float32)
    sides[: len(listing.items)] = lopsidedness(thumbnails(cached_images(listing, cache)))
    return PairPicker(crops.labels, crops.targets, sides, options.pairs)


def _make_pools(listing: Listing, cache: Path, options: BatchOptions) -> list[Pool]:
    teacher = options.teacher
    sets = (listing, *options.unlabelled) if teacher else (listing,)
    targets = None
    if teacher is not None and teacher.view == "cached":
        described = [cached_teacher(each, cache, teacher.networks, teacher.mirror) for each in sets]
        targets = np.concatenate(described)
    images = Shards([cached_images(each, cache) for each in sets])
    labels = np.full(len(images), UNKNOWN, np.int32)
    labels[: len(listing.items)] = listing.label_ids()
    crops = Pool(
        images=images,
        labels=labels,
        targets=targets,
        per_batch=options.batch_size - options.blends,
        salt=CROPS_SALT,
    )
    if teacher is None or not options.blends:
        return [crops]
    return [crops, _blend_pool(listing, cache, teacher, options)]


def _live_teacher(teacher: TeacherOptions | None) -> Teacher | None:
    """The teacher that is asked for each batch, if any."""
    if teacher is None or teacher.view == "cached":
        return None
    return Teacher(teacher.networks, teacher.mirror)


def _blend_pool(
    listing: Listing, cache: Path, teacher: TeacherOptions, options: BatchOptions
) -> Pool:
    """Both kinds of blended faces, as the teacher's options say."""
    parts: list[ImageArray] = []
    vectors: list[Float32Array] = []
    for number, sides in ((teacher.blends, False), (teacher.side_blends, True)):
        if number:
            source = BlendSource(
                listing=listing,
                base=cache,
                teacher=teacher.networks,
                seed=options.seed,
                sides=sides,
                mirror=teacher.mirror,
            )
            images, embeddings = cached_blends(source, number)
            parts += images.parts
            vectors.append(embeddings)
    faces = Shards(parts)
    return Pool(
        images=faces,
        labels=np.full(len(faces), UNKNOWN, np.int32),
        targets=np.concatenate(vectors),
        per_batch=options.blends,
        salt=BLENDS_SALT,
    )


def resize(images: ImageArray, size_px: int) -> ImageArray:
    """Scale (n, s, s, 3) crops down to `size_px` by area averaging.

    They are returned as they are where the size agrees.
    """
    if images.shape[1] == size_px:
        return images
    shape = (size_px, size_px)
    return np.stack(
        [np.asarray(cv2.resize(image, shape, interpolation=cv2.INTER_AREA)) for image in images]
    )
