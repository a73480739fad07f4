"""The main person with what is around the face: a hand, the edge of a picture, a screen.

A square about the face is 2.7 times as wide as the box of the detector, as in MiniFASNet
(https://github.com/minivision-ai/Silent-Face-Anti-Spoofing, Apache-2.0). Where it would
leave the picture it is moved, and where it is larger than the picture it is shrunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from utils.arrays import Float32Array, ImageArray
from utils.media import AlignedFace, Frame

SCALE = 2.7
"""Side of the square over the longer side of the face."""

SIZE_PX = 80
"""Side of what is cut out."""

MOST = 3
"""Frames that are cut, evenly over the clip."""


def cut_surroundings(
    frames: Sequence[Frame], faces: Sequence[AlignedFace]
) -> tuple[ImageArray, ...]:
    """Cut the main person with the surroundings out of at most `MOST` frames.

    Returns:
        Images (80, 80, 3) uint8 RGB in order of time. Empty without a face.
    """
    images = {frame.time_s: frame.image for frame in frames}
    seen = sorted((face for face in faces if face.time_s in images), key=lambda face: face.time_s)
    if not seen:
        return ()
    chosen = np.unique(np.linspace(0, len(seen) - 1, MOST).round().astype(int)).tolist()
    return tuple(cut(images[seen[i].time_s], seen[i].detection.box_xyxy) for i in chosen)


def cut(image: ImageArray, box_xyxy: Float32Array) -> ImageArray:
    """Cut the square about a face out of an image (h, w, 3), at (80, 80, 3)."""
    height, width = image.shape[:2]
    face = float(max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]))
    side = max(1, min(round(SCALE * face), width, height))
    middle = (box_xyxy[:2] + box_xyxy[2:]) / 2
    left = int(np.clip(round(float(middle[0]) - side / 2), 0, width - side))
    top = int(np.clip(round(float(middle[1]) - side / 2), 0, height - side))
    square = image[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > SIZE_PX else cv2.INTER_LINEAR
    return cast(ImageArray, cv2.resize(square, (SIZE_PX, SIZE_PX), interpolation=how))
