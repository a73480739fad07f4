"""The faces of one clip: which are embedded, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gallery.ports import FaceEncoder
from recognition.agreement import Sample, find_odd_faces
from recognition.few_faces import STRETCHES, agree, choose_few, turn_few
from recognition.seeing import Seeing
from utils.arrays import BoolArray, Float32Array
from utils.errors import ModelError
from utils.media import AlignedFace

# Faces from which the mean of faces and mirror images in turn is that of both of each
_LEAST_IN_TURN = 4

# So that faces of no quality still count, where there are no others
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class Look:
    """What the faces of one track are.

    Attributes:
        vector: embedding (512,) of the main person.
        is_odd: which faces (n,) are somebody else's. They are not in the vector.
    """

    vector: Float32Array
    is_odd: BoolArray


class Looking:
    """Embeds faces. Threads may share it."""

    def __init__(self, encoder: FaceEncoder, *, in_turn: bool, stretches: int = STRETCHES) -> None:
        """Look at each face in one view, if they are many, or in both.

        `in_turn`: every second one is mirrored. Their mean stays that of both views
        (docs/research/views.md). `stretches`: of how many the best face may be enough.
        """
        self._encoder = encoder
        self._in_turn = in_turn
        self._stretches = stretches

    def begin(self) -> Seeing | None:
        """Begin to look at as few faces of a clip as are enough. None where each view counts."""
        return Seeing(self._encoder, self._stretches) if self._in_turn else None

    def look(
        self,
        faces: Sequence[AlignedFace],
        few: Seeing | None = None,
        *,
        is_poor: bool = False,
    ) -> Look:
        """Embed the main person, without faces of somebody else in the same place.

        Args:
            faces: of one track, one at least, best first.
            few: embeds as many as the answer to a question needs, if those are enough.
            is_poor: the picture shows little of them.
        """
        sample, is_all = self._embed_enough(faces, few)
        is_odd = np.zeros(len(faces), np.bool_)
        if is_all:
            is_odd = self._find_odd_faces(sample, is_poor)
            if is_odd.any() and self._in_turn:  # what looks like two people is looked at twice
                sample = self.embed(faces, in_turn=False)
                is_odd = self._find_odd_faces(sample, is_poor)
            sample = sample.part(~is_odd)
        return Look(sample.mean, is_odd)

    def embed(self, faces: Sequence[AlignedFace], *, in_turn: bool | None = None) -> Sample:
        """Embed faces of one person, one or more, each by itself."""
        images = np.stack([face.image for face in faces])
        in_turn = self._in_turn if in_turn is None else in_turn
        is_turned = np.arange(len(faces)) % 2 == 1
        turned = is_turned if in_turn and len(faces) >= _LEAST_IN_TURN else None
        return Sample(self._encoder.embed_each(images, turned=turned), _weigh(faces))

    def _embed_enough(
        self, faces: Sequence[AlignedFace], few: Seeing | None
    ) -> tuple[Sample, bool]:
        """Embed some of the faces, or all, and say whether it was all."""
        if few is None or (chosen := choose_few(faces, few.stretches)).all():
            return self.embed(faces), True
        first, others = (np.flatnonzero(rows).tolist() for rows in (chosen, ~chosen))
        is_turned = turn_few(faces, few.stretches).tolist()
        vectors = few.embed([(faces[i], is_turned[i]) for i in first])
        sample = Sample(vectors, _weigh([faces[i] for i in first]))
        if agree(sample):
            return sample, False
        rest = self.embed([faces[i] for i in others])
        places = np.argsort([*first, *others])
        vectors = np.concatenate([sample.vectors, rest.vectors])[places]
        weights = np.concatenate([sample.weights, rest.weights])[places]
        return Sample(vectors, weights), True

    def _find_odd_faces(self, sample: Sample, is_poor: bool) -> BoolArray:
        """Find the faces (n,) of somebody else.

        A network that is being calibrated has no ratio yet that tells them.
        """
        try:
            calibration = self._encoder.calibration
        except ModelError:
            return np.zeros(len(sample.vectors), np.bool_)
        return find_odd_faces(sample, calibration, is_poor=is_poor)


def _weigh(faces: Sequence[AlignedFace]) -> Float32Array:
    scores = np.array([face.quality.score for face in faces], np.float32)
    return np.maximum(scores, _LEAST_WEIGHT)
