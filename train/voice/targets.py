"""What the teacher says of a training crop: of its files as wholes, and of the very
stretch that the crop is.

The teacher's embeddings come window by window (`voice_teacher`). A file's embedding is
the mean of its windows. A student that is taught the file alone can learn its speakers
by heart; taught the stretch (Beyer et al. 2022, "Knowledge distillation: a good teacher
is patient and consistent"), it has to learn what the teacher hears. A target is a mix
of both.

The teacher's space is centred, and the variation within a speaker is whitened
(within-class covariance normalisation: Hatch et al. 2006, regularised by its own mean
variance): a student that copies relations then copies those between speakers, not the
offset that all embeddings share. Each group of speakers (a data set) is centred by
itself, the more the more speakers it has: what its microphones and its way of speaking
have in common says nothing of a speaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.data.datasets import Listing
from train.voice.banks import group_of
from utils.arrays import BoolArray, Float32Array, Float64Array, unit
from utils.errors import DatasetError

NO_TEACHER = "Make them by python -m train.voice.teacher, or train from labels alone: --no-teacher."
FEW_SPEAKERS = 10  # a group of so many is centred by half
TEACHER_HOP_MS = 10.0  # the teacher's windows are counted in frames of so much
EVERYWHERE = 10**6  # last frame of a window that covers its file, however long


@dataclass(frozen=True)
class Windows:
    """The teacher's windows over the files of one voice.

    Attributes:
        vectors: (m, d) float16, unit norm.
        spans: (m, 2) int32: first and last + 1 frame of the file that a window covers.
        offsets: (files + 1,) int64: file ``i`` has windows ``offsets[i]`` to
            ``offsets[i + 1]``; none where the teacher did not hear it.
    """

    vectors: NDArray[np.float16]
    spans: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def played(self, speed: float) -> Windows:
        """The same windows over files that are played about `speed` times as fast
        (`voice_augment.perturb_prosody`), or are counted in frames `speed` times as
        long.
        """
        return Windows(self.vectors, np.round(self.spans / speed).astype(np.int32), self.offsets)

    def of_file(self, number: int) -> Float32Array:
        """(d,) sum of the file's windows; zeros where there are none."""
        part: Float32Array = self.vectors[self.offsets[number] : self.offsets[number + 1]].sum(
            axis=0, dtype=np.float32
        )
        return part

    def of_frames(self, number: int, frames: NDArray[np.int64]) -> Float32Array:
        """(d,) sum of the file's windows, each times how many of `frames` (rising
        numbers) it covers.
        """
        part = slice(self.offsets[number], self.offsets[number + 1])
        first, last = self.spans[part].T
        covered = np.searchsorted(frames, last) - np.searchsorted(frames, first)
        return covered.astype(np.float32) @ self.vectors[part].astype(np.float32)


class TeacherTargets:
    """Targets of crops.

    Args:
        voices: windows of each voice, all over the same files.
        crop_share: in [0, 1], how much of a target is of the crop's own stretch; the
            rest is of its files as wholes.
    """

    def __init__(self, voices: Sequence[Windows], crop_share: float) -> None:
        self._voices = voices
        self._share = crop_share

    @property
    def size(self) -> int:
        """Length of the targets."""
        return int(self._voices[0].vectors.shape[1])

    def of_crop(self, voice: int, parts: Sequence[tuple[int, NDArray[np.int64]]]) -> Float32Array:
        """(d,) unit target of a crop made of `parts` (file, its frames); zeros where
        the teacher heard none of them.
        """
        windows = self._voices[voice]
        whole = _unit(np.sum([_unit(windows.of_file(number)) for number, _ in parts], axis=0))
        own = _unit(np.sum([windows.of_frames(number, frames) for number, frames in parts], axis=0))
        return _unit((1 - self._share) * whole + self._share * (own if own.any() else whole))


def _unit(vector: Float32Array) -> Float32Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def load_targets(
    files: Sequence[Path | None],
    whole: Path | None,
    listing: Listing,
    crop_share: float,
    prosodies: Sequence[float] = (),
    hop_ms: float = TEACHER_HOP_MS,
) -> TeacherTargets:
    """The teacher of `listing`'s files.

    Args:
        files: one per voice, as `voice_teacher` writes them. A voice without one is
            learned from labels alone.
        whole: .npz with `path` and `embedding` of whole files: stands in for the first
            voice's where that is missing. It is another teacher's, so the other voices
            (but not the prosodies) are learned from labels alone then.
        listing, crop_share: see the classes.
        prosodies: speeds of more voices, which are the first voice's people with
            another prosody and have its targets.
        hop_ms: from one frame of a crop to the next.

    Raises:
        DatasetError: neither is there for the first voice, or it holds no embedding of
            the listing's files.
    """
    voices = [_read_windows(file) for file in files]
    if voices[0] is None:
        voices = [_whole_files(whole, listing), *[None] * (len(voices) - 1)]
    voices = [windows and windows.played(hop_ms / TEACHER_HOP_MS) for windows in voices]
    known = _whitened(
        voices, np.array(listing.label_ids()), [group_of(label) for label in listing.labels]
    )
    return TeacherTargets([*known, *(known[0].played(speed) for speed in prosodies)], crop_share)


def _read_windows(file: Path | None) -> Windows | None:
    if file is None or not file.is_file():
        return None
    with np.load(file) as archive:
        return Windows(archive["windows"], archive["spans"], archive["offsets"])


def _whole_files(file: Path | None, listing: Listing) -> Windows:
    """Each file's embedding as one window over all of it."""
    if file is None or not file.is_file():
        raise DatasetError(
            f"The teacher's embeddings must be there. Received: {file.name if file else 'none'}"
            " (not found)",
            NO_TEACHER,
        )
    with np.load(file) as archive:
        rows = dict(zip(archive["path"].tolist(), archive["embedding"], strict=True))
    known = [item.path in rows for item in listing.items]
    if sum(known) < 2:
        raise DatasetError(
            f"The teacher's embeddings must be of the training files. Received: {file.name} without"
            " them",
            NO_TEACHER,
        )
    vectors = np.stack([rows[item.path] for item in listing.items if item.path in rows]).astype(
        np.float16
    )
    return Windows(
        vectors,
        np.array([[0, EVERYWHERE]] * len(vectors), np.int32),
        np.concatenate([[0], np.cumsum(known)]),
    )


def _whitened(
    voices: Sequence[Windows | None], ids: NDArray[np.int64], groups: Sequence[str]
) -> list[Windows]:
    """All windows in the space that the first voice's files define; `ids` are the
    speakers of the files, `groups` those of the speakers.
    """
    first = voices[0]
    if first is None:
        raise ValueError("`voices` must begin with one that the teacher heard. Received: None")
    base = np.stack([_unit(first.of_file(number)) for number in range(len(ids))]).astype(np.float64)
    known = np.linalg.norm(base, axis=1) > 0
    spoken = np.bincount(ids[known], minlength=len(groups))
    centres = np.zeros((len(groups), base.shape[1]))
    np.add.at(centres, ids[known], base[known])
    centres /= np.maximum(spoken, 1)[:, None]
    within = np.cov((base - centres[ids])[known].T)
    within += np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    means = _group_means(centres, spoken > 0, np.array(groups))[ids]
    return [_transformed(windows, means, vectors / np.sqrt(values)) for windows in voices]


def _group_means(centres: Float64Array, heard: BoolArray, groups: NDArray[np.str_]) -> Float64Array:
    """(speakers, d) means that speakers are centred by: that of all speakers, moved
    towards that of the group by n / (n + `FEW_SPEAKERS`) of the way, n speakers of it
    heard. All over the `centres` of those speakers who were `heard`.
    """
    overall = centres[heard].mean(axis=0)
    means = np.tile(overall, (len(groups), 1))
    for group in np.unique(groups[heard]):
        speakers = heard & (groups == group)
        count = speakers.sum()
        means[groups == group] += (
            count / (count + FEW_SPEAKERS) * (centres[speakers].mean(axis=0) - overall)
        )
    return means


def _transformed(windows: Windows | None, means: Float64Array, white: Float64Array) -> Windows:
    """`windows` centred by the means (files, d) and whitened."""
    files, size = means.shape
    if windows is None:
        return Windows(
            np.zeros((0, size), np.float16),
            np.zeros((0, 2), np.int32),
            np.zeros(files + 1, np.int64),
        )
    vectors = (windows.vectors - np.repeat(means, np.diff(windows.offsets), axis=0)) @ white
    return Windows(unit(vectors).astype(np.float16), windows.spans, windows.offsets)
