"""The faces of one clip: which are embedded, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gallery.ports import FaceEncoder
from recognition.agreement import Sample, find_odd_faces
from recognition.few_faces import agree, choose_few
from utils.arrays import BoolArray, Float32Array
from utils.errors import ModelError
from utils.media import AlignedFace

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

    def __init__(self, encoder: FaceEncoder, *, in_turn: bool) -> None:
        """Look at each face in one view or in both: `in_turn` of `FaceEncoder.embed_each`."""
        self._encoder = encoder
        self._in_turn = in_turn

    def look(self, faces: Sequence[AlignedFace], *, few: bool = False) -> Look:
        """Embed the main person, without faces of somebody else in the same place.

        Args:
            faces: of one track, one at least, best first.
            few: as many are enough as the answer to a question needs, unless each view counts.
        """
        sample, is_all = self._embed_enough(faces, few=few and self._in_turn)
        is_odd = np.zeros(len(faces), np.bool_)
        if is_all:
            is_odd = self._find_odd_faces(sample)
            if is_odd.any() and self._in_turn:  # what looks like two people is looked at twice
                sample = self.embed(faces, in_turn=False)
                is_odd = self._find_odd_faces(sample)
            sample = sample.part(~is_odd)
        return Look(sample.mean, is_odd)

    def embed(self, faces: Sequence[AlignedFace], *, in_turn: bool | None = None) -> Sample:
        """Embed faces of one person, one or more, each by itself."""
        images = np.stack([face.image for face in faces])
        weights = np.array([face.quality.score for face in faces], np.float32)
        in_turn = self._in_turn if in_turn is None else in_turn
        vectors = self._encoder.embed_each(images, in_turn=in_turn)
        return Sample(vectors, np.maximum(weights, _LEAST_WEIGHT))

    def _embed_enough(self, faces: Sequence[AlignedFace], *, few: bool) -> tuple[Sample, bool]:
        """Embed some of the faces, or all, and say whether it was all."""
        chosen = choose_few(faces) if few else np.ones(len(faces), np.bool_)
        first, others = (np.flatnonzero(rows).tolist() for rows in (chosen, ~chosen))
        sample = self.embed([faces[i] for i in first])
        if not others:
            return sample, True
        if agree(sample):
            return sample, False
        rest = self.embed([faces[i] for i in others])
        places = np.argsort([*first, *others])
        vectors = np.concatenate([sample.vectors, rest.vectors])[places]
        weights = np.concatenate([sample.weights, rest.weights])[places]
        return Sample(vectors, weights), True

    def _find_odd_faces(self, sample: Sample) -> BoolArray:
        """Find the faces (n,) of somebody else.

        A network that is being calibrated has no ratio yet that tells them.
        """
        try:
            calibration = self._encoder.calibration
        except ModelError:
            return np.zeros(len(sample.vectors), np.bool_)
        return find_odd_faces(sample, calibration)
