"""Cutting the faces of one clip out of its frames: aligned and assessed, each once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from align.quality import assess_face
from align.warp import align
from utils.beside import beside
from utils.media import AlignedFace, FaceDetection, Frame

Place = tuple[Frame, FaceDetection]
"""A face in a frame."""

# Faces from which another thread cuts half of them out
_WORTH_SHARING = 4

_Key = tuple[float, bytes, bytes, float]


class Cutter:
    """Cuts the faces of one clip out. What was cut out stays, for as long as this does."""

    def __init__(self) -> None:
        self._faces: dict[_Key, AlignedFace] = {}

    def knows(self, place: Place) -> bool:
        """Whether a face was cut out."""
        return _key_of(place) in self._faces

    def cut(self, places: Sequence[Place]) -> list[AlignedFace]:
        """Cut faces out, those that are not yet. Two threads share more than a few."""
        self._faces.update(_share([place for place in places if not self.knows(place)]))
        return [self._faces[_key_of(place)] for place in places]


def _key_of(place: Place) -> _Key:
    frame, face = place
    return frame.time_s, face.box_xyxy.tobytes(), face.landmarks_xy.tobytes(), face.score


def _share(places: Sequence[Place]) -> dict[_Key, AlignedFace]:
    if len(places) < _WORTH_SHARING:
        return _cut(places)
    middle = len(places) // 2
    with beside(partial(_cut, places[middle:])) as rest:
        return _cut(places[:middle]) | rest.result()


def _cut(places: Sequence[Place]) -> dict[_Key, AlignedFace]:
    return {_key_of(place): _cut_one(*place) for place in places}


def _cut_one(frame: Frame, face: FaceDetection) -> AlignedFace:
    image = align(frame.image, face.landmarks_xy, halve=True)
    return AlignedFace(image, face, frame.time_s, assess_face(image, face))
