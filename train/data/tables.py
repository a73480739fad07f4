"""Embeddings of many files under stated conditions, with the person of each.

The fusion and the calibration are made from these tables and measured on them. Embedding
is the slow part, so tables are kept in a cache folder. Their names are made of the
encoder, the files and the conditions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data.conditions import NoiseBank
from train.data.datasets import Item, Listing, cache_key
from train.data.renderings import Faces, Media, Recipe, Rendering, VoiceOptions, Voices
from train.data.sounds import decode_float
from utils.arrays import (
    EMBEDDING_SIZE,
    RATE_HZ,
    BoolArray,
    Float32Array,
    unit,
)
from utils.whole_file import whole_file

Codes = npt.NDArray[np.int64]
T = TypeVar("T")
# Version of the cached files. Version 1 had no seconds, version 2 no quality.
FORMAT = "3"
# RMS below which a recording of the noise split is silence.
MIN_NOISE_LEVEL = 1e-3


@dataclass(frozen=True)
class Table:
    """Embeddings, and what each was made from.

    Attributes:
        vectors: (n, 512) float32 of unit length.
        person: (n,) numbers of people, places in `names`.
        file: (n,) numbers of files.
        condition: (n,) numbers of conditions, places in `conditions`.
        names: The people.
        conditions: The conditions, the clean one first.
        seconds: (n,) float32, speech that a vector was made of. 0 for none or unknown.
        quality: (n, k) float32 in [0, 1], the scores of `FaceQuality`, of
            `SpeechQuality`, or of both for fused vectors.
    """

    vectors: Float32Array
    person: Codes
    file: Codes
    condition: Codes
    names: tuple[str, ...]
    conditions: tuple[str, ...]
    seconds: Float32Array
    quality: Float32Array

    def __len__(self) -> int:
        return len(self.vectors)

    def under(self, condition: str) -> Table:
        """The rows of one condition."""
        return self.rows(self.condition == self.conditions.index(condition))

    def rows(self, keep: BoolArray | Codes) -> Table:
        """The rows where `keep` (n,) is true, or those with these numbers."""
        return replace(
            self,
            vectors=self.vectors[keep],
            person=self.person[keep],
            file=self.file[keep],
            condition=self.condition[keep],
            seconds=self.seconds[keep],
            quality=self.quality[keep],
        )

    def of_people(self, people: npt.ArrayLike) -> Table:
        """The rows of the people with these numbers."""
        return self.rows(np.isin(self.person, people))


def select(
    listing: Listing,
    per_person: int,
    people: int | None = None,
    *,
    least: int = 2,
    seed: int = 0,
) -> Listing:
    """Choose files at random, the same for the same seed.

    Args:
        listing: What is chosen from.
        per_person: At most so many files of a person.
        people: At most so many people, None for all.
        least: Files that a person must have to be chosen.
        seed: Seed of the choice.
    """
    rng = np.random.default_rng(seed)
    files = listing.by_label()
    chosen = [label for label in sorted(files) if len(files[label]) >= least]
    if people is not None and len(chosen) > people:
        chosen = [chosen[i] for i in np.sort(rng.permutation(len(chosen))[:people])]
    items: list[Item] = []
    for label in chosen:
        places = np.sort(rng.permutation(len(files[label]))[:per_person])
        items += [files[label][place] for place in places]
    return Listing(listing.root, tuple(items))


def face_table(
    encoder: FaceEncoder, listing: Listing, recipe: Recipe, cache: Path | None = None
) -> Table:
    """Embed aligned crops.

    A clean one is the mean of several views, as the service takes the mean over a
    clip's frames. Tables are kept in the folder `cache`, None for no cache.
    """
    file = _cache_file(cache, [FORMAT, encoder.encoder_id, repr(recipe), cache_key(listing)])
    return _load(file, listing, recipe, lambda: _build(listing, recipe, Faces(encoder, recipe)))


def voice_table(
    encoder: VoiceEncoder,
    listing: Listing,
    recipe: Recipe,
    *,
    options: VoiceOptions,
    cache: Path | None = None,
) -> Table:
    """Embed the speech in sound files, found as the service finds it.

    The row is missing where too little speech is left. Speech shorter than a
    condition's length is used whole. Tables are kept in the folder `cache`, None for no
    cache.
    """
    file = _cache_file(
        cache,
        [
            FORMAT,
            encoder.encoder_id,
            repr(recipe),
            cache_key(listing),
            f"min_speech_s={options.min_speech_s:g}",
        ],
    )
    voices = Voices(encoder, recipe, options)
    return _load(file, listing, recipe, lambda: _build(listing, recipe, voices))


def read_noises(listing: Listing) -> NoiseBank:
    """Read the recordings of a noise listing that are not silent."""
    waves = [
        decode_float(data, RATE_HZ, item.path)
        for data, item in zip(listing.read_all(), listing.items, strict=True)
    ]
    loud = [
        wave for wave in waves if len(wave) and float(np.sqrt(np.mean(wave**2))) > MIN_NOISE_LEVEL
    ]
    return NoiseBank(loud)


def _build(listing: Listing, recipe: Recipe, media: Media[T]) -> Table:
    """Render and embed all files.

    Rows of the same file and condition (views of one clip) become one, their mean, but
    for randomly degraded ones.
    """

    def embed_file(number: int, data: bytes) -> tuple[list[Rendering[None]], Float32Array]:
        item = listing.items[number]
        rng = np.random.default_rng([recipe.seed, *hashlib.sha256(item.path.encode()).digest()[:8]])
        rendered = list(media.render(data, item.path, rng))
        vectors = np.zeros((0, EMBEDDING_SIZE), np.float32)
        if rendered:
            vectors = media.embed([one.medium for one in rendered])
        return [one.bare for one in rendered], vectors

    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(embed_file, range(len(listing.items)), listing.read_all()))
    sizes = [len(rendered) for rendered, _ in parts]
    renderings = list(chain.from_iterable(rendered for rendered, _ in parts))
    table = Table(
        vectors=np.concatenate([vectors for _, vectors in parts]),
        person=np.repeat(listing.label_ids(), sizes),
        file=np.repeat(np.arange(len(sizes)), sizes),
        condition=np.array([one.code for one in renderings], np.int64),
        names=listing.labels,
        conditions=recipe.all_conditions,
        seconds=np.array([one.seconds for one in renderings], np.float32),
        quality=np.array([[one.quality] for one in renderings], np.float32),
    )
    return _merge_views(table, random=len(recipe.conditions))


def _merge_views(table: Table, random: int) -> Table:
    """Take the mean of rows of the same file and condition, but for condition `random`."""
    keys = table.file * (random + 1) + table.condition
    alone = table.condition == random
    keys = np.where(alone, keys.max() + 1 + np.arange(len(keys)), keys)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), table.vectors.shape[1]), np.float32)
    np.add.at(sums, group, table.vectors)
    return replace(table.rows(first), vectors=unit(sums))


def _cache_file(cache: Path | None, key: Sequence[str]) -> Path | None:
    if cache is None:
        return None
    name = hashlib.sha256("\n".join(key).encode()).hexdigest()[:16]
    return cache / f"{name}.npz"


def _load(file: Path | None, listing: Listing, recipe: Recipe, build: Callable[[], Table]) -> Table:
    """The table in `file`, built and written on the first call. None for no cache."""
    if file is None:
        return build()
    if not file.exists():
        table = build()
        with whole_file(file) as partial:
            np.savez(
                partial,
                vectors=table.vectors,
                codes=np.stack([table.person, table.file, table.condition]),
                seconds=table.seconds,
                quality=table.quality,
            )
    with np.load(file) as archive:
        person, file_number, condition = archive["codes"]
        return Table(
            vectors=archive["vectors"],
            person=person,
            file=file_number,
            condition=condition,
            names=listing.labels,
            conditions=recipe.all_conditions,
            seconds=archive["seconds"],
            quality=archive["quality"],
        )
