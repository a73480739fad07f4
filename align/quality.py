"""How good an aligned face is for recognition: size, sharpness, pose, light. Pure
functions over one face.

Each property is mapped to a factor in [0, 1]; the score is the square root of their
product: one bad property is enough to weigh little. The bounds are measured on real
clips (docs/measurements/decode.md).
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.arrays import Float32Array, ImageArray
from utils.media import FaceDetection, FaceQuality

_SHARP_HALF = 0.02  # relative Laplacian energy at which sharpness is one half
# Rows and columns of the 112 × 112 face that hold eyes, nose and mouth
_CORE = slice(28, 104), slice(24, 88)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def assess(image: ImageArray, detection: FaceDetection) -> FaceQuality:
    """Quality of one aligned face.

    Args:
        image: the aligned face (112, 112, 3) uint8 RGB.
        detection: where it was found in its frame, in pixels of that frame.
    """
    grey = np.asarray(image[_CORE].astype(np.float32) @ _LUMA, np.float32) / np.float32(255)
    size_px = float(detection.box_xyxy[2] - detection.box_xyxy[0])
    brightness = float(grey.mean())
    contrast = float(grey.std())
    sharp = sharpness(grey)
    yaw = yaw_of(detection.landmarks_xy)
    roll = roll_deg_of(detection.landmarks_xy)
    score = summary(size_px, sharp, yaw, brightness, contrast, detection.score)
    return FaceQuality(size_px, sharp, yaw, roll, brightness, contrast, score)


def sharpness(grey: Float32Array) -> float:
    """Sharpness in [0, 1) of a grey image (h, w) in [0, 1]: the energy of its Laplacian
    relative to its variance, e / (e + half point).

    Dividing by the variance makes it independent of contrast. Source: J. L.
    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000
    (variance of the Laplacian).
    """
    variance = float(grey.var())
    if variance < 1e-6:
        return 0.0
    # Keeps sensor noise and compression blocks from counting as sharp
    smooth = cv2.GaussianBlur(grey, (3, 3), 0.8)
    energy = float(cv2.Laplacian(smooth, cv2.CV_32F).var()) / variance
    return energy / (energy + _SHARP_HALF)


def yaw_of(landmarks_xy: Float32Array) -> float:
    """How far the face is turned, in [-1, 1]: 0 frontal, positive when the nose points
    to the right of the image.

    The nose's offset from the middle between eyes and mouth, along the line of the
    eyes, over half the width of the face's landmarks.
    """
    points = np.asarray(landmarks_xy, np.float64)
    left = (points[0] + points[3]) / 2
    right = (points[1] + points[4]) / 2
    axis = right - left
    width = float(np.hypot(*axis))
    if width < 1e-3:
        return 1.0
    offset = float((points[2] - (left + right) / 2) @ axis) / width
    return float(np.clip(2 * offset / width, -1.0, 1.0))


def roll_deg_of(landmarks_xy: Float32Array) -> float:
    """Tilt of the line of the eyes in degrees, positive when the eye on the image's
    right is lower.
    """
    across = np.asarray(landmarks_xy[1], np.float64) - np.asarray(landmarks_xy[0], np.float64)
    return float(np.degrees(np.arctan2(across[1], across[0])))


def summary(
    size_px: float, sharp: float, yaw: float, brightness: float, contrast: float, detector: float
) -> float:
    """The score in [0, 1] of a face with these properties."""
    factors = (
        _ramp(size_px, 12, 80),
        _ramp(sharp, 0.0, 0.6),
        1 - 0.8 * _ramp(abs(yaw), 0.25, 0.95),
        _ramp(brightness, 0.04, 0.22) * (1 - _ramp(brightness, 0.8, 0.98)),
        _ramp(contrast, 0.02, 0.10),
        _ramp(detector, 0.5, 0.95),
    )
    return float(np.sqrt(np.prod(factors)))


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))
