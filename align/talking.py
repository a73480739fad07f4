"""Whose mouth moves while a voice speaks: the talking face of a few frames of a turn.

Measured five times a second in 50 turns of talkers and 58 of listeners: the mouths of the
talkers move by 0.043 or more, and by 0.017 or more beyond twice what eyes and nose move.
Those of the listeners do by 0.002 at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np

from align.faces import FaceDetector, FirstLook
from align.looks import select_upright
from align.mouth import UPPER_FACE, measure_changes
from align.quality import assess_face
from align.tracks import Track, link, select_candidates
from align.warp import align
from utils.media import AlignedFace, Frame

LEAST_FACES = 4
"""Frames in which a face must be seen."""

_MOVES = 0.03
_MOVES_BY_ITSELF = 0.01

# Faces of a lower quality may be none
_LEAST_QUALITY = 0.3

# How much more the mouth of who talks moves than that of anybody else in view
_LEAD = 2.0

# How much a change of eyes and nose speaks against a mouth that moves by itself
_WEIGHT = 2.0

TalkingFace = tuple[AlignedFace, ...]
"""One face in several frames, in order of time."""


class Seen(Enum):
    """What is seen where no face is known to talk."""

    NOTHING = "no face"
    STILL = "nobody's mouth moves"
    SEVERAL = "the mouths of several people move"


def find_talking(
    detector: FaceDetector, frames: Sequence[Frame], least_px: float
) -> TalkingFace | Seen:
    """Find the one face whose mouth moves in frames (h, w, 3) of one size.

    `least_px`: narrower faces are left out.
    """
    tracks = _find_tracks(detector, frames, least_px)
    faces = [face for track in tracks if _is_clear(face := _cut_out(frames, track))]
    if not faces:
        return Seen.NOTHING
    motions = list(map(_measure_motion, faces))
    order = np.argsort(motions)[::-1]
    first = motions[order[0]]
    if not first:
        return Seen.STILL
    if len(order) > 1 and first < _LEAD * motions[order[1]]:
        return Seen.SEVERAL
    return tuple(faces[order[0]])


def _find_tracks(detector: FaceDetector, frames: Sequence[Frame], least_px: float) -> list[Track]:
    look = FirstLook(detector)
    for frame in frames:
        look.add(frame.image)
    tracks = select_candidates(link(select_upright(look.finish())), len(frames))
    return [track for track in tracks if _is_usable(track, least_px)]


def _is_usable(track: Track, least_px: float) -> bool:
    widths = [face.width_px for face in track.detections]
    return len(widths) >= LEAST_FACES and float(np.median(widths)) >= least_px


def _cut_out(frames: Sequence[Frame], track: Track) -> list[AlignedFace]:
    faces = []
    for index, detection in zip(track.frames, track.detections, strict=True):
        image = align(frames[index].image, detection.landmarks_xy)
        quality = assess_face(image, detection)
        faces.append(AlignedFace(image, detection, frames[index].time_s, quality))
    return faces


def _is_clear(faces: Sequence[AlignedFace]) -> bool:
    return float(np.median([face.quality.score for face in faces])) >= _LEAST_QUALITY


def _measure_motion(faces: Sequence[AlignedFace]) -> float:
    """Measure how much a mouth moves by itself. 0.0 where it does not talk."""
    images = [face.image for face in faces]
    changes = measure_changes(images)
    own = changes - _WEIGHT * measure_changes(images, UPPER_FACE)
    motion, by_itself = (float(np.quantile(values, 0.75)) for values in (changes, own))
    return by_itself if motion >= _MOVES and by_itself >= _MOVES_BY_ITSELF else 0.0
