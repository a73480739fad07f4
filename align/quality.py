"""How good an aligned face is for recognition: size, sharpness, pose and light.

Each property is mapped to a factor in [0, 1]. The score is the square root of their
product, so that one bad property is enough for a low score. The bounds are measured on
real clips (docs/measurements/decode.md). All functions are pure.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from utils.arrays import Float32Array, ImageArray
from utils.media import FaceDetection, FaceQuality

# Laplacian energy, relative to the variance, at which sharpness is one half
_SHARP_HALF = 0.02

# Rows and columns of the 112 × 112 face that hold eyes, nose and mouth
_CORE = (slice(28, 104), slice(24, 88))

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def assess_face(image: ImageArray, detection: FaceDetection) -> FaceQuality:
    """Measure the quality of one aligned face.

    Args:
        image: the aligned face (112, 112, 3) uint8 RGB.
        detection: where it is in its frame, in pixels of that frame.
    """
    grey = np.asarray(image[_CORE].astype(np.float32) @ _LUMA, np.float32) / np.float32(255)
    sharpness = measure_sharpness(grey)
    yaw = estimate_yaw(detection.landmarks_xy)
    brightness = float(grey.mean())
    contrast = float(grey.std())
    return FaceQuality(
        size_px=detection.width_px,
        sharpness=sharpness,
        yaw=yaw,
        roll_deg=measure_roll_deg(detection.landmarks_xy),
        brightness=brightness,
        contrast=contrast,
        score=score_face(
            size_px=detection.width_px,
            sharpness=sharpness,
            yaw=yaw,
            brightness=brightness,
            contrast=contrast,
            confidence=detection.score,
        ),
    )


def measure_sharpness(grey: Float32Array) -> float:
    """Measure the sharpness, in [0, 1), of a grey image (h, w) in [0, 1].

    It is e / (e + half point), where e is the energy of the Laplacian relative to the
    variance of the image. Dividing by the variance makes it independent of contrast.
    Source: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
    ICPR 2000 (variance of the Laplacian).
    """
    variance = float(grey.var())
    if variance < 1e-6:
        return 0.0
    # Keeps sensor noise and compression blocks from counting as sharp
    smooth = cv2.GaussianBlur(grey, (3, 3), 0.8)
    energy = float(cv2.Laplacian(smooth, cv2.CV_32F).var()) / variance
    return energy / (energy + _SHARP_HALF)


def estimate_yaw(landmarks_xy: Float32Array) -> float:
    """Estimate how far a face is turned, in [-1, 1], from its landmarks (5, 2).

    It is 0 for a frontal face and positive when the nose points to the right of the
    image. It is the nose's offset from the middle between eyes and mouth, along the line
    of the eyes, over half the width of the landmarks.
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


def measure_roll_deg(landmarks_xy: Float32Array) -> float:
    """Measure the tilt of the line of the eyes, in degrees.

    `landmarks_xy` is (5, 2), both eyes first. It is positive when the eye on the image's right
    is lower.
    """
    eyes = np.asarray(landmarks_xy[:2], np.float64)
    across = eyes[1] - eyes[0]
    return float(np.degrees(np.arctan2(across[1], across[0])))


def score_face(
    *,
    size_px: float,
    sharpness: float,
    yaw: float,
    brightness: float,
    contrast: float,
    confidence: float,
) -> float:
    """Sum up the quality of a face in [0, 1].

    `confidence` is the score of the detector. The others are as in `FaceQuality`.
    """
    factors = (
        _ramp(size_px, 12, 80),
        _ramp(sharpness, 0.0, 0.6),
        1 - 0.8 * _ramp(abs(yaw), 0.25, 0.95),
        _ramp(brightness, 0.04, 0.22) * (1 - _ramp(brightness, 0.8, 0.98)),
        _ramp(contrast, 0.02, 0.10),
        _ramp(confidence, 0.5, 0.95),
    )
    return math.sqrt(math.prod(factors))


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)
