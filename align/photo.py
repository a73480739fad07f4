"""Reading a photograph (jpg, png, webp, heic, avif) as RGB of bounded size.

It is turned upright as its EXIF orientation says.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
from pi_heif import register_heif_opener
from PIL import Image, ImageOps

from align.limits import ReadLimits, refuse_many_pixels
from utils.arrays import ImageArray
from utils.errors import MediaCorruptError, MediaTooLargeError
from utils.media import Frame

# JPEG includes MPO, the one with several pictures that phones write
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")
_OF_SCANS = ("JPEG", "MPO")
_EXCESSIVE = "Send a smaller picture."
# A JPEG picture is decoded once for each scan. Encoders make up to about a dozen, and a small
# file may hold thousands
_MOST_SCANS = 100
_MOST_PARTS = 10_000
_JPEG = b"\xff\xd8"
_SCAN = 0xDA
_END = 0xD9
# A marker that a length follows. Others come amid coded data: 0, reserved numbers and those of
# restarts. Decoders pass over them. 0xFF may be repeated: of a million none is read twice
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
# What the decoders of pictures raise for a file that is damaged
_BROKEN = (
    *(OSError, ValueError, SyntaxError, struct.error, EOFError, MemoryError),
    *(RuntimeError, ArithmeticError, LookupError, TypeError),
)


def read_photo(path: Path, limits: ReadLimits) -> Frame:
    """Read one photograph.

    Raises:
        MediaCorruptError: it is damaged.
        MediaTooLargeError: it has more than `limits.max_photo_px` pixels.
    """
    register_heif_opener()
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            refuse_many_pixels(picture.size, limits.max_photo_px, hint=_EXCESSIVE)
            if picture.format in _OF_SCANS:
                _refuse_many_scans(path.read_bytes())
            shrink = min(1.0, math.sqrt(limits.kept_photo_px / math.prod(picture.size)))
            size = (int(picture.width * shrink), int(picture.height * shrink))
            # Lets JPEG decode at a half, quarter or eighth
            picture.draft("RGB", size)
            return Frame(_to_array(picture, max(size)), time_s=0.0)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = limits.max_photo_px // 1_000_000
        raise MediaTooLargeError(
            f"A picture may have {most} million pixels. This one has more.", _EXCESSIVE
        ) from None
    except _BROKEN:
        raise MediaCorruptError(
            "The file begins like a picture, but cannot be decoded: it is damaged or cut off."
        ) from None


def _refuse_many_scans(data: bytes) -> None:
    if count_scans(data) > _MOST_SCANS:
        raise MediaTooLargeError(
            f"A JPEG picture may have {_MOST_SCANS} scans. This one has more.",
            "Save it anew as a JPEG picture.",
        )


def count_scans(data: bytes) -> int:
    """Count the scans of the first picture of a JPEG file (ITU-T T.81, annex B), as far as 101.

    Of a file with more parts than any has it is 101.
    """
    scans = 0
    place = len(_JPEG)
    for _ in range(_MOST_PARTS):
        marker = _MARKER.search(data, place)
        if marker is None or marker[1][0] == _END or scans > _MOST_SCANS:
            return scans
        scans += marker[1][0] == _SCAN
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return _MOST_SCANS + 1


def _to_array(picture: Image.Image, most: int) -> ImageArray:
    # 16-bit grey: Pillow's own conversion would clip, not scale
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    image = ImageOps.exif_transpose(picture).convert("RGB")
    image.thumbnail((most, most), Image.Resampling.LANCZOS)
    return np.asarray(image)
