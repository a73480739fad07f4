"""From a folder of photographs per person to the aligned crops that training takes.

    python -m train.face.align_faces PHOTOS CROPS

Every photograph of `PHOTOS/<person>/` in which a face is found becomes
`CROPS/<person>/<name>.webp`, 112 × 112, aligned as serving does it; those without a
face are named and left out. What is there already is not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np

from align.limits import ReadLimits
from align.photo import read_photo
from train.data.datasets import read_listing
from train.measure.evaluate import photo_aligner
from utils.arrays import ImageArray
from utils.errors import DuetError, MediaError
from utils.whole_file import whole_file

QUALITY = 90  # of the WebP files, in percent

Align = Callable[[ImageArray], ImageArray | None]


def align_folder(photos: Path, crops: Path, align: Align) -> list[str]:
    """Align every photograph below `photos` into `crops`.

    Args:
        photos: A folder with a sub-folder per person.
        crops: Where the crops go; made where it is missing.
        align: A photograph (h, w, 3) uint8 RGB to its main face (112, 112, 3), None
            where there is none.

    Returns:
        The photographs that were left out, relative to `photos`.

    Raises:
        DatasetError: no photograph at all.
    """
    left_out = []
    for item in read_listing(photos).items:
        target = crops / Path(item.path).with_suffix(".webp")
        if not target.exists() and not _align_one(photos / item.path, target, align):
            left_out.append(item.path)
    return left_out


def _align_one(photo: Path, target: Path, align: Align) -> bool:
    try:
        face = align(read_photo(photo, ReadLimits()).image)
    except MediaError:
        return False
    if face is None:
        return False
    _, data = cv2.imencode(
        ".webp", np.ascontiguousarray(face[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
    )
    with whole_file(target) as draft:
        draft.write_bytes(data.tobytes())
    return True


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.argument("photos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("crops", type=click.Path(path_type=Path, file_okay=False))
def main(photos: Path, crops: Path) -> None:
    """Entry point."""
    try:
        left_out = align_folder(photos, crops, photo_aligner())
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error
    for name in left_out:
        click.echo(f"no face: {name}")
    click.echo(f"crops are in {crops}; {len(left_out)} photographs were left out")


if __name__ == "__main__":
    main()
