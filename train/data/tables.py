"""Embeddings of many files under stated conditions, with who they are of: what fusion
and calibration are made and measured from.

Embedding is the slow part, so tables are kept in a cache folder under a name made of
the encoder, the files and the conditions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from align.speech import analyse_speech
from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data import conditions
from train.data.conditions import VIEWS, NoiseBank
from train.data.datasets import Item, Listing, cache_key
from train.data.embed import embed_crops, embed_waves
from train.face.cache import decode_crop
from train.voice.banks import as_float, decode_audio
from utils.arrays import EMBEDDING_SIZE, RATE_HZ, BoolArray, Float32Array, ImageArray, unit
from utils.config import Settings
from utils.media import Waveform
from utils.whole_file import whole_file

Codes = npt.NDArray[np.int64]
T = TypeVar("T")
FORMAT = "2"  # of the cached files; 1 had no seconds
MIN_NOISE_LEVEL = 1e-3  # RMS below which a recording of the noise split is silence


@dataclass(frozen=True)
class Table:
    """`vectors` (n, 512) float32 of unit length; `person`, `file` and `condition` (n,)
    say whose, of which file and how degraded; `names` and `conditions` are what the
    codes stand for. `seconds` (n,) = speech that a vector was made of; 0: none, or
    unknown.
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
        """The rows of the people with these codes."""
        return self.rows(np.isin(self.person, people))


@dataclass(frozen=True)
class Recipe:
    """How a table is made: files are rendered once under each of `conditions`; `random`
    adds that many randomly degraded versions of each (condition "random"). `views` =
    frames of a clip that are simulated from one still, of which the mean is taken.
    """

    conditions: tuple[str, ...]
    random: int = 0
    views: int = VIEWS
    seed: int = 0

    @property
    def all_conditions(self) -> tuple[str, ...]:
        """Names of the conditions that the table will hold."""
        return (*self.conditions, "random") if self.random else self.conditions


def select(
    listing: Listing, per_person: int, people: int | None = None, least: int = 2, seed: int = 0
) -> Listing:
    """At most `per_person` files each of at most `people` people who have `least` files
    or more; a fixed random choice.
    """
    rng = np.random.default_rng(seed)
    files: dict[str, list[Item]] = {}
    for item in listing.items:
        files.setdefault(item.label, []).append(item)
    able = [label for label in sorted(files) if len(files[label]) >= least]
    chosen = (
        able
        if people is None or len(able) <= people
        else [able[i] for i in np.sort(rng.permutation(len(able))[:people])]
    )
    items = [
        files[label][i]
        for label in chosen
        for i in np.sort(rng.permutation(len(files[label]))[:per_person])
    ]
    return Listing(listing.root, tuple(items))


def face_table(
    encoder: FaceEncoder, listing: Listing, recipe: Recipe, cache: Path | None = None
) -> Table:
    """Embed aligned crops; a "clean" one is the mean of several views, as serving takes
    the mean over a clip's frames.
    """

    def render(
        data: bytes, item: Item, rng: np.random.Generator
    ) -> Iterator[tuple[int, ImageArray]]:
        face = decode_crop(data, item.path)
        for code, condition in enumerate(recipe.conditions):
            for view in conditions.views(face, rng, recipe.views if condition == "clean" else 1):
                yield code, conditions.degrade_face(view, condition, rng)
        for _ in range(recipe.random):
            yield len(recipe.conditions), conditions.random_face(face, rng)

    return _cached(
        cache,
        encoder.encoder_id,
        listing,
        recipe,
        lambda: _build(
            listing, recipe, render, lambda crops: embed_crops(encoder, crops), lambda _crop: 0.0
        ),
    )


def voice_table(
    encoder: VoiceEncoder,
    listing: Listing,
    recipe: Recipe,
    noises: NoiseBank,
    cache: Path | None = None,
) -> Table:
    """Embed the speech in sound files, found as serving finds it. Where too little is
    left the row is missing; speech shorter than a condition's length is used whole.
    """

    def render(
        data: bytes, item: Item, rng: np.random.Generator
    ) -> Iterator[tuple[int, Float32Array]]:
        wave = as_float(decode_audio(data, RATE_HZ, item))
        speech = _speech(wave)
        for code, condition in enumerate(recipe.conditions):
            if condition.endswith(" dB"):  # noise comes before the search for speech
                degraded = _speech(conditions.degrade_voice(wave, condition, noises, rng))
            else:
                degraded = conditions.degrade_voice(speech, condition, noises, rng)
            if len(degraded):
                yield code, degraded
        for _ in range(recipe.random if len(speech) else 0):
            yield len(recipe.conditions), conditions.random_voice(speech, noises, rng)

    return _cached(
        cache,
        encoder.encoder_id,
        listing,
        recipe,
        lambda: _build(
            listing,
            recipe,
            render,
            lambda waves: embed_waves(encoder, waves),
            lambda wave: len(wave) / RATE_HZ,
        ),
    )


def _speech(wave: Float32Array) -> Float32Array:
    """The speech of a waveform at `RATE_HZ`, empty where serving would make no
    embedding of it.
    """
    found = analyse_speech(Waveform(wave, RATE_HZ), Settings().capture.min_speech_s).speech
    return np.zeros(0, np.float32) if found is None else found.samples


def read_noises(listing: Listing) -> NoiseBank:
    """The recordings of a noise listing that are not silent."""
    waves = [
        as_float(decode_audio(data, RATE_HZ, item))
        for data, item in zip(listing.read_all(), listing.items, strict=True)
    ]
    return NoiseBank(
        [wave for wave in waves if len(wave) and float(np.sqrt(np.mean(wave**2))) > MIN_NOISE_LEVEL]
    )


def _build(
    listing: Listing,
    recipe: Recipe,
    render: Callable[[bytes, Item, np.random.Generator], Iterator[tuple[int, T]]],
    embed: Callable[[list[T]], Float32Array],
    seconds: Callable[[T], float],
) -> Table:
    """Rows of the same file and condition (views of one clip) become one: their mean,
    except randomly degraded ones.
    """

    def work(number: int, data: bytes) -> tuple[list[int], Float32Array, list[float]]:
        item = listing.items[number]
        rng = np.random.default_rng([recipe.seed, *hashlib.sha256(item.path.encode()).digest()[:8]])
        made = list(render(data, item, rng))
        vectors = (
            embed([medium for _, medium in made])
            if made
            else np.zeros((0, EMBEDDING_SIZE), np.float32)
        )
        return [code for code, _ in made], vectors, [seconds(medium) for _, medium in made]

    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(work, range(len(listing.items)), listing.read_all()))
    sizes = [len(codes) for codes, _, _ in parts]
    codes, vectors, lengths = (np.concatenate([part[i] for part in parts]) for i in range(3))
    table = Table(
        vectors,
        np.repeat(listing.label_ids(), sizes),
        np.repeat(np.arange(len(sizes)), sizes),
        codes.astype(np.int64),
        listing.labels,
        recipe.all_conditions,
        lengths.astype(np.float32),
    )
    return _merged(table, random=len(recipe.conditions))


def _merged(table: Table, random: int) -> Table:
    keys = table.file * (random + 1) + table.condition
    alone = table.condition == random
    keys = np.where(alone, keys.max() + 1 + np.arange(len(keys)), keys)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), table.vectors.shape[1]), np.float32)
    np.add.at(sums, group, table.vectors)
    return replace(table.rows(first), vectors=unit(sums))


def _cached(
    cache: Path | None,
    encoder_id: str,
    listing: Listing,
    recipe: Recipe,
    build: Callable[[], Table],
) -> Table:
    if cache is None:
        return build()
    text = "\n".join([FORMAT, encoder_id, repr(recipe), cache_key(listing)])
    file = cache / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    if not file.exists():
        table = build()
        with whole_file(file) as partial:
            np.savez(
                partial,
                vectors=table.vectors,
                codes=np.stack([table.person, table.file, table.condition]),
                seconds=table.seconds,
            )
    with np.load(file) as data:
        person, file_number, condition = data["codes"]
        return Table(
            data["vectors"],
            person,
            file_number,
            condition,
            listing.labels,
            recipe.all_conditions,
            data["seconds"],
        )
