"""Alignment of photographs to the crops that training takes.

`cli.py train align-faces PHOTOS CROPS` runs it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from align.limits import ReadLimits
from align.photo import read_photo
from train.data.datasets import read_listing
from train.data.photos import Align
from utils.errors import MediaError
from utils.whole_file import whole_file

# Of the WebP files, in percent.
QUALITY = 90


def align_folder(photos: Path, crops: Path, align: Align) -> list[str]:
    """Align every photograph below `photos` into `crops`.

    Every photograph `photos/<person>/<name>` with a face becomes
    `crops/<person>/<name>.webp`, and where another has the same name but for its suffix,
    `<name>.<suffix>.webp`. Crops that exist are not made again.

    Args:
        photos: A folder with a sub-folder per person.
        crops: Where the crops go; made where it is missing.
        align: A photograph (h, w, 3) uint8 RGB to its main face (112, 112, 3), None
            where there is none.

    Returns:
        The photographs that were left out, relative to `photos`.

    Raises:
        DatasetError: There is no photograph.
    """
    left_out = []
    items = read_listing(photos).items
    counts = Counter(_crop_of(item.path) for item in items)
    for item in items:
        crop = _crop_of(item.path)
        target = crops / (crop if counts[crop] == 1 else f"{item.path}.webp")
        if not target.exists() and not _align_one(photos / item.path, target, align):
            left_out.append(item.path)
    return left_out


def _crop_of(photo: str) -> str:
    return Path(photo).with_suffix(".webp").as_posix()


def _align_one(photo: Path, target: Path, align: Align) -> bool:
    """Align one photograph. Returns whether a face was found."""
    try:
        face = align(read_photo(photo, ReadLimits()).image)
    except MediaError:
        return False
    if face is None:
        return False
    bgr = np.ascontiguousarray(face[..., ::-1])
    _, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    with whole_file(target) as draft:
        draft.write_bytes(data.tobytes())
    return True
