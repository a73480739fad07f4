"""Whether a clip is of one person: its faces, and the parts of its speech. Pure.

The embeddings of the faces (or of the parts) are divided into the two groups that differ
most, by 2-means along their first principal component (K. Pearson 1901; S. Lloyd,
"Least squares quantization in PCM", IEEE TIT 28(2), 1982). The means of the two groups
are then compared like two clips. Faces of one track, or one voice in one recording,
resemble each other more than two clips of a person do. So the bounds below ask little of
one person, and two people fail them. `cli.py bench one-person` measures both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recognition.sides import Side, compare
from scoring.calibration import Calibration
from utils.arrays import BoolArray, Float32Array, unit
from utils.modality import Modality

# Natural log-likelihood ratio of "one person" below which the two groups are two people
_LEAST_LLR = {Modality.FACE: math.log(9), Modality.VOICE: -math.log(20)}
# The same for a network without a cohort, whose ratios of two people lie lower. A few people
# of one's own say little of it, and one person's clip came to -0.2
_LEAST_WITHOUT_COHORT = {Modality.FACE: -math.log(3), Modality.VOICE: -math.log(99)}

# The same where the picture is poor: frames of one person then differ more
_LEAST_IF_POOR = 0.0

# A single odd face is a wrong detection rather than a second person
LEAST_FACES = 2

# Faces of a lower quality say little about who it is
_LEAST_QUALITY = 0.3

# Seconds of each part of the speech, and how many parts there are at most
_PART_S = 2.0
_MOST_PARTS = 8

_STEPS = 8


@dataclass(frozen=True)
class Sample:
    """Embeddings (n, size) of what may be one person, and their weights (n,) over 0.

    `speech_s`: seconds of speech in each; 0 for faces.
    """

    vectors: Float32Array
    weights: Float32Array
    speech_s: float = 0.0

    @property
    def modality(self) -> Modality:
        """Face, or voice where there is speech."""
        return Modality.VOICE if self.speech_s else Modality.FACE

    def part(self, rows: BoolArray) -> Sample:
        """Take the embeddings that `rows` (n,) marks."""
        return replace(self, vectors=self.vectors[rows], weights=self.weights[rows])

    @property
    def side(self) -> Side:
        """All of them as one side of a comparison. Their quality counts as good."""
        return Side(self.mean, speech_s=self.speech_s * len(self.vectors))

    @property
    def mean(self) -> Float32Array:
        """Weighted mean (size,) at unit length. A single one has it already."""
        total = (self.vectors * self.weights[:, None]).sum(axis=0, keepdims=True)
        is_single = len(self.vectors) == 1
        mean: Float32Array = self.vectors[0] if is_single else unit(total)[0]
        return mean


def llr_of(one: Sample, other: Sample, calibration: Calibration) -> float:
    """Natural log-likelihood ratio that both samples are one person."""
    return compare(one.modality, one.side, other.side, calibration.of_one_clip).llr


def least_llr(modality: Modality, calibration: Calibration, *, is_poor: bool = False) -> float:
    """Natural log-likelihood ratio below which two groups of a clip are two people.

    `is_poor`: the picture shows little, so that more is asked of what speaks for two.
    """
    least = (_LEAST_LLR if calibration.scale_id else _LEAST_WITHOUT_COHORT)[modality]
    return min(least, _LEAST_IF_POOR) if is_poor else least


def divide(sample: Sample) -> BoolArray:
    """Divide the embeddings into the two groups that differ most.

    Returns:
        (n,) the group of each. All are of one group where nothing tells them apart.
    """
    centred = sample.vectors - sample.vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    group = np.asarray(centred @ axes[0] > 0)
    for _ in range(_STEPS):
        if group.all() or not group.any():
            break
        nearer = (
            sample.vectors @ sample.part(group).mean > sample.vectors @ sample.part(~group).mean
        )
        if (nearer == group).all():
            break
        group = nearer
    return group


def find_odd_faces(faces: Sample, calibration: Calibration, *, is_poor: bool = False) -> BoolArray:
    """Find the faces of a track that are somebody else's.

    Args:
        faces: the faces of one track, weighted by their quality.
        calibration: of faces.
        is_poor: the picture shows little of them.

    Returns:
        (n,) the smaller of two groups that are two people. None where they are one.
    """
    odd = np.zeros(len(faces.vectors), np.bool_)
    clear = np.asarray(faces.weights >= _LEAST_QUALITY)
    if np.count_nonzero(clear) < 2 * LEAST_FACES:
        return odd
    group = divide(faces.part(clear))
    if min(np.count_nonzero(group), np.count_nonzero(~group)) < LEAST_FACES:
        return odd
    one = faces.part(clear).part(group)
    other = faces.part(clear).part(~group)
    least = least_llr(Modality.FACE, calibration, is_poor=is_poor)
    if llr_of(one, other, calibration) >= least:
        return odd
    nearer_one = faces.vectors @ one.mean > faces.vectors @ other.mean
    is_smaller = one.weights.sum() < other.weights.sum()
    return np.asarray(nearer_one if is_smaller else ~nearer_one)


def cut_parts(samples: Float32Array, rate_hz: int) -> list[Float32Array]:
    """Cut speech (n,) into parts of 2 s or more, eight at most.

    Less than two of them give no part.
    """
    count = min(int(len(samples) / rate_hz / _PART_S), _MOST_PARTS)
    return np.array_split(samples, count) if count > 1 else []


def compare_parts(parts: Sample, calibration: Calibration) -> tuple[float, Sequence[int]]:
    """Compare the two groups of parts of the speech that differ most.

    Returns:
        The log-likelihood ratio that both are one voice, and the numbers of the parts
        of the smaller group.
    """
    group = divide(parts)
    if group.all() or not group.any():
        return math.inf, ()
    smaller = group if np.count_nonzero(group) * 2 <= len(group) else ~group
    llr = llr_of(parts.part(group), parts.part(~group), calibration)
    return llr, np.flatnonzero(smaller).tolist()
