"""Two sides, compared without a gallery: a clip with a person, or with another clip. Pure.

Their cosine is set against a cohort of strangers by the norm of the calibration
(`scoring/norms.py`), and becomes a strength and a log-likelihood ratio. A gallery is
searched by `recognition/matching.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recognition.stories import Clarity
from scoring.calibration import Calibration, Quality
from utils.arrays import Float32Array
from utils.modality import Modality, PerModality

Calibrations = PerModality[Calibration]
LEAST_FRAMES = 3
"""Frames of a clip that show a face, from which it says more than one photograph."""


@dataclass(frozen=True)
class Side:
    """What is asked about: an embedding (size,) of one clip by one modality.

    `speech_s`: seconds of speech in the clip, 0 = none, or unknown. `frames`: how many show
    the face, however alike they are, 0 likewise. `is_spoilt`: a codec, a telephone, a
    room or noise changes how the voice sounds.
    """

    vector: Float32Array
    speech_s: float = 0.0
    quality: Quality = ()
    frames: int = 0
    is_spoilt: bool = False


Sides = Mapping[Modality, Side]
"""One clip by modality. With face and voice there is the fused side too."""


def clarity(*clips: Mapping[Modality, Side | Float32Array]) -> Clarity:
    """How clear face and speech are in the least clear of the clips.

    A vector, which is of no single clip, does not count. A clip of unknown quality is not
    clear.
    """
    voices = list(_sides(Modality.VOICE, clips))
    return Clarity(
        face=min(map(_clarity_of, _sides(Modality.FACE, clips)), default=0.0),
        voice=min(map(_quality_of, voices), default=0.0),
        is_voice_spoilt=any(voice.is_spoilt for voice in voices),
    )


def _clarity_of(face: Side) -> float:
    """Quality of a face that enough frames show. Fewer say less: 0."""
    return _quality_of(face) if face.frames >= LEAST_FRAMES else 0.0


def _quality_of(side: Side) -> float:
    return min(side.quality, default=0.0)


def _sides(
    modality: Modality, clips: Sequence[Mapping[Modality, Side | Float32Array]]
) -> Iterator[Side]:
    sides = (clip.get(modality) for clip in clips)
    return (side for side in sides if isinstance(side, Side))


@dataclass(frozen=True)
class Comparison:
    """Two sides compared without a gallery around them.

    `score` is a cosine in [-1, 1], and `score` = `level` + `scale` · `strength`. `llr` is
    the log-likelihood ratio of one person.
    """

    modality: Modality
    score: float
    level: float
    scale: float
    strength: float
    llr: float


def compare(
    modality: Modality, probe: Side, reference: Float32Array | Side, calibration: Calibration
) -> Comparison:
    """Compare a clip with what stands for a person (size,), or with another clip.

    Of two clips both are probes: level, scale and ratio are the means of both, and the
    order of the two does not matter. Nothing tells how alike people of their place are,
    so they count as of one that was measured (`CohortNorm.deduction`).
    """
    if isinstance(reference, Side):
        sides = [(probe, reference.vector), (reference, probe.vector)]
    else:
        sides = [(probe, reference)]
    level, scale = np.mean([_level_and_scale(*side, calibration) for side in sides], axis=0)
    score = float(np.clip(probe.vector @ sides[0][1], -1.0, 1.0))
    strength = float((score - level) / scale)
    ratios = [calibration.llr(strength, side.quality) for side, _ in sides]
    return Comparison(
        modality=modality,
        score=score,
        level=float(level),
        scale=float(scale),
        strength=strength,
        llr=float(np.mean(ratios)),
    )


def _level_and_scale(
    probe: Side, person: Float32Array, calibration: Calibration
) -> tuple[float, float]:
    norm = calibration.norm
    level, scale = norm.probe(probe.vector[None], probe.speech_s)
    raised = norm.person(person[None])[0] + scale[0] * norm.deduction()
    return float(level[0] + raised), float(scale[0])
