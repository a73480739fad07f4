"""Pictures decoded to RGB: aligned face crops, and photographs of any size."""

from __future__ import annotations

import cv2
import numpy as np

from utils.arrays import FACE_SIZE_PX, ImageArray
from utils.errors import DatasetError


def decode_crop(data: bytes, name: str) -> ImageArray:
    """Decode one aligned crop to (112, 112, 3) uint8 RGB.

    Args:
        data: The bytes of the file.
        name: Name of the file in error messages.

    Raises:
        DatasetError: The file is not a picture of 112 × 112 px.
    """
    image = _decode(data)
    if image is None or image.shape[:2] != (FACE_SIZE_PX, FACE_SIZE_PX):
        shape = "" if image is None else " × ".join(map(str, image.shape[1::-1]))
        raise DatasetError(
            f"Face crops must be aligned images of {FACE_SIZE_PX} × {FACE_SIZE_PX} px. Received:"
            f" {name}, {shape or 'which cannot be decoded'}",
            "cli.py train align-faces makes them of photographs.",
        )
    return image


def decode_picture(data: bytes, name: str) -> ImageArray:
    """Decode a picture of any size to (h, w, 3) uint8 RGB.

    Raises:
        DatasetError: The file is not a picture.
    """
    image = _decode(data)
    if image is None:
        raise DatasetError(
            f"Every listed file must be a picture. Received: {name}, which cannot be decoded"
        )
    return image


def _decode(data: bytes) -> ImageArray | None:
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # of an empty file, or a picture beyond OpenCV's limits
        return None
    return None if picture is None else np.ascontiguousarray(picture[..., ::-1])
