"""Face crops decoded once, as a memory-mapped array.

Decoding WebP costs more than augmenting the pixels. So it is done once per data set: a
cache folder holds `images.npy`, (n, 112, 112, 3) uint8 RGB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from train.data.crops import decode_crop
from train.data.datasets import Listing, cache_key
from train.data.npy import write_header
from utils.arrays import FACE_SIZE_PX, ImageArray
from utils.whole_file import whole_file


def cached_images(listing: Listing, base: Path) -> ImageArray:
    """All crops of `listing` as a read-only memory map, decoded on the first call.

    Returns:
        (n, 112, 112, 3) uint8 RGB.

    Raises:
        DatasetError: A file is not a 112 × 112 image.
    """
    file = base / cache_key(listing) / "images.npy"
    if not file.exists():
        with whole_file(file) as partial:
            _decode_all(listing, partial)
    return np.load(file, mmap_mode="r")


def save_array(file: Path, array: npt.NDArray[Any]) -> None:
    """Write an .npy file that appears whole or not at all."""
    with whole_file(file) as partial:
        np.save(partial, array)


def _decode_all(listing: Listing, file: Path) -> None:
    shape = (len(listing.items), FACE_SIZE_PX, FACE_SIZE_PX, 3)
    with file.open("wb") as out:
        write_header(out, shape, np.dtype(np.uint8))
        for data, item in zip(listing.read_all(), listing.items, strict=True):
            out.write(decode_crop(data, item.path).tobytes())
