"""Embeddings of listed files by a served encoder: face crops, photographs, sound files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from align.speech import analyse_speech
from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data.crops import decode_picture
from train.data.datasets import Item, Listing
from train.data.photos import Align
from train.data.sounds import decode_float
from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray
from utils.errors import DatasetError
from utils.media import Waveform

BATCH = 32
T = TypeVar("T")
FindSpeech = Callable[[Waveform], Waveform | None]
"""A recording to its speech, None where there is too little."""


@dataclass(frozen=True)
class Embedded:
    """Embeddings of some files.

    Attributes:
        vectors: (512,) float32 of unit length by path.
        missing: The files in which no face or no speech was found.
    """

    vectors: dict[str, Float32Array]
    missing: frozenset[str]


def embed_images(
    encoder: FaceEncoder, root: Path, files: Sequence[str], align: Align | None = None
) -> Embedded:
    """Embed the pictures `files` below `root` (a folder or a zip archive).

    Pictures of 112 × 112 px are taken as aligned crops. Others go through `align`.

    Raises:
        DatasetError: A file is missing or no picture, or it is not aligned and `align`
            is None.
    """
    vectors: dict[str, Float32Array] = {}
    missing: set[str] = set()
    for group in _in_batches(_read_named(root, files)):
        faces: dict[str, ImageArray] = {}
        for name, data in group:
            face = _face_of(data, name, align)
            if face is None:
                missing.add(name)
            else:
                faces[name] = face
        if faces:
            rows = encoder.embed_each(np.stack(list(faces.values())))
            vectors |= dict(zip(faces, rows, strict=True))
    return Embedded(vectors=vectors, missing=frozenset(missing))


def embed_sounds(
    encoder: VoiceEncoder, root: Path, files: Sequence[str], find_speech: FindSpeech | None = None
) -> Embedded:
    """Embed the sound files `files` below `root` (a folder or a zip archive).

    They are embedded whole, or only what `find_speech` leaves of them.

    Raises:
        DatasetError: A file is missing or holds no sound.
    """
    rate_hz = encoder.frontend.rate_hz
    vectors: dict[str, Float32Array] = {}
    for name, data in _read_named(root, files):
        sound = Waveform(decode_float(data, rate_hz, name), rate_hz)
        speech = sound if find_speech is None else find_speech(sound)
        if speech is not None:
            vectors[name] = encoder.embed(speech).vector
    return Embedded(vectors=vectors, missing=frozenset(set(files) - set(vectors)))


def speech_finder(min_speech_s: float, *, keep_silent: bool = False) -> FindSpeech:
    """Make a function that cuts speech out of a recording as the service does.

    It gives None for less than `min_speech_s` seconds of speech. With `keep_silent` it
    gives the whole recording instead, so that every trial of a list counts.
    """

    def find(sound: Waveform) -> Waveform | None:
        speech = analyse_speech(sound, min_speech_s).speech
        return sound if speech is None and keep_silent else speech

    return find


def embed_waves(encoder: VoiceEncoder, waves: Iterable[Float32Array]) -> Float32Array:
    """Embed waveforms at the encoder's rate: (n, 512) float32 of unit length."""
    rate_hz = encoder.frontend.rate_hz
    return np.stack(
        [encoder.embed(Waveform(np.asarray(wave, np.float32), rate_hz)).vector for wave in waves]
    )


def embed_crops(encoder: FaceEncoder, crops: Iterable[ImageArray]) -> Float32Array:
    """Embed aligned crops (112, 112, 3): (n, 512) float32 of unit length."""
    return np.concatenate([encoder.embed_each(np.stack(group)) for group in _in_batches(crops)])


def _read_named(root: Path, files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    listing = Listing(root, tuple(Item(file, "") for file in files))
    return zip(files, listing.read_all(), strict=True)


def _in_batches(values: Iterable[T]) -> Iterator[list[T]]:
    pending = iter(values)
    while group := list(islice(pending, BATCH)):
        yield group


def _face_of(data: bytes, name: str, align: Align | None) -> ImageArray | None:
    image = decode_picture(data, name)
    if image.shape[:2] == (FACE_SIZE_PX, FACE_SIZE_PX):
        return image
    if align is None:
        raise DatasetError(
            f"Face crops must be {FACE_SIZE_PX} × {FACE_SIZE_PX} px, aligned. Received: {name},"
            f" {image.shape[:2]}"
        )
    return align(image)
