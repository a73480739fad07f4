"""Finding faces in the sampled frames (MTCNN on shrunken copies, all frames of a clip
in one batch) and choosing the main person.

Boxes and landmarks are in pixels of the frames given. No network is loaded by importing
this module.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from align.cascade import detect
from align.detector_networks import Networks, load_networks
from align.quality import assess
from align.tracks import Track, link, main_track, people_in_view
from align.warp import align, is_plausible
from utils.arrays import ImageArray
from utils.media import AlignedFace, FaceAnalysis, FaceDetection, FaceQuality, Frame

FAST_PX = 320 * 240
THOROUGH_PX = 1280 * 720
_THOROUGH_FRAMES = 4
_LEAST_SIDE_PX = 24  # smaller pictures hold no face that could be used
_THREADS = min(2, os.cpu_count() or 1)


class FaceDetector:
    """MTCNN, loaded once. Safe to share between threads: nothing changes after `load`."""

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
        """Find the faces in images of one clip, looking at copies of about `about_px`
        pixels (width × height).

        Args:
            images: (h, w, 3) uint8 RGB, all of one size.
            about_px: pixels of the copies; faces narrower than 20 px there are not
                found.

        Returns:
            Per image the detections, surest first, in pixels of that image.
        """
        found: list[list[FaceDetection]] = [[] for _ in images]
        if not images or min(images[0].shape[:2]) < _LEAST_SIDE_PX:
            return found
        factor = shrink_factor(images[0].shape[1], images[0].shape[0], about_px)
        for row in detect([_shrunk(image, factor) for image in images], self.load()):
            detection = _to_detection(row, factor)
            if is_plausible(detection.landmarks_xy):
                found[int(row[0])].append(detection)
        return found


def shrink_factor(width: int, height: int, about_px: int) -> int:
    """The whole number by which width and height are divided to come near `about_px`
    pixels; no side becomes less than 24 px.
    """
    factor = max(1, round(float(np.sqrt(width * height / about_px))))
    return max(1, min(factor, min(width, height) // _LEAST_SIDE_PX))


def _shrunk(image: ImageArray, factor: int) -> ImageArray:
    """A copy shrunk by averaging squares of factor × factor pixels; rows and columns
    that fill no square are left out.
    """
    if factor == 1:
        return image
    height = image.shape[0] // factor
    width = image.shape[1] // factor
    return cast(
        ImageArray,
        cv2.resize(
            image[: height * factor, : width * factor],
            (width, height),
            interpolation=cv2.INTER_AREA,
        ),
    )


def _to_detection(row: np.ndarray, factor: int) -> FaceDetection:
    """A row of the cascade, in pixels of the full image: the middle of a pixel of the
    copy lies (factor − 1) / 2 into its square.
    """
    points = np.concatenate([row[1:5].reshape(2, 2), np.stack([row[6:11], row[11:16]], axis=1)])
    points = (points * factor + (factor - 1) / 2).astype(np.float32)
    return FaceDetection(points[:2].reshape(4), points[2:], float(row[5]))


def find_faces(detector: FaceDetector, frames: Sequence[Frame]) -> list[list[FaceDetection]]:
    """Faces per frame: a quick look at all frames; when that finds nothing, a thorough
    one at a few for faces that are far away.
    """
    images = [f.image for f in frames]
    found = detector.detect(images, FAST_PX)
    if any(found) or not images:
        return found
    height, width = images[0].shape[:2]
    if shrink_factor(width, height, FAST_PX) == shrink_factor(width, height, THOROUGH_PX):
        return found
    chosen = np.unique(np.linspace(0, len(images) - 1, _THOROUGH_FRAMES).round().astype(int))
    for index, faces in zip(
        chosen, detector.detect([images[i] for i in chosen], THOROUGH_PX), strict=True
    ):
        found[index] = faces
    return found


def analyse_faces(
    frames: Sequence[Frame], found: Sequence[Sequence[FaceDetection]], min_face_px: float
) -> FaceAnalysis:
    """Choose the main person and align that face in every frame.

    Args:
        frames: the sampled frames.
        found: the detections per frame.
        min_face_px: narrower faces are left out.
    """
    big = [[f for f in faces if f.box_xyxy[2] - f.box_xyxy[0] >= min_face_px] for faces in found]
    tracks = link(big)
    main = main_track(tracks, len(frames))
    faces = _align_track(frames, main) if main else []
    return FaceAnalysis(
        tuple(faces), people_in_view(tracks, len(frames)), len(frames), _mean_quality(faces)
    )


def _align_track(frames: Sequence[Frame], track: Track) -> list[AlignedFace]:
    faces = []
    for index, detection in zip(track.frames, track.detections, strict=True):
        image = align(frames[index].image, detection.landmarks_xy)
        faces.append(AlignedFace(image, detection, frames[index].time_s, assess(image, detection)))
    return sorted(faces, key=lambda f: -f.quality.score)


def _mean_quality(faces: Sequence[AlignedFace]) -> FaceQuality | None:
    """Quality of the main person's face over the clip: the middle value of every
    property, each by itself.
    """
    if not faces:
        return None
    table = np.array(
        [
            [q.size_px, q.sharpness, q.yaw, q.roll_deg, q.brightness, q.contrast, q.score]
            for q in (f.quality for f in faces)
        ]
    )
    return FaceQuality(*(float(v) for v in np.median(table, axis=0)))
