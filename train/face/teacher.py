"""The teacher of a face network, and its embeddings of the training crops.

A teacher is one network with a card or several. Its embeddings cost more than a
training step of the student, so they are computed once per data set. Those of each
network lie beside the decoded crops (`train/face/cache.py`) as `teacher-<hash>.npy`,
(n, v, d) float16 of unit norm: of each crop, and with `mirror` of its mirror image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from network.serving.card import Card, read_card
from network.serving.encoder import FaceEncoder
from network.serving.runtime import load_runtime
from train.data.datasets import Listing, cache_key
from train.face.cache import cached_images, save_array
from utils.arrays import Float32Array, ImageArray, unit
from utils.errors import DatasetError, ModelError

NO_TEACHER = (
    "docs/training.md says how the teacher is made. Or train from labels alone: --no-teacher."
)
# Faces that a teacher embeds at once.
BATCH = 25


@dataclass(frozen=True)
class TeacherNetwork:
    """One network of a teacher.

    Attributes:
        path: Its model folder, whose card says what it is fed.
        weight: How much its cosines count beside those of the others, over 0.

    Raises:
        ValueError: `weight` is not positive.
    """

    path: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight must be positive. Received: weight={self.weight}")


class Teacher:
    """Face networks whose embeddings the student learns to reproduce."""

    def __init__(self, networks: Sequence[TeacherNetwork], mirror: bool = True) -> None:
        """Load `networks`, at least one.

        `mirror` asks them about mirror images too.

        Raises:
            DatasetError: A network's folder is no model's.
            ModelError: A network does not fit its card.
        """
        self._encoders = [_load_encoder(network.path) for network in networks]
        self._weights = [network.weight for network in networks]
        self._mirror = mirror

    def embed(self, images: ImageArray) -> Float32Array:
        """Embed (n, 112, 112, 3) uint8 RGB crops: (n, d) float32, unit norm."""
        views = [_views(encoder, images, self._mirror) for encoder in self._encoders]
        return join_networks([mean_of_views(each) for each in views], self._weights)


def cached_teacher(
    listing: Listing, base: Path, networks: Sequence[TeacherNetwork], mirror: bool = True
) -> Float32Array:
    """The teacher's embeddings of every crop, as `Teacher.embed` gives them.

    Those of each network are computed on the first call.
    """
    images = cached_images(listing, base)
    parts = []
    for network in networks:
        file = base / cache_key(listing) / f"teacher-{teacher_tag(network.path, mirror)}.npy"
        parts.append(mean_of_views(cached_views(file, images, network.path, mirror)))
    return join_networks(parts, [network.weight for network in networks])


def cached_views(
    file: Path, images: ImageArray, folder: Path, mirror: bool
) -> npt.NDArray[np.float16]:
    """Embeddings of `images` by the network in `folder`, made where `file` is missing.

    Returns:
        (n, 1, d), with `mirror` (n, 2, d), of unit norm.
    """
    if not file.exists():
        encoder = _load_encoder(folder)
        vectors = [
            _views(encoder, np.asarray(images[start : start + BATCH]), mirror)
            for start in range(0, len(images), BATCH)
        ]
        save_array(file, np.concatenate(vectors).astype(np.float16))
    return np.asarray(np.load(file))


def join_networks(vectors: Sequence[Float32Array], weights: Sequence[float]) -> Float32Array:
    """Join unit vectors (n, d) of several networks to unit vectors (n, d + ...).

    Their cosines are the weighted means of the networks' cosines.
    """
    scaled = [np.float32(weight**0.5) * each for each, weight in zip(vectors, weights, strict=True)]
    return unit(np.concatenate(scaled, axis=1))


def mean_of_views(views: npt.NDArray[np.floating[Any]]) -> Float32Array:
    """Unit-norm mean of unit vectors: (n, v, d) to (n, d) float32."""
    return unit(views.astype(np.float32).mean(axis=1))


@lru_cache(maxsize=8)
def teacher_tag(folder: Path, mirror: bool = True) -> str:
    """What names the files of this network's embeddings.

    A hash of its weights and of what they are fed.
    """
    card = _read_teacher_card(folder)
    content = f"{card.sha256} {json.dumps(card.input, sort_keys=True)}"
    return hashlib.sha256(content.encode()).hexdigest()[:8] + ("" if mirror else "-once")


def read_networks(table: Sequence[Mapping[str, Any]]) -> tuple[TeacherNetwork, ...]:
    """The networks that a configuration names. Paths start from the project."""
    return tuple(TeacherNetwork(**{**entry, "path": Path(entry["path"])}) for entry in table)


def _views(encoder: FaceEncoder, images: ImageArray, mirror: bool) -> Float32Array:
    size = encoder.card.embedding_size
    views = [images]
    if mirror:
        views.append(np.ascontiguousarray(images[:, :, ::-1]))
    return np.stack([encoder.embed_each(view)[:, :size] for view in views], axis=1)


def _load_encoder(folder: Path) -> FaceEncoder:
    card = _read_teacher_card(folder)
    runtime = load_runtime(card.runtime, folder / card.file, card.input.get("output", ""))
    return FaceEncoder(card, runtime)


def _read_teacher_card(folder: Path) -> Card:
    """The card of a teacher's folder, without mirror images.

    The network embeds one picture at a time: mirror images are asked about by
    themselves.
    """
    try:
        card = read_card(folder)
    except ModelError as error:
        raise DatasetError(error.message, NO_TEACHER) from error
    return replace(card, input={**card.input, "mirror": False})
