"""Photographs of people, detected and aligned as the service does it."""

from __future__ import annotations

from collections.abc import Callable

from align.faces import FaceDetector, analyse_faces, find_faces
from utils.arrays import ImageArray
from utils.media import Frame

Align = Callable[[ImageArray], ImageArray | None]
"""A photograph (h, w, 3) uint8 RGB to its main face (112, 112, 3), None without a face."""


def photo_aligner(min_face_px: float) -> Align:
    """Make a function that aligns the main face of a photograph.

    Faces narrower than `min_face_px` in the photograph are not taken. The detector is
    loaded with the first photograph.
    """
    detector = FaceDetector()

    def align(photo: ImageArray) -> ImageArray | None:
        frames = (Frame(photo, 0.0),)
        faces = analyse_faces(frames, find_faces(detector, frames), min_face_px).faces
        return faces[0].image if faces else None

    return align
