"""Prepared inputs of a model: of a folder of photographs or sound files, or made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from network.serving.app_export import read_input
from network.serving.card import Card
from network.serving.inputs import FaceInput, VoiceInput
from network.serving.own_model import made_up_pictures, made_up_sounds
from train.data.crops import decode_picture
from train.data.datasets import SUFFIXES
from train.data.photos import photo_aligner
from train.data.sounds import decode_float
from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array, ImageArray
from utils.errors import DatasetError
from utils.settings.capture import CaptureSettings

MOST = 200
LONGEST_S = 5


def read_inputs(card: Card, folder: Path) -> list[Float32Array]:
    """Prepare the first `MOST` files in and below a folder for a model.

    Photographs that are no aligned crops are aligned first, and left out without a face.
    Sound is cut to `LONGEST_S`.

    Returns:
        Inputs (1, ...) float32, one a file.

    Raises:
        DatasetError: A file cannot be decoded, or there is no usable one.
    """
    prepared = read_input(card)
    kind = "image" if isinstance(prepared, FaceInput) else "audio"
    every = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES[kind])
    files = every[:MOST]
    if isinstance(prepared, FaceInput):
        inputs = [prepared.prepare(crop[None]) for crop in _crops(files)]
    else:
        inputs = [_prepare_sound(prepared, _read_sound(file)) for file in files]
    if not inputs:
        raise DatasetError(
            f"The folder must hold {kind} files that can be embedded. {folder.name} holds none."
        )
    return inputs


def made_up_inputs(card: Card) -> list[Float32Array]:
    """Prepare drawn pictures, or noise and a buzz, for a model: (1, ...) float32 each."""
    prepared = read_input(card)
    if isinstance(prepared, FaceInput):
        return [prepared.prepare(picture[None]) for picture in made_up_pictures()]
    return [_prepare_sound(prepared, sound) for sound in made_up_sounds()]


def _prepare_sound(inputs: VoiceInput, samples: Float32Array) -> Float32Array:
    # With `time_reversal` the second one is the same backwards.
    return inputs.prepare(samples)[:1]


def _read_sound(file: Path) -> Float32Array:
    return decode_float(file.read_bytes(), RATE_HZ, file.name)[: LONGEST_S * RATE_HZ]


def _crops(files: list[Path]) -> Iterator[ImageArray]:
    """Aligned faces of pictures, those without a face left out."""
    align = photo_aligner(CaptureSettings().min_face_px)
    for file in files:
        picture = decode_picture(file.read_bytes(), file.name)
        aligned = picture.shape[:2] == (FACE_SIZE_PX, FACE_SIZE_PX)
        crop = picture if aligned else align(np.ascontiguousarray(picture))
        if crop is not None:
            yield crop
