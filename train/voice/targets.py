"""Teacher targets of training crops: of their files, and of the very stretch.

The teacher's embeddings come window by window (`train/voice/teacher.py`). A file's
embedding is the mean of its windows. A student that is taught the file alone can learn
its speakers by heart. Taught the stretch (Beyer et al. 2022, "Knowledge distillation: a
good teacher is patient and consistent"), it has to learn what the teacher hears. A
target is a mix of both.

The teacher's space is centred, and the variation within a speaker is whitened
(within-class covariance normalisation: Hatch et al. 2006, regularised by its own mean
variance). A student that copies relations then copies those between speakers, not the
offset that all embeddings share. Each group of speakers (a data set) is centred by
itself, the more the more speakers it has: its microphones and its way of speaking say
nothing of a speaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from train.data.datasets import Listing, group_of
from utils.arrays import BoolArray, Float32Array, Float64Array, unit
from utils.errors import DatasetError

CropParts = Sequence[tuple[int, NDArray[np.int64]]]
"""The files of a crop, and which frames of each."""
NO_TEACHER = (
    "Ask it first, with the same --config and --data: `cli.py train voice-teacher`. Or train from"
    " labels alone: --no-teacher."
)
# A group of so many is centred by half.
FEW_SPEAKERS = 10
# The teacher's windows are counted in frames of so much.
TEACHER_HOP_MS = 10.0


@dataclass(frozen=True)
class Windows:
    """The teacher's windows over the files of one voice.

    Attributes:
        vectors: (m, d) float16, unit norm.
        spans: (m, 2) int32: first and last + 1 frame of the file that a window covers.
        offsets: (files + 1,) int64: file i has windows `offsets[i]` to
            `offsets[i + 1]`, none where the teacher did not hear it.
    """

    vectors: NDArray[np.float16]
    spans: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def at_speed(self, speed: float) -> Windows:
        """The same windows over files played about `speed` times as fast.

        It serves `train.voice.prosody.perturb_prosody`, and frames that are `speed`
        times as long.
        """
        return Windows(
            vectors=self.vectors,
            spans=np.round(self.spans / speed).astype(np.int32),
            offsets=self.offsets,
        )

    def of_file(self, number: int) -> Float32Array:
        """(d,) sum of the file's windows, zeros where there are none."""
        first, end = self.offsets[number : number + 2]
        total: Float32Array = self.vectors[first:end].sum(axis=0, dtype=np.float32)
        return total

    def of_frames(self, number: int, frames: NDArray[np.int64]) -> Float32Array:
        """(d,) sum of the file's windows, weighted by the `frames` that each covers.

        `frames` are rising numbers.
        """
        part = slice(self.offsets[number], self.offsets[number + 1])
        first, last = self.spans[part].T
        covered = np.searchsorted(frames, last) - np.searchsorted(frames, first)
        return covered.astype(np.float32) @ self.vectors[part].astype(np.float32)


class Targets(Protocol):
    """What a teacher says of crops."""

    @property
    def size(self) -> int:
        """Length of the targets."""

    def of_crop(self, voice: int, parts: CropParts) -> Float32Array:
        """(d,) unit target of a crop made of `parts`, zeros for none."""


class TeacherTargets:
    """Targets of crops.

    Args:
        voices: Windows of each voice, all over the same files.
        crop_share: In [0, 1], how much of a target is of the crop's own stretch. The
            rest is of its files as wholes.
    """

    def __init__(self, voices: Sequence[Windows], crop_share: float) -> None:
        self._voices = voices
        self._share = crop_share

    @property
    def size(self) -> int:
        """Length of the targets."""
        return int(self._voices[0].vectors.shape[1])

    def of_crop(self, voice: int, parts: CropParts) -> Float32Array:
        """(d,) unit target of a crop made of `parts`.

        It is zeros where the teacher heard none of them.
        """
        windows = self._voices[voice]
        whole = _unit_or_zero(
            np.sum([_unit_or_zero(windows.of_file(number)) for number, _ in parts], axis=0)
        )
        own = _unit_or_zero(
            np.sum([windows.of_frames(number, frames) for number, frames in parts], axis=0)
        )
        if not own.any():
            own = whole
        return _unit_or_zero((1 - self._share) * whole + self._share * own)


@dataclass(frozen=True)
class TeacherFiles:
    """Where the teacher's embeddings lie, and how they are used.

    Attributes:
        voices: A file per voice, as `train.voice.teacher` writes them. A voice without
            one is learned from labels alone.
        crop_share: See `TeacherTargets`.
        prosodies: Speeds of more voices, which are the first voice's people with
            another prosody and have its targets.
        hop_ms: From one frame of a crop to the next.
    """

    voices: Sequence[Path | None]
    crop_share: float = 0.5
    prosodies: Sequence[float] = ()
    hop_ms: float = TEACHER_HOP_MS


def load_targets(files: TeacherFiles, listing: Listing) -> TeacherTargets:
    """Load the teacher's targets for the files of `listing`.

    Raises:
        DatasetError: There are no windows of the first voice.
    """
    voices = [_read_windows(file) for file in files.voices]
    if voices[0] is None:
        raise DatasetError("The teacher must have heard the first voice of all speech.", NO_TEACHER)
    speed = files.hop_ms / TEACHER_HOP_MS
    voices = [windows and windows.at_speed(speed) for windows in voices]
    groups = [group_of(label) for label in listing.labels]
    heard = _whiten(voices, np.array(listing.label_ids()), groups)
    heard += [heard[0].at_speed(factor) for factor in files.prosodies]
    return TeacherTargets(heard, files.crop_share)


def _unit_or_zero(vector: Float32Array) -> Float32Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def _read_windows(file: Path | None) -> Windows | None:
    if file is None or not file.is_file():
        return None
    with np.load(file) as archive:
        return Windows(
            vectors=archive["windows"], spans=archive["spans"], offsets=archive["offsets"]
        )


def _whiten(
    voices: Sequence[Windows | None], ids: NDArray[np.int64], groups: Sequence[str]
) -> list[Windows]:
    """Bring all windows into the space that the first voice's files define.

    `ids` are the speakers of the files, `groups` those of the speakers.
    """
    first = voices[0]
    if first is None:
        raise ValueError("The teacher did not hear the first of `voices`.")
    base = np.stack([_unit_or_zero(first.of_file(number)) for number in range(len(ids))])
    base = base.astype(np.float64)
    heard = np.linalg.norm(base, axis=1) > 0
    spoken = np.bincount(ids[heard], minlength=len(groups))
    centres = np.zeros((len(groups), base.shape[1]))
    np.add.at(centres, ids[heard], base[heard])
    centres /= np.maximum(spoken, 1)[:, None]
    within = np.cov((base - centres[ids])[heard].T)
    within += np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    means = _group_means(centres, spoken > 0, np.array(groups))[ids]
    return [_transform(windows, means, vectors / np.sqrt(values)) for windows in voices]


def _group_means(centres: Float64Array, heard: BoolArray, groups: NDArray[np.str_]) -> Float64Array:
    """(speakers, d) means that speakers are centred by.

    The mean of all speakers, moved towards that of the group by n / (n +
    `FEW_SPEAKERS`) of the way, n speakers of it heard. Means are over the `centres` of
    speakers who were `heard`.
    """
    overall = centres[heard].mean(axis=0)
    means = np.tile(overall, (len(groups), 1))
    for group in np.unique(groups[heard]):
        speakers = heard & (groups == group)
        count = speakers.sum()
        share = count / (count + FEW_SPEAKERS)
        means[groups == group] += share * (centres[speakers].mean(axis=0) - overall)
    return means


def _transform(windows: Windows | None, means: Float64Array, white: Float64Array) -> Windows:
    """Centre `windows` by the means (files, d) and whiten them."""
    files, size = means.shape
    if windows is None:
        return Windows(
            vectors=np.zeros((0, size), np.float16),
            spans=np.zeros((0, 2), np.int32),
            offsets=np.zeros(files + 1, np.int64),
        )
    vectors = (windows.vectors - np.repeat(means, np.diff(windows.offsets), axis=0)) @ white
    return Windows(
        vectors=unit(vectors).astype(np.float16), spans=windows.spans, offsets=windows.offsets
    )
