"""Embeddings of listed files by a served encoder: face crops or photographs, and sound
files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from network.serving.encoder import FaceEncoder, VoiceEncoder
from train.data.datasets import Item, Listing
from train.voice.banks import as_float, decode_audio
from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray
from utils.config import Settings
from utils.errors import DatasetError
from utils.media import Waveform

BATCH = 32
Align = Callable[[ImageArray], ImageArray | None]
"""A photograph (h, w, 3) uint8 RGB → its main face (112, 112, 3), None where no face is
found.
"""
FindSpeech = Callable[[Waveform], Waveform | None]
"""A recording → its speech, None where there is too little."""


@dataclass(frozen=True)
class Embedded:
    """Embeddings by path, each (512,) float32 of unit length, and the files in which
    nothing was found.
    """

    vectors: dict[str, Float32Array]
    missing: frozenset[str]


def embed_images(
    encoder: FaceEncoder, root: Path, files: Sequence[str], align: Align | None = None
) -> Embedded:
    """Embed pictures below `root` (folder or zip). Those of 112 × 112 px are taken as
    aligned crops, others go through `align`.

    Raises:
        DatasetError: a file is missing or no picture, or it is not aligned and `align`
            is None.
    """
    vectors: dict[str, Float32Array] = {}
    missing: set[str] = set()
    pending = iter(
        zip(files, Listing(root, tuple(Item(file, "") for file in files)).read_all(), strict=True)
    )
    while group := list(islice(pending, BATCH)):
        faces = {name: _crop(data, name, align) for name, data in group}
        missing |= {name for name, face in faces.items() if face is None}
        found = {name: face for name, face in faces.items() if face is not None}
        if found:
            vectors |= dict(
                zip(found, encoder.embed_each(np.stack(list(found.values()))), strict=True)
            )
    return Embedded(vectors, frozenset(missing))


def embed_sounds(
    encoder: VoiceEncoder, root: Path, files: Sequence[str], find_speech: FindSpeech | None = None
) -> Embedded:
    """Embed sound files below `root` (folder or zip): whole, or only what `find_speech`
    leaves of them.

    Raises:
        DatasetError: a file is missing or holds no sound.
    """
    rate_hz = encoder.frontend.rate_hz
    vectors: dict[str, Float32Array] = {}
    for name, data in zip(
        files, Listing(root, tuple(Item(file, "") for file in files)).read_all(), strict=True
    ):
        sound = Waveform(as_float(decode_audio(data, rate_hz, Item(name, ""))), rate_hz)
        speech = sound if find_speech is None else find_speech(sound)
        if speech is not None:
            vectors[name] = encoder.embed(speech).vector
    return Embedded(vectors, frozenset(set(files) - set(vectors)))


def speech_finder(*, keep_silent: bool = False) -> FindSpeech:
    """Cuts speech out as serving does. What is left is None where serving would not
    answer by voice; with `keep_silent` the whole recording then, so that every trial of
    a list counts.
    """
    from align.speech import analyse_speech

    least_s = Settings().capture.min_speech_s

    def find(sound: Waveform) -> Waveform | None:
        speech = analyse_speech(sound, least_s).speech
        return sound if speech is None and keep_silent else speech

    return find


def embed_waves(encoder: VoiceEncoder, waves: Iterable[Float32Array]) -> Float32Array:
    """Waveforms at the encoder's rate → (n, 512)."""
    rate_hz = encoder.frontend.rate_hz
    return np.stack(
        [encoder.embed(Waveform(np.asarray(wave, np.float32), rate_hz)).vector for wave in waves]
    )


def embed_crops(encoder: FaceEncoder, crops: Iterable[ImageArray]) -> Float32Array:
    """Aligned crops (112, 112, 3) → (n, 512), in batches."""
    pending = iter(crops)
    parts = []
    while group := list(islice(pending, BATCH)):
        parts.append(encoder.embed_each(np.stack(group)))
    return np.concatenate(parts)


def _crop(data: bytes, name: str, align: Align | None) -> ImageArray | None:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise DatasetError(
            f"Every listed file must be a picture. Received: {name}, which cannot be decoded"
        )
    image: ImageArray = np.ascontiguousarray(picture[..., ::-1])
    if image.shape[:2] == (FACE_SIZE_PX, FACE_SIZE_PX):
        return image
    if align is None:
        raise DatasetError(
            f"Face crops must be {FACE_SIZE_PX} × {FACE_SIZE_PX} px, aligned. Received: {name},"
            f" {image.shape[:2]}"
        )
    return align(image)
