"""Embeddings of many files under stated conditions, with the person of each.

The fusion and the calibration are made from these tables and measured on them. Embedding
is the slow part, so tables are kept in a cache folder. Their names are made of the
encoder, the files and the conditions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from align.speech import analyse_speech
from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data import conditions
from train.data.conditions import VIEWS, NoiseBank
from train.data.crops import decode_crop
from train.data.datasets import Item, Listing, cache_key
from train.data.embed import embed_crops, embed_waves
from train.data.sounds import decode_float
from utils.arrays import EMBEDDING_SIZE, RATE_HZ, BoolArray, Float32Array, ImageArray, unit
from utils.media import Waveform
from utils.whole_file import whole_file

Codes = npt.NDArray[np.int64]
T = TypeVar("T")
# Version of the cached files. Version 1 had no seconds.
FORMAT = "2"
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
    """

    vectors: Float32Array
    person: Codes
    file: Codes
    condition: Codes
    names: tuple[str, ...]
    conditions: tuple[str, ...]
    seconds: Float32Array

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
        )

    def of_people(self, people: npt.ArrayLike) -> Table:
        """The rows of the people with these numbers."""
        return self.rows(np.isin(self.person, people))


@dataclass(frozen=True)
class Recipe:
    """How the files of a table are rendered.

    Attributes:
        conditions: Every file is rendered once under each of these.
        random: How many randomly degraded versions of each are added (condition
            "random").
        views: Frames of a clip that are simulated from one still. Their mean is taken.
        seed: Seed of all chance.
    """

    conditions: tuple[str, ...]
    random: int = 0
    views: int = VIEWS
    seed: int = 0

    @property
    def all_conditions(self) -> tuple[str, ...]:
        """Names of the conditions that the table will hold."""
        return (*self.conditions, "random") if self.random else self.conditions


@dataclass(frozen=True)
class VoiceOptions:
    """How the voices of a table are heard.

    Attributes:
        noises: Recordings that degrade the speech.
        min_speech_s: Least net speech that the service embeds, in seconds.
    """

    noises: NoiseBank
    min_speech_s: float


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
    return _load(file, listing, recipe, lambda: _build(listing, recipe, _Faces(encoder, recipe)))


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
    voices = _Voices(encoder, recipe, options)
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


class _Media(Protocol[T]):
    """Renders files of one kind and embeds the renderings."""

    def render(self, data: bytes, name: str, rng: np.random.Generator) -> Iterator[tuple[int, T]]:
        """The number of a condition, and the file under it."""

    def embed(self, media: Sequence[T]) -> Float32Array:
        """(n, 512) embeddings of n renderings."""

    def seconds(self, medium: T) -> float:
        """Seconds of speech in a rendering, 0 without sound."""


@dataclass(frozen=True)
class _Faces:
    encoder: FaceEncoder
    recipe: Recipe

    def render(
        self, data: bytes, name: str, rng: np.random.Generator
    ) -> Iterator[tuple[int, ImageArray]]:
        face = decode_crop(data, name)
        for code, condition in enumerate(self.recipe.conditions):
            count = self.recipe.views if condition == "clean" else 1
            for view in conditions.views(face, rng, count):
                yield code, conditions.degrade_face(view, condition, rng)
        for _ in range(self.recipe.random):
            yield len(self.recipe.conditions), conditions.random_face(face, rng)

    def embed(self, media: Sequence[ImageArray]) -> Float32Array:
        return embed_crops(self.encoder, media)

    def seconds(self, medium: ImageArray) -> float:  # noqa: ARG002  as for voices
        return 0.0


@dataclass(frozen=True)
class _Voices:
    encoder: VoiceEncoder
    recipe: Recipe
    options: VoiceOptions

    def render(
        self, data: bytes, name: str, rng: np.random.Generator
    ) -> Iterator[tuple[int, Float32Array]]:
        wave = decode_float(data, RATE_HZ, name)
        speech = self._speech_of(wave)
        noises = self.options.noises
        for code, condition in enumerate(self.recipe.conditions):
            # Noise is there before the service looks for speech.
            if condition.endswith(" dB"):
                noisy = conditions.degrade_voice(wave, condition, noises, rng)
                degraded = self._speech_of(noisy)
            else:
                degraded = conditions.degrade_voice(speech, condition, noises, rng)
            if len(degraded):
                yield code, degraded
        for _ in range(self.recipe.random if len(speech) else 0):
            yield len(self.recipe.conditions), conditions.random_voice(speech, noises, rng)

    def embed(self, media: Sequence[Float32Array]) -> Float32Array:
        return embed_waves(self.encoder, media)

    def seconds(self, medium: Float32Array) -> float:
        return len(medium) / RATE_HZ

    def _speech_of(self, wave: Float32Array) -> Float32Array:
        """The speech of a waveform, empty where the service would not embed it."""
        speech = analyse_speech(Waveform(wave, RATE_HZ), self.options.min_speech_s).speech
        return np.zeros(0, np.float32) if speech is None else speech.samples


def _build(listing: Listing, recipe: Recipe, media: _Media[T]) -> Table:
    """Render and embed all files.

    Rows of the same file and condition (views of one clip) become one, their mean, but
    for randomly degraded ones.
    """

    def embed_file(number: int, data: bytes) -> tuple[list[int], Float32Array, list[float]]:
        item = listing.items[number]
        rng = np.random.default_rng([recipe.seed, *hashlib.sha256(item.path.encode()).digest()[:8]])
        rendered = list(media.render(data, item.path, rng))
        vectors = np.zeros((0, EMBEDDING_SIZE), np.float32)
        if rendered:
            vectors = media.embed([medium for _, medium in rendered])
        seconds = [media.seconds(medium) for _, medium in rendered]
        return [code for code, _ in rendered], vectors, seconds

    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(embed_file, range(len(listing.items)), listing.read_all()))
    sizes = [len(codes) for codes, _, _ in parts]
    table = Table(
        vectors=np.concatenate([vectors for _, vectors, _ in parts]),
        person=np.repeat(listing.label_ids(), sizes),
        file=np.repeat(np.arange(len(sizes)), sizes),
        condition=np.concatenate([codes for codes, _, _ in parts]).astype(np.int64),
        names=listing.labels,
        conditions=recipe.all_conditions,
        seconds=np.concatenate([seconds for _, _, seconds in parts]).astype(np.float32),
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
        )
