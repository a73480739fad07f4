"""The mouth of the main person, about ten times a second: what the sound is compared with.

The face is known in the sampled frames. In every second of the small grey frames between
them, it is looked for where it must be about.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from align.faces import FaceDetector
from align.warp import Region, align_part, is_plausible
from utils.arrays import Float32Array, Float64Array, GreyArray
from utils.media import AlignedFace, Clip, Frame, GreyFrame, MouthFilm, Waveform

MOUTH_PX = (14, 10)
"""Width and height of a mouth. More pixels tell no more about the sound."""

# Sound that is kept after the last frame
_AFTER_S = 1.0

# Of the frames, one in so many is searched for the face
_KEY_EVERY = 2

# Frames that are searched at a time
_CROPS = 8

BATCH = _KEY_EVERY * _CROPS
"""Frames of a film that are looked at together."""

# Five points (5, 2) in pixels of a frame
_Landmarks = Float32Array | None

# Mouth and chin of an aligned face
_REGION: Region = (slice(74, 112), slice(28, 84))


class MouthFinder:
    """Finds the mouth in the film of one clip, of which more may come.

    Landmarks are found in every second frame, and are taken to move evenly between. What was
    found stays where the face is looked for in the same frame and place as before.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._times_s: list[float] = []
        self._places: Float64Array = np.empty((0, 4))
        self._found: list[_Landmarks] = []

    def knows(self, count: int) -> bool:
        """Whether so many frames were looked at."""
        return _KEY_EVERY * len(self._found) >= count

    def look(self, film: Sequence[GreyFrame], places_xyxy: Float64Array) -> list[_Landmarks]:
        """Find the landmarks in every second frame so far. None where no face is found.

        `places_xyxy` (n, 4) are where the face is about, in pixels of the frames.
        """
        keys = film[::_KEY_EVERY]
        places = places_xyxy[::_KEY_EVERY]
        times_s = [frame.time_s for frame in keys]
        start = self._count_known(times_s, places)
        del self._found[start:]
        for first in range(start, len(keys), _CROPS):
            batch = slice(first, first + _CROPS)
            self._found += self._locate(keys[batch], places[batch])
        self._times_s = times_s
        self._places = places
        return list(self._found)

    def find(
        self, film: Sequence[GreyFrame], places_xyxy: Float64Array
    ) -> list[Float32Array | None]:
        """Cut the mouth (10, 14) out of each frame. None where no face is found.

        `places_xyxy` are those of `look`.
        """
        landmarks: list[_Landmarks] = [None] * len(film)
        landmarks[::_KEY_EVERY] = self.look(film, places_xyxy)
        if len(film) % _KEY_EVERY == 0:
            landmarks[-1:] = self._locate(film[-1:], places_xyxy[-1:])
        times_s = [frame.time_s for frame in film]
        for i in range(1, len(film) - 1, _KEY_EVERY):
            beside = slice(i - 1, i + 2)
            landmarks[i] = _find_between(landmarks[beside], times_s[beside])
        pairs = zip(film, landmarks, strict=True)
        return [cut_mouth(frame.image, at) if at is not None else None for frame, at in pairs]

    def _locate(self, film: Sequence[GreyFrame], places_xyxy: Float64Array) -> list[_Landmarks]:
        faces = self._detector.locate([frame.image for frame in film], places_xyxy)
        return [face.landmarks_xy if face else None for face in faces]

    def _count_known(self, times_s: Sequence[float], places_xyxy: Float64Array) -> int:
        """Count the first frames of which all is known, in whole batches.

        So the same crops are always looked at together.
        """
        count = min(len(places_xyxy), len(self._places))
        is_same = (places_xyxy[:count] == self._places[:count]).all(axis=1)
        is_same &= np.equal(times_s[:count], self._times_s[:count])
        return int(np.argmin([*is_same, False])) // _CROPS * _CROPS


def _find_between(landmarks_xy: Sequence[_Landmarks], times_s: Sequence[float]) -> _Landmarks:
    """The landmarks at the second of three times, by those at the first and the last."""
    before, _, after = landmarks_xy
    if before is None or after is None:
        return None
    share = (times_s[1] - times_s[0]) / (times_s[2] - times_s[0])
    between = np.asarray(before + (after - before) * share, np.float32)
    return between if is_plausible(between) else None


def film_mouth(
    finder: MouthFinder, clip: Clip, faces: Sequence[AlignedFace], heard: int = 0
) -> MouthFilm | None:
    """Cut the mouth of the main person out of the film of a clip.

    Args:
        finder: finds the mouth. It may know some of the film.
        clip: has a film.
        faces: the main person in the sampled frames.
        heard: number of the sound that has the speech.

    Returns:
        The mouths, without the moments in which no face is found. None where there is no
        face or no sound.
    """
    if not (clip.frames and faces and clip.waveforms):
        return None
    seen = sorted(faces, key=lambda face: face.time_s)
    boxes = [face.detection.box_xyxy for face in seen]
    places = guess_places([face.time_s for face in seen], boxes, clip.film, clip.frames[0])
    mouths = finder.find(clip.film, places)
    return _join(clip.film, mouths, clip.waveforms[heard], clip.sound_starts_s[heard])


def guess_places(
    seen_s: Sequence[float],
    boxes_xyxy: Sequence[Float32Array],
    film: Sequence[GreyFrame],
    frame: Frame,
) -> Float64Array:
    """Guess where a face is in a film (n, 4), by the times and boxes of sampled frames.

    `frame` is one of these, of which the film is a smaller copy.
    """
    times_s = [one.time_s for one in film]
    sides = np.stack(boxes_xyxy, axis=1)
    scale = film[0].image.shape[1] / frame.image.shape[1]
    places = [np.interp(times_s, seen_s, side) for side in sides]
    return np.asarray(np.stack(places, axis=1) * scale, np.float64)


def cut_mouth(image: GreyArray, landmarks_xy: Float32Array) -> Float32Array:
    """Cut the mouth (10, 14) out of a grey frame (h, w) with the landmarks (5, 2) of its face."""
    region = align_part(image, landmarks_xy, _REGION)
    return np.asarray(cv2.resize(region, MOUTH_PX, interpolation=cv2.INTER_AREA), np.float32)


def _join(
    film: Sequence[GreyFrame],
    in_each: Sequence[Float32Array | None],
    sound: Waveform,
    start_s: float,
) -> MouthFilm | None:
    pairs = list(zip(film, in_each, strict=True))
    mouths = [mouth for mouth in in_each if mouth is not None]
    times_s = [frame.time_s - start_s for frame, mouth in pairs if mouth is not None]
    if not mouths:
        return None
    # A copy, as the clip may lie in a memory that another one will take
    end_s = max(0.0, film[-1].time_s - start_s + _AFTER_S)
    heard = sound.samples[: int(end_s * sound.rate_hz)].copy()
    return MouthFilm(
        np.stack(mouths), np.array(times_s, np.float64), Waveform(heard, sound.rate_hz)
    )
