"""Finding faces: MTCNN (K. Zhang et al., "Joint face detection and alignment using multi-task cascaded convolutional networks", 2016,
https://arxiv.org/abs/1604.02878; the package `mtcnn`) on shrunken copies of the frames, all frames of a clip in one batch.

Boxes and landmarks are in pixels of the frames given. TensorFlow is imported by `load`, not by importing this module.
"""
from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from align.quality import assess
from align.tracks import Track, link, main_track, people_in_view
from align.warp import align, is_plausible
from utils.types import AlignedFace, FaceAnalysis, FaceDetection, FaceQuality, Frame, ImageArray

FAST_WIDTH_PX = 320
THOROUGH_WIDTH_PX = 800
_THOROUGH_FRAMES = 4
_LEAST_SIDE_PX = 24  # MTCNN's pyramid starts at faces of 20 px
_LEAST_SCORE = 0.8


class FaceDetector:
    """MTCNN, loaded once. Safe to share between threads: one detection at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._model: Any = None

    def load(self) -> None:
        """Load the model. Idempotent."""
        with self._lock:
            if self._model is None:
                from mtcnn import MTCNN

                self._model = MTCNN()

    def detect(self, images: Sequence[ImageArray], width_px: int) -> list[list[FaceDetection]]:
        """Find the faces in images of one clip, looking at copies of about `width_px` width.

        Args:
            images: (h, w, 3) uint8 RGB, all of one size.
            width_px: faces of less than a sixteenth of this are not found.

        Returns:
            Per image the detections, surest first, in pixels of that image.
        """
        if not images or min(images[0].shape[:2]) < _LEAST_SIDE_PX:
            return [[] for _ in images]
        small, scale_xy = _shrink(images, width_px)
        with self._lock:
            self.load()
            rows = self._model.detect_faces(small, output_type="numpy", box_format="xyxy", fit_to_image=False)
        found: list[list[FaceDetection]] = [[] for _ in images]
        for row in sorted(np.asarray(rows, np.float32), key=lambda r: -r[5]):
            detection = _to_detection(row, scale_xy)
            if detection.score >= _LEAST_SCORE and is_plausible(detection.landmarks_xy):
                found[int(row[0])].append(detection)
        return found


def _shrink(images: Sequence[ImageArray], width_px: int) -> tuple[list[ImageArray], np.ndarray]:
    """Copies of the size to look at, with the area of a 4:3 picture of `width_px`, and the factors (x, y) back to the originals."""
    height, width = images[0].shape[:2]
    shrink = min(1.0, float(np.sqrt(width_px * width_px * 0.75 / (width * height))))
    size = max(_LEAST_SIDE_PX, round(width * shrink)), max(_LEAST_SIDE_PX, round(height * shrink))
    small = [cv2.resize(i, size, interpolation=cv2.INTER_AREA) if size != (width, height) else i for i in images]
    return small, np.array([width / size[0], height / size[1]], np.float32)  # type: ignore[return-value]


def _to_detection(row: np.ndarray, scale_xy: np.ndarray) -> FaceDetection:
    """A row of the package: frame, x1, y1, x2, y2, score, five x (eye on the image's left, other eye, nose, mouth left, right), five y."""
    box = row[1:5].reshape(2, 2) * scale_xy
    landmarks = np.stack([row[6:11], row[11:16]], axis=1) * scale_xy
    return FaceDetection(box.reshape(4).astype(np.float32), landmarks.astype(np.float32), float(row[5]))


def find_faces(detector: FaceDetector, frames: Sequence[Frame]) -> list[list[FaceDetection]]:
    """Faces per frame: a quick look at all frames; when that finds nothing, a thorough one at a few for faces that are far away."""
    images = [f.image for f in frames]
    found = detector.detect(images, FAST_WIDTH_PX)
    if any(found) or not images:
        return found
    height, width = images[0].shape[:2]
    if width * height <= FAST_WIDTH_PX**2 * 0.75:
        return found
    chosen = np.unique(np.linspace(0, len(images) - 1, _THOROUGH_FRAMES).round().astype(int))
    for index, faces in zip(chosen, detector.detect([images[i] for i in chosen], THOROUGH_WIDTH_PX), strict=True):
        found[index] = faces
    return found


def analyse_faces(
    frames: Sequence[Frame], found: Sequence[Sequence[FaceDetection]], min_face_px: float, looked_at: int | None = None
) -> FaceAnalysis:
    """Choose the main person and align that face in every frame.

    Args:
        frames: the sampled frames.
        found: the detections per frame.
        min_face_px: narrower faces are left out.
        looked_at: number of frames that were searched, when not all were.
    """
    count = looked_at or len(frames)
    big = [[f for f in faces if f.box_xyxy[2] - f.box_xyxy[0] >= min_face_px] for faces in found]
    tracks = link(big)
    main = main_track(tracks, max(1, count))
    faces = _align_track(frames, main) if main else []
    return FaceAnalysis(tuple(faces), people_in_view(tracks, len(frames)), len(frames), _mean_quality(faces))


def _align_track(frames: Sequence[Frame], track: Track) -> list[AlignedFace]:
    faces = []
    for index, detection in zip(track.frames, track.detections, strict=True):
        image = align(frames[index].image, detection.landmarks_xy)
        faces.append(AlignedFace(image, detection, frames[index].time_s, assess(image, detection)))
    return sorted(faces, key=lambda f: -f.quality.score)


def _mean_quality(faces: Sequence[AlignedFace]) -> FaceQuality | None:
    """Quality of the main person's face over the clip: the middle value of every property, each by itself."""
    if not faces:
        return None
    table = np.array([[q.size_px, q.sharpness, q.yaw, q.roll_deg, q.brightness, q.contrast, q.score] for q in (f.quality for f in faces)])
    return FaceQuality(*(float(v) for v in np.median(table, axis=0)))
