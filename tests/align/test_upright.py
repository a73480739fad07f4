"""Pictures come upright, of the shape they are shown in and of bounded size."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image as Pillow

from align.decode import ReadLimits, read_clip
from align.upright import shown_size, turn_upright
from tests.support import media
from tests.support.pictures import draw_corners, grey_frames
from utils.arrays import ImageArray
from utils.media import Clip

LIMITS = ReadLimits(max_frames=6)


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_display_matrix_is_obeyed_as_ffmpeg_does(tmp_path: Path, turn: int) -> None:
    path = media.write_video(tmp_path / "a.mp4", [draw_corners()] * 3, None, 3, rotate_deg=turn)
    shown = tmp_path / "shown.png"
    subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "error",
            "-i",
            str(path),
            "-frames:v",
            "1",
            str(shown),
        ],
        check=True,
    )
    expected = np.asarray(Pillow.open(shown).convert("RGB")).astype(int)
    image = read_clip(path, LIMITS).frames[0].image
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 4


def test_frames_between_key_frames_are_turned_over_too(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", [draw_corners()] * 6, None, 6)
    over = tmp_path / "over.mp4"
    copy = ["-v", "error", "-display_vflip", "-i", str(path), "-c", "copy", str(over)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *copy], check=True)
    limits = ReadLimits(film_s=1.0)
    stored, shown = [_images_of(read_clip(file, limits)) for file in (path, over)]
    assert len(stored) == 12
    assert all(np.array_equal(a[::-1], b) for a, b in zip(stored, shown, strict=True))


def _images_of(clip: Clip) -> list[ImageArray]:
    return [*(frame.image for frame in clip.frames), *(frame.image for frame in clip.film)]


def test_a_mirrored_display_matrix_mirrors_and_does_not_turn_over() -> None:
    image = draw_corners()
    one = 1 << 16
    assert np.array_equal(
        turn_upright(image, (-one, 0, 0, 0, one, 0, 0, 0, 1 << 30)), image[:, ::-1]
    )
    assert np.array_equal(turn_upright(image, (one, 0, 0, 0, -one, 0, 0, 0, 1 << 30)), image[::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(tmp_path: Path, orientation: int) -> None:
    up = draw_corners()
    stored = {
        1: up,
        2: up[:, ::-1],
        3: up[::-1, ::-1],
        4: up[::-1],
        5: up.transpose(1, 0, 2),
        6: np.rot90(up, 1),
        7: np.rot90(up, 2).transpose(1, 0, 2),
        8: np.rot90(up, -1),
    }[orientation]
    path = media.write_photo(
        tmp_path / "a.jpg", np.ascontiguousarray(stored), orientation=orientation
    )
    assert np.abs(read_clip(path, LIMITS).frames[0].image.astype(int) - up).mean() < 6


def test_large_pictures_are_shrunk_to_the_bound(tmp_path: Path) -> None:
    limits = ReadLimits(max_frames=2, max_side_px=100, kept_photo_px=6000)
    video = media.write_video(tmp_path / "a.mp4", grey_frames(4), None, 4)
    photo = media.write_photo(tmp_path / "a.jpg", draw_corners())
    assert read_clip(video, limits).frames[0].image.shape == (60, 100, 3)
    assert read_clip(photo, limits).frames[0].image.shape == (60, 100, 3)


@pytest.mark.parametrize(
    ("aspect", "expected"),
    [(1.0, (160, 96)), (2.0, (320, 96)), (0.5, (160, 192)), (1000.0, (160, 96))],
)
def test_pixels_that_are_not_square_are_stretched(aspect: float, expected: tuple[int, int]) -> None:
    assert shown_size(160, 96, aspect, 1280) == expected


def test_16_bit_grey_pictures_keep_their_tones(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Pillow.fromarray(grey).save(tmp_path / "a.png")
    image = read_clip(tmp_path / "a.png", LIMITS).frames[0].image
    assert np.abs(image[..., 0].astype(int) - (grey >> 8)).max() <= 1
