"""Vectors of people for galleries larger than any archive: random, or mixtures of real ones.

Random vectors have as many effective dimensions as those of the networks on held-out
people: 120 for faces, 30 for voices. For mixtures, one picture or recording for each person
of an archive is embedded by the network. Two of these mixed in any proportion, with noise
of a length of `MIX_NOISE`, make a person. So vectors lie where the network puts them, and
no two are equal.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from network.serving.encoder import load_face_encoder, load_voice_encoder
from tests.support.gallery_parts import StubEncoders
from train.data.sounds import decode_float
from utils.arrays import EMBEDDING_SIZE, RATE_HZ, Float32Array, unit
from utils.media import Waveform
from utils.modality import Modality

AT_ONCE = 5000
"""People of a piece."""
MOST_REAL = 8000
MIX_NOISE = 0.3
MODELS = Path("best_model")
_PICTURES_AT_ONCE = 64
_MOST_SAMPLES = 6 * RATE_HZ

# A probe's length of noise for each length of signal: a cosine of 0.6.
NOISE = 1.33
# Strangers are of so many pieces, far behind those of the people
_STRANGERS = 10
_FAR = 10**10

Vectors = dict[Modality, Float32Array]
"""Probes by modality."""
Piece = Callable[[int], Float32Array]
"""Vectors (`AT_ONCE`, 512) of the people from a number on."""


@dataclass(frozen=True, eq=False)
class Crowd:
    """People by number, and strangers. `real` holds vectors to mix: none are random."""

    real: Mapping[Modality, Float32Array] = field(default_factory=dict)

    @lru_cache(4)  # noqa: B019 - there are one or two crowds in a process
    def piece(self, modality: Modality, first: int) -> Float32Array:
        """Vectors (`AT_ONCE`, 512) of the people from a number on."""
        if not self.real:
            return vectors(modality, first, AT_ONCE)
        return mixed_piece(self.real[modality], first)

    def person(self, modality: Modality, number: int) -> Float32Array:
        """The vector (512,) of one of the people."""
        vector: Float32Array = self.piece(modality, number // AT_ONCE * AT_ONCE)[number % AT_ONCE]
        return vector

    def stranger(self, modality: Modality, number: int) -> Float32Array:
        """The vector (512,) of somebody who is none of the people."""
        vector: Float32Array = (
            self._strangers(modality, number % _STRANGERS)[number // _STRANGERS % AT_ONCE]
            if self.real
            else vectors(modality, 10**9 + number, 1)[0]
        )
        return vector

    def noise(self, modality: Modality, number: int) -> Float32Array:
        """A vector (512,) that moves a probe away: of mixtures, that of another stranger."""
        if self.real:
            return self.stranger(modality, AT_ONCE * _STRANGERS - 1 - number)
        vector: Float32Array = vectors("noise", number, 1)[0]
        return vector

    @lru_cache(2 * _STRANGERS)  # noqa: B019 - as above
    def _strangers(self, modality: Modality, piece: int) -> Float32Array:
        return self.piece(modality, _FAR + piece * AT_ONCE)


RANDOM = Crowd()


def embed_once(archives: Mapping[Modality, Path], folder: Path) -> list[Path]:
    """Embed files of archives. Returns what `open_crowd` opens, which is kept in the folder."""
    paths = []
    for modality, archive in archives.items():
        path = folder / f"real-{modality}.npy"
        if not path.is_file():
            np.save(path, embed_real(modality, archive))
        paths.append(path)
    return paths


def open_crowd(paths: Iterable[str | Path]) -> Crowd:
    """Open the mixtures of what `embed_once` embedded. Nothing: random vectors."""
    return Crowd({Modality(Path(path).stem.removeprefix("real-")): np.load(path) for path in paths})


def vectors(kind: str, first: int, count: int) -> Float32Array:
    """(count, 512) float32 of unit length: those of people `first` and following."""
    rng = np.random.default_rng([ord(kind[0]), first])
    rows = rng.standard_normal((count, EMBEDDING_SIZE), dtype=np.float32)
    # (Σ λ)² / Σ λ² = 30 or 120.
    power = 0.5 if kind == Modality.VOICE else 0.35
    rows /= np.arange(1, EMBEDDING_SIZE + 1, dtype=np.float32) ** power
    return np.asarray(unit(rows), np.float32)


def probe_of(
    number: int, modalities: Sequence[Modality], count: int, crowd: Crowd = RANDOM
) -> Vectors:
    """An even number is a person of the gallery, an odd one a stranger."""
    rng = np.random.default_rng([7, number])
    probe = {}
    for modality in modalities:
        person = int(rng.integers(count))
        own = (
            crowd.person(modality, person) if number % 2 == 0 else crowd.stranger(modality, number)
        )
        noise = crowd.noise(modality, number)
        probe[modality] = np.asarray(unit(own + NOISE * noise), np.float32)
    if len(modalities) == 2:
        pair = (probe[Modality.FACE][None], probe[Modality.VOICE][None])
        probe[Modality.FUSED] = StubEncoders().fusion.fuse(*pair)[0]
    return probe


def best_exactly(
    modality: Modality, probes: Float32Array, count: int, crowd: Crowd = RANDOM
) -> list[int]:
    """Numbers of the people nearest to each of the probes (n, 512).

    Each is compared with everybody.
    """
    best = np.full(len(probes), -np.inf, np.float32)
    numbers = np.zeros(len(probes), np.int64)
    for first in range(0, count, AT_ONCE):
        scores = crowd.piece(modality, first)[: count - first] @ probes.T
        here = scores.argmax(axis=0)
        highest = scores[here, np.arange(len(probes))]
        numbers[highest > best] = first + here[highest > best]
        best = np.maximum(best, highest)
    return numbers.tolist()


def mixed_piece(real: Float32Array, first: int) -> Float32Array:
    """Vectors (`AT_ONCE`, 512) between two of the `real` ones (n, 512), with noise."""
    rng = np.random.default_rng([3, first])
    one, other = real[rng.integers(len(real), size=(2, AT_ONCE))]
    share = rng.random((AT_ONCE, 1), dtype=np.float32)
    noise = unit(rng.standard_normal((AT_ONCE, EMBEDDING_SIZE), dtype=np.float32))
    return np.asarray(unit(share * one + (1 - share) * other + MIX_NOISE * noise), np.float32)


def embed_real(modality: Modality, archive: Path, model: Path | None = None) -> Float32Array:
    """Embed one file (n, 512) for each folder of an archive of faces, or of voices."""
    embed = embed_voices if modality == Modality.VOICE else embed_pictures
    with zipfile.ZipFile(archive) as files:
        chosen = _choose(files, ".opus" if modality == Modality.VOICE else ".webp")
        return embed(files, chosen, model or MODELS / modality)


def embed_pictures(pictures: zipfile.ZipFile, chosen: list[str], model: Path) -> Float32Array:
    """Embed aligned faces of an archive."""
    encoder = load_face_encoder(model)
    parts = []
    for start in range(0, len(chosen), _PICTURES_AT_ONCE):
        opened = (pictures.read(name) for name in chosen[start : start + _PICTURES_AT_ONCE])
        faces = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in opened]
        parts.append(encoder.embed_each(np.stack(faces)))
    return np.concatenate(parts)


def embed_voices(recordings: zipfile.ZipFile, chosen: list[str], model: Path) -> Float32Array:
    """Embed the first seconds of recordings of an archive."""
    encoder = load_voice_encoder(model)
    parts = []
    for name in chosen:
        samples = decode_float(recordings.read(name), RATE_HZ, name)[:_MOST_SAMPLES]
        parts.append(encoder.embed(Waveform(samples, RATE_HZ)).vector)
    return np.stack(parts)


def _choose(archive: zipfile.ZipFile, ending: str) -> list[str]:
    """One file for each folder, `MOST_REAL` at most. Noise is nobody's."""
    names = sorted(name for name in archive.namelist() if name.endswith(ending))
    first = {name.rsplit("/", 1)[0]: name for name in reversed(names)}
    return [name for name in first.values() if not name.startswith("noise/")][:MOST_REAL]
