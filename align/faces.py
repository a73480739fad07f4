"""Finding the faces in the sampled frames, and choosing the main person.

MTCNN looks at shrunken copies of the frames, all frames of a clip in one batch. Boxes
and landmarks are in pixels of the frames given. Importing this module loads no network.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import astuple
from itertools import chain
from typing import cast

import cv2
import numpy as np

from align.cascade import detect
from align.detector_networks import Networks, load_networks
from align.quality import assess_face
from align.tracks import LIKELY, Track, choose_main, count_people, link
from align.warp import align, is_plausible
from utils.arrays import Float64Array, ImageArray
from utils.media import AlignedFace, FaceAnalysis, FaceDetection, FaceQuality, Frame

# Pixels of the copies that are looked at, and how many frames the thorough look takes
FAST_PX = 320 * 240
THOROUGH_PX = 1280 * 720
CLOSE_PX = 2048 * 1536
_THOROUGH_FRAMES = 4

# Smaller pictures hold no face that could be used
_LEAST_SIDE_PX = 24

_THREADS = min(2, os.cpu_count() or 1)


class FaceDetector:
    """MTCNN, loaded once. Threads may share it: nothing changes after `load`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._networks: Networks | None = None

    def load(self) -> Networks:
        """Load the networks. Idempotent."""
        with self._lock:
            if self._networks is None:
                self._networks = load_networks(_THREADS)
            return self._networks

    def detect(self, images: Sequence[ImageArray], about_px: int) -> list[list[FaceDetection]]:
        """Find the faces in images of one clip.

        Args:
            images: (h, w, 3) uint8 RGB, all of one size.
            about_px: pixels (width × height) of the copies that are looked at. Faces
                narrower than 20 px there are not found.

        Returns:
            Per image the detections, surest first, in pixels of that image.
        """
        detections: list[list[FaceDetection]] = [[] for _ in images]
        if not images or min(images[0].shape[:2]) < _LEAST_SIDE_PX:
            return detections
        factor = shrink_factor(images[0].shape[1], images[0].shape[0], about_px)
        for row in detect([_shrink(image, factor) for image in images], self.load()):
            detection = _to_detection(row, factor)
            if is_plausible(detection.landmarks_xy):
                detections[int(row[0])].append(detection)
        return detections


def shrink_factor(width: int, height: int, about_px: int) -> int:
    """The whole number by which width and height are divided for `about_px` pixels.

    No side becomes less than 24 px.
    """
    factor = max(1, round(float(np.sqrt(width * height / about_px))))
    return max(1, min(factor, min(width, height) // _LEAST_SIDE_PX))


def find_faces(detector: FaceDetector, frames: Sequence[Frame]) -> list[list[FaceDetection]]:
    """Find the faces in each frame.

    A fast look at all frames comes first. Where it finds nobody, a thorough look at a
    few frames finds faces that are far away, and a close look those that are small in a
    large photograph.
    """
    images = [frame.image for frame in frames]
    detections = detector.detect(images, FAST_PX)
    before_px = FAST_PX
    for about_px in (THOROUGH_PX, CLOSE_PX):
        if not images or _is_anybody_clear(detections):
            break
        if not _would_see_more(images[0], before_px, about_px):
            continue
        evenly = np.linspace(0, len(images) - 1, _THOROUGH_FRAMES)
        chosen = np.unique(evenly.round().astype(int))
        faces = detector.detect([images[i] for i in chosen], about_px)
        for index, faces_of_frame in zip(chosen, faces, strict=True):
            detections[index] = faces_of_frame or detections[index]
        before_px = about_px
    return detections


def analyse_faces(
    frames: Sequence[Frame],
    detections: Sequence[Sequence[FaceDetection]],
    min_face_px: float,
) -> FaceAnalysis:
    """Choose the main person and align that face in every frame.

    Args:
        frames: the sampled frames.
        detections: the faces of each frame.
        min_face_px: narrower faces are left out.
    """
    tracks = link([_select_wide(faces, min_face_px) for faces in detections])
    main = choose_main(tracks, len(frames))
    faces = _align_track(frames, main) if main else []
    return FaceAnalysis(
        faces=tuple(faces),
        people_in_view=count_people(tracks, len(frames)),
        frames_read=len(frames),
        quality=_median_quality(faces),
    )


def _is_anybody_clear(detections: Sequence[Sequence[FaceDetection]]) -> bool:
    """Whether a face was found that may be the main person's."""
    return any(face.score >= LIKELY for face in chain.from_iterable(detections))


def _would_see_more(image: ImageArray, before_px: int, about_px: int) -> bool:
    """Whether a look at `about_px` uses larger copies than the one before it."""
    height, width = image.shape[:2]
    before = shrink_factor(width, height, before_px)
    return before != shrink_factor(width, height, about_px)


def _shrink(image: ImageArray, factor: int) -> ImageArray:
    """Shrink an image by averaging squares of factor × factor pixels.

    Rows and columns that fill no square are left out.
    """
    if factor == 1:
        return image
    height = image.shape[0] // factor
    width = image.shape[1] // factor
    squares = image[: height * factor, : width * factor]
    small = cv2.resize(squares, (width, height), interpolation=cv2.INTER_AREA)
    return cast(ImageArray, small)


def _to_detection(row: Float64Array, factor: int) -> FaceDetection:
    """Turn a row of the cascade into a detection in pixels of the full image.

    The middle of a pixel of the copy lies (factor − 1) / 2 into its square.
    """
    landmarks = np.stack([row[6:11], row[11:16]], axis=1)
    points = np.concatenate([row[1:5].reshape(2, 2), landmarks])
    points = (points * factor + (factor - 1) / 2).astype(np.float32)
    return FaceDetection(
        box_xyxy=points[:2].reshape(4), landmarks_xy=points[2:], score=float(row[5])
    )


def _select_wide(faces: Sequence[FaceDetection], min_face_px: float) -> list[FaceDetection]:
    return [face for face in faces if face.width_px >= min_face_px]


def _align_track(frames: Sequence[Frame], track: Track) -> list[AlignedFace]:
    """Align the face of a track in each of its frames. The best face comes first."""
    faces = []
    for index, detection in zip(track.frames, track.detections, strict=True):
        image = align(frames[index].image, detection.landmarks_xy)
        face = AlignedFace(
            image=image,
            detection=detection,
            time_s=frames[index].time_s,
            quality=assess_face(image, detection),
        )
        faces.append(face)
    return sorted(faces, key=lambda face: -face.quality.score)


def _median_quality(faces: Sequence[AlignedFace]) -> FaceQuality | None:
    """Quality of a face over the clip: the median of each property by itself."""
    if not faces:
        return None
    table = np.array([astuple(face.quality) for face in faces])
    return FaceQuality(*np.median(table, axis=0).tolist())
