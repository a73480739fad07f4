"""Degradations of a face or a voice in front of a kiosk.

Each is a function of one aligned crop or one waveform. Measured conditions have one
fixed strength each (`FACE_CONDITIONS`, `VOICE_CONDITIONS`). Training draws kind and
strength at random. Crops are (112, 112, 3) uint8 RGB, waveforms (n,) float32 in [-1, 1]
at `RATE_HZ`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array, ImageArray

FACE_CONDITIONS = ("clean", "blur", "dark")
VOICE_CONDITIONS = ("clean", "noise 0 dB", "1 s", "2 s")
BLUR_PX = 18
DARK_GAIN = 0.08
# Frames of a clip that are simulated from one still.
VIEWS = 2


@dataclass(frozen=True)
class NoiseBank:
    """Recordings without speech, each (n,) float32."""

    waves: Sequence[Float32Array]

    def draw(self, length: int, rng: np.random.Generator) -> Float32Array:
        """Draw `length` samples from a random place of a random recording.

        A recording that is too short is repeated.
        """
        wave = self.waves[int(rng.integers(len(self.waves)))]
        start = int(rng.integers(max(len(wave) - length, 0) + 1))
        return np.resize(wave[start:], length).astype(np.float32)


def degrade_face(face: ImageArray, condition: str, rng: np.random.Generator) -> ImageArray:
    """Apply one of `FACE_CONDITIONS`. "clean" returns the crop itself."""
    if condition == "clean":
        return face
    if condition == "blur":
        return blur(face, BLUR_PX)
    return darken(face, DARK_GAIN, rng)


def degrade_voice(
    wave: Float32Array, condition: str, noises: NoiseBank, rng: np.random.Generator
) -> Float32Array:
    """Apply one of `VOICE_CONDITIONS`, or one with other figures.

    "clean" returns the waveform itself.
    """
    if condition == "clean":
        return wave
    if condition.endswith(" dB"):
        snr_db = float(condition.split()[-2])
        return add_noise(wave, noises.draw(len(wave), rng), snr_db)
    return cut(wave, float(condition.removesuffix(" s")), rng)


def random_face(face: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Degrade a crop at random, from slightly to beyond use."""
    kind = int(rng.integers(3))
    if kind == 0:
        return blur(face, int(rng.integers(9, 48)))
    if kind == 1:
        return darken(face, float(np.exp(rng.uniform(np.log(0.02), np.log(0.4)))), rng)
    return occlude(darken(face, float(rng.uniform(0.3, 1.0)), rng), rng)


def random_voice(wave: Float32Array, noises: NoiseBank, rng: np.random.Generator) -> Float32Array:
    """Cut a waveform (0.6 to 3 s), add noise (-5 to 15 dB), or both, at random."""
    kind = int(rng.integers(3))
    if kind != 1:
        wave = cut(wave, float(rng.uniform(0.6, 3.0)), rng)
    if kind == 0:
        return wave
    return add_noise(wave, noises.draw(len(wave), rng), float(rng.uniform(-5, 15)))


def views(face: ImageArray, rng: np.random.Generator, count: int = VIEWS) -> list[ImageArray]:
    """Simulate `count` frames of a clip from a still.

    Each is shifted by up to 2 px, turned by up to 3°, scaled by up to 3 %, and a little
    brighter or darker.
    """
    result = []
    for _ in range(count):
        turn = cv2.getRotationMatrix2D(
            (FACE_SIZE_PX / 2, FACE_SIZE_PX / 2), rng.uniform(-3, 3), rng.uniform(0.97, 1.03)
        )
        turn = turn + np.pad(rng.uniform(-2, 2, (2, 1)), ((0, 0), (2, 0)))
        moved = cv2.warpAffine(
            face, turn, (FACE_SIZE_PX, FACE_SIZE_PX), borderMode=cv2.BORDER_REFLECT
        )
        result.append(np.clip(moved * rng.uniform(0.85, 1.15), 0, 255).astype(np.uint8))
    return result


def blur(face: ImageArray, side_px: int) -> ImageArray:
    """Blur a crop as if the face were `side_px` wide in the frame."""
    small = cv2.resize(face, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(small, (FACE_SIZE_PX, FACE_SIZE_PX), interpolation=cv2.INTER_LINEAR), np.uint8
    )


def darken(face: ImageArray, gain: float, rng: np.random.Generator) -> ImageArray:
    """Reduce the light to `gain`, but not the noise of the sensor.

    The noise has a standard deviation of 3 of 255.
    """
    return np.clip(face * gain + rng.normal(0, 3, face.shape), 0, 255).astype(np.uint8)


def occlude(face: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Cover 30 to 60 % of width and height with grey: a hand, a mask, a scarf."""
    height, width = (rng.uniform(0.3, 0.6, 2) * FACE_SIZE_PX).astype(int)
    top = int(rng.integers(FACE_SIZE_PX - height))
    left = int(rng.integers(FACE_SIZE_PX - width))
    covered = face.copy()
    covered[top : top + height, left : left + width] = int(rng.integers(20, 220))
    return covered


def add_noise(wave: Float32Array, noise: Float32Array, snr_db: float) -> Float32Array:
    """Add `noise` (n,) to `wave` (n,) at a ratio of mean powers of `snr_db`.

    The sum is scaled down where it would exceed full scale.
    """
    power = float(np.mean(wave**2))
    noise_power = float(np.mean(noise**2))
    mixed = wave + noise * np.sqrt(power / max(noise_power, 1e-12) / 10 ** (snr_db / 10))
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def cut(wave: Float32Array, seconds: float, rng: np.random.Generator) -> Float32Array:
    """The loudest of three random stretches of `seconds`.

    So a pause is not taken for speech. A shorter waveform is returned whole.
    """
    length = int(seconds * RATE_HZ)
    if len(wave) <= length:
        return wave
    starts = rng.integers(len(wave) - length + 1, size=3)
    stretches = (wave[start : start + length] for start in starts)
    return max(stretches, key=lambda part: float(np.mean(part**2)))
