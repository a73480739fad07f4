"""Fusion without training: the sum of both log-likelihood ratios.

It serves a face and a voice encoder that no trained fusion was made for. With the
calibrations llr = a · score + b of both modalities, the fused vector is

    person = unit([√a_f · face ; √a_v · voice])

so that the cosine of two people is s = (a_f · s_f + a_v · s_v) / (a_f + a_v), and their
log-likelihood ratio (a_f + a_v) · s + b_f + b_v is the sum of both. Impostor scores of
face and voice are taken to be independent given that the people differ, so the
distribution of s follows by convolution of both impostor tables. Strangers of one sex
and age are a little more alike in both than that. A trained fusion rests on the same
assumption, as it is calibrated on joined strangers.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Protocol

import numpy as np

from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable, rates_down_to
from utils.arrays import Float32Array, Float64Array, unit
from utils.errors import ModelError
from utils.modality import Modality

# Steps of the fused score from -1 to 1 in the convolution: 0.00025 each.
STEPS = 8000


class Calibrated(Protocol):
    """A face or voice encoder."""

    encoder_id: str

    @property
    def calibration(self) -> Calibration:
        """Calibration of its scores. Raises ModelError where there is none yet."""


class ConcatFusion:
    """Fusion of a face and a voice embedding into 1024 numbers."""

    modality = Modality.FUSED

    def __init__(self, face: Calibrated, voice: Calibrated) -> None:
        """Take the encoders whose embeddings are fused."""
        self._face = face
        self._voice = voice

    @cached_property
    def slopes(self) -> tuple[float, float]:
        """Slopes of the calibrations of face and voice.

        Until both have one they weigh alike. That never serves: `calibration` raises.
        """
        try:
            face = _of_cosines(self._face.calibration)
            voice = _of_cosines(self._voice.calibration)
        except ModelError:
            return 1.0, 1.0
        return face.slope, voice.slope

    @cached_property
    def encoder_id(self) -> str:
        """Name of the encoder, which follows from both encoders and their slopes.

        With the same id the same embeddings give the same vectors.
        """
        text = "\n".join(
            [
                self._face.encoder_id,
                self._voice.encoder_id,
                *(f"{slope:.9g}" for slope in self.slopes),
            ]
        )
        return f"llr-sum-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @cached_property
    def calibration(self) -> Calibration:
        """Calibration of the fused scores.

        Raises ModelError where face or voice has none.
        """
        return add_up(_of_cosines(self._face.calibration), _of_cosines(self._voice.calibration))

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """Fuse embeddings of the same people, row by row.

        Args:
            face: (n, 512) float32, a row of zeros where there is none. n may be 0.
            voice: (n, 512) float32, likewise.

        Returns:
            (n, 1024) float32 of unit length.

        Raises:
            ValueError: They are not of one length.
        """
        if len(face) != len(voice):
            raise ValueError(
                f"Faces and voices must come in pairs. Received: {len(face)} faces, {len(voice)}"
                " voices"
            )
        weights = np.sqrt(np.array(self.slopes, np.float32))
        both = np.concatenate(
            [weights[0] * np.asarray(face, np.float32), weights[1] * np.asarray(voice, np.float32)],
            axis=1,
        )
        return unit(both)


def _of_cosines(calibration: Calibration) -> Calibration:
    """Return the calibration of bare cosines, as fused vectors have no cohort."""
    return calibration.cosine or calibration


def add_up(face: Calibration, voice: Calibration) -> Calibration:
    """Return the calibration of (a_f · s_f + a_v · s_v) / (a_f + a_v).

    Each a is a slope. The table is as deep as the shallower one of both. Below, it
    continues like any other, and answers say that it is extrapolated.
    """
    slope = face.slope + voice.slope
    rates = rates_down_to(max(face.impostors.rates[-1], voice.impostors.rates[-1]))
    density = np.convolve(
        _density(face.impostors, face.slope / slope),
        _density(voice.impostors, voice.slope / slope),
    )
    reached = np.cumsum(density[::-1])[::-1]  # share of impostors at or above each step
    fused = -1.0 + 2.0 / STEPS * (np.arange(len(density)) + 0.5)
    scores = np.interp(-np.log(rates), -np.log(np.maximum(reached, 1e-300)), fused)
    rising = scores + 1e-9 * np.arange(len(scores))
    return Calibration(
        slope=slope,
        intercept=face.intercept + voice.intercept,
        impostors=ImpostorTable(tuple(rates.tolist()), tuple(rising.tolist())),
    )


def _density(impostors: ImpostorTable, weight: float) -> Float64Array:
    """Return the density of impostors over `weight` · score, summing to 1.

    Its steps of 2 / `STEPS` begin at -`weight`.
    """
    steps = max(round(weight * STEPS), 1)
    edges = np.linspace(-1.0, 1.0, steps + 1)[1:-1]
    reached = np.concatenate([[1.0], impostors.rate(edges), [0.0]])
    return np.maximum(-np.diff(reached), 0.0)
