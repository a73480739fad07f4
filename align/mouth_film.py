"""The mouth of the main person, about ten times a second: what the sound is compared with.

The face is known in the sampled frames. In the small grey frames between them, it is
looked for where it must be about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from align.faces import FaceDetector
from align.warp import Region, align_part
from utils.arrays import Float32Array, Float64Array, GreyArray
from utils.media import AlignedFace, Clip, Frame, GreyFrame, MouthFilm, Waveform

MOUTH_PX = (14, 10)
"""Width and height of a mouth. More pixels tell no more about the sound."""

MOUTHS = 8
"""Frames that are looked at together: the fewer, the more is done before the clip is read.

Each at a time takes a third longer.
"""

# Sound that is kept after the last frame
_AFTER_S = 1.0

# Mouth and chin of an aligned face
_REGION: Region = (slice(74, 112), slice(28, 84))


class MouthFinder:
    """Finds the mouth in the film of one clip, of which more may come.

    What was found stays where the face is looked for in the same frame and place as before.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._times_s: list[float] = []
        self._places: Float64Array = np.empty((0, 4))
        self._mouths: list[Float32Array | None] = []

    def knows(self, count: int) -> bool:
        """Whether so many frames were looked at."""
        return len(self._mouths) >= count

    def find(
        self, film: Sequence[GreyFrame], places_xyxy: Float64Array
    ) -> list[Float32Array | None]:
        """Find the mouth (10, 14) in each frame so far. None where no face is found.

        `places_xyxy` (n, 4) are where the face is about, in pixels of the frames.
        """
        times_s = [frame.time_s for frame in film]
        start = self._count_known(times_s, places_xyxy)
        del self._mouths[start:]
        for first in range(start, len(film), MOUTHS):
            together = slice(first, first + MOUTHS)
            self._mouths += self._look(film[together], places_xyxy[together])
        self._times_s = times_s
        self._places = places_xyxy
        return list(self._mouths)

    def _look(
        self, film: Sequence[GreyFrame], places_xyxy: Float64Array
    ) -> Iterator[Float32Array | None]:
        images = [frame.image for frame in film]
        faces = self._detector.locate(images, places_xyxy)
        for image, face in zip(images, faces, strict=True):
            yield cut_mouth(image, face.landmarks_xy) if face else None

    def _count_known(self, times_s: Sequence[float], places_xyxy: Float64Array) -> int:
        """Count the first frames whose mouths are known, as many as are looked at together.

        So it is always the same ones.
        """
        count = min(len(places_xyxy), len(self._places))
        is_same = (places_xyxy[:count] == self._places[:count]).all(axis=1)
        is_same &= np.equal(times_s[:count], self._times_s[:count])
        return int(np.argmin([*is_same, False])) // MOUTHS * MOUTHS


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
