"""Log-likelihood ratios of clips by both modalities, as an answer weighs them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from network.serving.encoder import Encoders
from recognition.sides import Calibrations, Sides, compare
from recognition.stories import Evidence
from scoring.remembering import with_memory
from train.data.pseudo_people import Condition
from train.measure.room import RoomClip, join_sides
from utils.arrays import Float64Array
from utils.modality import Modality, PerModality


def calibrations_of(encoders: Encoders) -> Calibrations:
    """The calibrations that serve. Raises ModelError where one is missing."""
    return with_memory(
        PerModality(
            fused=encoders.fusion.calibration,
            face=encoders.face.calibration,
            voice=encoders.voice.calibration,
        )
    )


def weigh_clips(
    clips: Sequence[RoomClip], condition: Condition, encoders: Encoders
) -> Float64Array:
    """Compare each clip under a condition with each clean one.

    Returns:
        (n, n) ratios that face and voice are both of one person. NaN where one is missing.
    """
    calibrations = calibrations_of(encoders)
    probes = [_sides(clip, condition, encoders) for clip in clips]
    stored = [_sides(clip, ("clean", "clean"), encoders) for clip in clips]
    ratios = [_weigh(*pair, calibrations) for pair in product(probes, stored)]
    return np.array(ratios).reshape(len(clips), len(clips))


def _sides(clip: RoomClip, condition: Condition, encoders: Encoders) -> Sides:
    face, voice = condition
    return join_sides(clip.face[face], clip.voice[voice], encoders.fusion.fuse)


def _weigh(probe: Sides, stored: Sides, calibrations: Calibrations) -> float:
    if Modality.FUSED not in probe or Modality.FUSED not in stored:
        return np.nan
    ratios = {m: compare(m, probe[m], stored[m].vector, calibrations[m]).llr for m in Modality}
    return Evidence(
        face=ratios[Modality.FACE], voice=ratios[Modality.VOICE], joint=ratios[Modality.FUSED]
    ).both
