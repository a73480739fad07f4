"""The mouth of the main person, about ten times a second: what the sound is compared with.

The face is known in the sampled frames. In the small grey frames between them, it is
looked for where it must be about.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from align.faces import FaceDetector
from align.mouth import Region
from align.warp import align
from utils.arrays import Float32Array, Float64Array, GreyArray
from utils.media import AlignedFace, Clip, FaceDetection, GreyFrame, MouthFilm, Waveform

MOUTH_PX = (14, 10)
"""Width and height of a mouth. More pixels tell no more about the sound."""

# Sound that is kept after the last frame
_AFTER_S = 1.0

# Mouth and chin of an aligned face
_REGION: Region = (slice(74, 112), slice(28, 84))


def film_mouth(
    detector: FaceDetector, clip: Clip, faces: Sequence[AlignedFace], heard: int = 0
) -> MouthFilm | None:
    """Cut the mouth of the main person out of the film of a clip.

    Args:
        detector: finds the face again.
        clip: has a film.
        faces: the main person in the sampled frames.
        heard: number of the sound that has the speech.

    Returns:
        The mouths, without the moments in which no face is found. None where there is no
        face or no sound.
    """
    if not (clip.frames and faces and clip.waveforms):
        return None
    scale = clip.film[0].image.shape[1] / clip.frames[0].image.shape[1]
    places = _interpolate(faces, [frame.time_s for frame in clip.film]) * scale
    again = detector.locate([frame.image for frame in clip.film], places)
    return _cut(clip.film, again, clip.waveforms[heard], clip.sound_starts_s[heard])


def cut_mouth(face: GreyArray) -> Float32Array:
    """Cut the mouth (10, 14) out of a grey aligned face (112, 112)."""
    region = np.ascontiguousarray(face[_REGION])
    return np.asarray(cv2.resize(region, MOUTH_PX, interpolation=cv2.INTER_AREA), np.float32)


def _interpolate(faces: Sequence[AlignedFace], times_s: Sequence[float]) -> Float64Array:
    """Boxes (n, 4) of the face at other times than those of the sampled frames."""
    seen = sorted(faces, key=lambda face: face.time_s)
    seen_s = [face.time_s for face in seen]
    sides = np.stack([face.detection.box_xyxy for face in seen], axis=1)
    return np.stack([np.interp(times_s, seen_s, side) for side in sides], axis=1)


def _cut(
    film: Sequence[GreyFrame],
    faces: Sequence[FaceDetection | None],
    sound: Waveform,
    start_s: float,
) -> MouthFilm | None:
    mouths = []
    times_s = []
    for frame, face in zip(film, faces, strict=True):
        if face is not None:
            mouths.append(cut_mouth(align(frame.image, face.landmarks_xy)))
            times_s.append(frame.time_s - start_s)
    if not mouths:
        return None
    # A copy, as the clip may lie in a memory that another one will take
    end_s = max(0.0, film[-1].time_s - start_s + _AFTER_S)
    heard = sound.samples[: int(end_s * sound.rate_hz)].copy()
    return MouthFilm(
        np.stack(mouths), np.array(times_s, np.float64), Waveform(heard, sound.rate_hz)
    )
