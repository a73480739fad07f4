"""Photographs to aligned crops.

A function takes the place of a detector where only the files matter.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from train.data.crops import decode_crop
from train.data.datasets import read_listing
from train.face.align_faces import align_folder
from train.face.cache import cached_images
from utils.errors import DatasetError


def centre(photo: np.ndarray) -> np.ndarray | None:
    """The middle of a photograph, or "no face" where it is black."""
    return (
        np.asarray(cv2.resize(photo[20:-20, 20:-20], (112, 112)), np.uint8) if photo.any() else None
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, value in (("ann/1.jpg", 200), ("ann/trip/2.png", 90), ("bea/1.jpg", 0)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((150, 120, 3), (value, value // 2, 0), np.uint8))
    (folder / "bea/broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder


def test_crops_are_what_training_takes(photos: Path, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    assert align_folder(photos, crops, centre) == ["bea/1.jpg", "bea/broken.jpg"]
    listing = read_listing(crops)
    assert [(item.path, item.label) for item in listing.items] == [
        ("ann/1.webp", "ann"),
        ("ann/trip/2.webp", "ann"),
    ]
    colours = cached_images(listing, tmp_path / "cache").mean(axis=(1, 2))
    assert np.allclose(colours, [[0, 100, 200], [0, 45, 90]], atol=3), "RGB stays RGB"


def test_what_is_there_is_not_made_again(photos: Path, tmp_path: Path) -> None:
    align_folder(photos, tmp_path / "crops", centre)

    def never(photo: np.ndarray) -> np.ndarray | None:
        assert not photo.any(), "only what was left out is tried again"
        return None

    align_folder(photos, tmp_path / "crops", never)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least one image"):
        align_folder(tmp_path, tmp_path / "crops", centre)


def test_two_photographs_of_one_name_both_become_crops(photos: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(photos / "ann/1.png"), np.full((150, 120, 3), 77, np.uint8))
    align_folder(photos, tmp_path / "crops", centre)
    names = sorted(file.name for file in (tmp_path / "crops" / "ann").glob("*.webp"))
    assert names == ["1.jpg.webp", "1.png.webp"]


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_crop_that_cannot_be_decoded_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "eve").mkdir()
    (tmp_path / "eve" / "1.jpg").write_bytes(content)
    with pytest.raises(DatasetError, match=r"Received: eve/1\.jpg, which cannot") as caught:
        cached_images(read_listing(tmp_path), tmp_path / "cache")
    assert "align-faces" in caught.value.hint


def test_no_more_is_asked_of_the_disk_than_is_decoded(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is as long as it will be, and mapped, kills the process on a full disk."""
    sizes: list[int] = []

    def decode(data: bytes, name: str) -> np.ndarray:
        sizes.extend(file.stat().st_size for file in tmp_path.rglob("images.*.npy"))
        return decode_crop(data, name)

    align_folder(photos, tmp_path / "crops", centre)
    monkeypatch.setattr("train.face.cache.decode_crop", decode)
    images = cached_images(read_listing(tmp_path / "crops"), tmp_path / "cache")
    assert images.shape == (2, 112, 112, 3)
    assert sizes[0] < images[0].nbytes
