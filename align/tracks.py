"""Linking the faces of the sampled frames over time, and choosing the main person.

One track is one person, unless a cut puts another face in the same place: that takes
the embeddings (`recognition/agreement.py`). Pure functions, no pixels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from align.mouth import STILL
from utils.media import FaceDetection

# Two detections may be one person up to this distance of the centres, in widths of the
# larger face, and up to this ratio of the widths
_REACH = 1.2
_GROWTH = 2.0

# Share of the frames in which a person must be seen to count
_STEADY_SHARE = 0.25

# Mean detector score of a track: a steady one of LIKELY may be the main person, one of
# SURE is somebody. Measured: 0.97 or more for the people of 93 clips; 0.82 to 0.92 for
# hands and paws that were taken for faces.
LIKELY = 0.9
SURE = 0.95

# Mouths that move this much less than another one do not talk
_TALKING_SHARE = 0.25

# How much of the weight of a face is left at the edge of the picture (e^-2), and of one
# that reaches over the edge by more than a share of its width
_CENTRAL = 2.0
_CUT_SHARE = 0.1
_CUT_FACTOR = 0.25

# Faces of less than this share of the main person's area are background
_RELATIVE_AREA = 0.1


@dataclass
class Track:
    """One person over time: indices of the frames and the detection in each."""

    frames: list[int] = field(default_factory=list)
    detections: list[FaceDetection] = field(default_factory=list)

    def add(self, frame: int, detection: FaceDetection) -> None:
        """Extend the track."""
        self.frames.append(frame)
        self.detections.append(detection)

    @property
    def area_px(self) -> float:
        """Mean area of the face boxes, in square pixels."""
        return float(np.mean([face.area_px for face in self.detections]))

    @property
    def confidence(self) -> float:
        """Mean detector score."""
        return float(np.mean([face.score for face in self.detections]))


@dataclass(frozen=True)
class View:
    """What faces are seen in: the size of the frames in pixels, and their number."""

    width_px: int
    height_px: int
    frame_count: int

    def prominence(self, track: Track) -> float:
        """How much a track looks like the main person.

        It is area × share of frames × detector score, less away from the centre, and
        less for a face that the edge cuts.
        """
        share = len(track.frames) / self.frame_count
        place = float(np.mean([self._place(face) for face in track.detections]))
        return track.area_px * share * track.confidence * place

    def _place(self, face: FaceDetection) -> float:
        middle = np.array([self.width_px, self.height_px]) / 2
        away = np.hypot(*(face.centre_xy - middle)) / (min(self.width_px, self.height_px) / 2)
        x1, y1, x2, y2 = face.box_xyxy
        outside = max(-x1, -y1, x2 - self.width_px, y2 - self.height_px)
        is_cut = outside > _CUT_SHARE * face.width_px
        return float(np.exp(-_CENTRAL * away**2)) * (_CUT_FACTOR if is_cut else 1.0)


def link(detections: Sequence[Sequence[FaceDetection]]) -> list[Track]:
    """Link detections, given per frame in order of time, to tracks.

    The nearest pairs are linked first. Each detection belongs to one track.
    """
    tracks: list[Track] = []
    for frame, faces in enumerate(detections):
        linked = _extend(tracks, frame, faces)
        tracks += [Track([frame], [face]) for i, face in enumerate(faces) if i not in linked]
    return tracks


def _extend(tracks: Sequence[Track], frame: int, faces: Sequence[FaceDetection]) -> set[int]:
    """Add faces to the tracks they continue, and return the indices of those faces."""
    extended: set[int] = set()
    linked: set[int] = set()
    for _, track, face in _near_pairs(tracks, faces):
        if track not in extended and face not in linked:
            tracks[track].add(frame, faces[face])
            extended.add(track)
            linked.add(face)
    return linked


def _near_pairs(
    tracks: Sequence[Track], faces: Sequence[FaceDetection]
) -> list[tuple[float, int, int]]:
    """Distance, track and face of the pairs that may be one person, nearest first."""
    pairs = []
    for t, track in enumerate(tracks):
        distances = [distance(track.detections[-1], face) for face in faces]
        pairs += [(d, t, f) for f, d in enumerate(distances) if d <= 1.0]
    return sorted(pairs)


def distance(a: FaceDetection, b: FaceDetection) -> float:
    """Distance of two detections, at most 1 when they may be one person.

    That is the distance of the centres over the reach of the larger face.
    """
    wide = max(a.width_px, b.width_px)
    if wide <= 0 or wide > _GROWTH * min(a.width_px, b.width_px):
        return float("inf")
    return float(np.hypot(*(a.centre_xy - b.centre_xy))) / (wide * _REACH)


def select_steady(tracks: Sequence[Track], frame_count: int) -> list[Track]:
    """Select the tracks that do not flicker.

    They are seen in a quarter of the frames and at least twice, or once when there are
    fewer than four frames.
    """
    least = 1 if frame_count < 4 else max(2, math.ceil(_STEADY_SHARE * frame_count))
    return [track for track in tracks if len(track.frames) >= least]


def select_candidates(tracks: Sequence[Track], frame_count: int) -> list[Track]:
    """Select the tracks that may be the main person.

    They are steady and likely. Without one, a face that is seen only briefly counts when
    the detector is sure of it.
    """
    steady = [t for t in select_steady(tracks, frame_count) if t.confidence >= LIKELY]
    return steady or [t for t in tracks if t.confidence >= SURE]


def choose_main(tracks: Sequence[Track], motions: Sequence[float], view: View) -> Track | None:
    """Choose the main person: who talks, else who is central and uncut, else the largest.

    A picture of somebody is still. It is the main face only where nothing moves. Among
    several who move, those count whose mouths move most.

    Args:
        tracks: who may be the main person (`select_candidates`).
        motions: how much the mouth of each moves (`align.mouth`).
        view: what the tracks are seen in.
    """
    least = max(STILL, _TALKING_SHARE * max(motions, default=0.0))
    talking = [t for t, motion in zip(tracks, motions, strict=True) if motion >= least]
    return max(talking or tracks, key=view.prominence, default=None)


def select_others(tracks: Sequence[Track], main: Track, frame_count: int) -> list[Track]:
    """Select the other people: steady or seen twice, or seen in a picture, and sure."""
    least = 1 if frame_count < 4 else 2
    return [t for t in tracks if t is not main and len(t.frames) >= least and t.confidence >= SURE]


def count_people(tracks: Sequence[Track], main: Track | None, frame_count: int) -> int:
    """Count the people in view: the most steady tracks that are seen in one frame.

    Doubtful faces, and those that are tiny beside the main person's, do not count.
    """
    if main is None:
        return 0
    least_px = _RELATIVE_AREA * main.area_px
    steady = select_steady(tracks, frame_count)
    people = [t for t in steady if t.area_px >= least_px and t.confidence >= SURE]
    seen = Counter(chain.from_iterable(track.frames for track in people))
    return max(seen.values(), default=1)
