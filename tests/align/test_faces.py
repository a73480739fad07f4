"""Face detection: the cascade, and the way from frames to the main person.

The oracle of the cascade is the package that its weights come from.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from align.cascade import detect, pyramid_scales, suppress, to_squares
from align.detector_networks import load_networks
from align.faces import FaceDetector, FirstLook, analyse_faces, find_faces
from align.limits import ReadLimits
from align.looks import FAST_PX
from align.photo import read_photo
from align.quality import measure_roll_deg
from demo.faces import face
from tests.support.media import scene, write_photo
from utils.arrays import Float64Array, ImageArray
from utils.errors import ModelError
from utils.media import FaceDetection, Frame


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    made = FaceDetector()
    made.load()
    return made


def frames_of(*images: ImageArray) -> tuple[Frame, ...]:
    return tuple(Frame(image, 0.4 * i) for i, image in enumerate(images))


@pytest.mark.tf
def test_the_cascade_finds_what_the_package_finds() -> None:
    from mtcnn import MTCNN

    images = [people_of(number) for number in range(5)]
    theirs = MTCNN().detect_faces(
        images, output_type="numpy", box_format="xyxy", fit_to_image=False
    )
    ours = detect(images, load_networks(1))
    assert len(ours) == len(theirs) >= 6
    for row in theirs:
        nearest = nearest_row(ours, row)
        width = row[3] - row[1]
        assert np.abs(nearest[1:5] - row[1:5]).max() < 0.1 * width
        assert np.abs(nearest[6:] - row[6:]).max() < 0.04 * width
        assert nearest[5] == pytest.approx(row[5], abs=0.06)


@pytest.mark.tf
@pytest.mark.parametrize(("width", "height"), [(320, 240), (96, 128), (24, 24)])
def test_the_pyramid_is_that_of_the_package(width: int, height: int) -> None:
    from mtcnn.utils.images import build_scale_pyramid

    theirs = build_scale_pyramid(width, height, 20, 0.709)
    assert pyramid_scales(width, height) == pytest.approx(theirs)


def people_of(number: int) -> ImageArray:
    """A picture of one person, or of two where the number is odd."""
    others = [(number + 5, (0.85, 0.4))] if number % 2 else []
    at = (0.4 + 0.05 * number, 0.5)
    return scene(number, (320, 240), 150 + 20 * number, at, others=others)


def nearest_row(rows: Float64Array, row: Float64Array) -> Float64Array:
    """The row of the same image whose box is nearest."""
    same = rows[rows[:, 0] == row[0]]
    return same[np.abs(same[:, 1:5] - row[1:5]).max(axis=1).argmin()]


def test_alone_equals_batched() -> None:
    networks = load_networks(1)
    images = [face(p, 160) for p in range(4)]
    together = detect(images, networks)
    for i, image in enumerate(images):
        alone = detect([image], networks)
        assert alone[:, 1:] == pytest.approx(together[together[:, 0] == i][:, 1:], abs=0.01)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("over_smaller", [True, False])
def test_suppression_against_a_plain_loop(seed: int, over_smaller: bool) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (30, 2))
    image = rng.integers(0, 2, 30)
    far_corner = corner + rng.uniform(20, 50, (30, 2))
    rows = np.column_stack([image, corner, far_corner, rng.uniform(0, 1, 30)])

    def overlap(a: Float64Array, b: Float64Array) -> float:
        common = np.prod(np.maximum(0, np.minimum(a[3:5], b[3:5]) - np.maximum(a[1:3], b[1:3])))
        areas = [np.prod(r[3:5] - r[1:3]) for r in (a, b)]
        return float(common / (min(areas) if over_smaller else sum(areas) - common))

    def is_beaten(a: Float64Array) -> bool:
        return any(b[5] > a[5] and b[0] == a[0] and overlap(a, b) > 0.5 for b in rows)

    expected = [row for row in rows if not is_beaten(row)]
    assert suppress(rows, 0.5, over_smaller=over_smaller) == pytest.approx(
        np.array(sorted(expected, key=lambda r: -r[5]))
    )


def test_squares_keep_their_middle() -> None:
    (row,) = to_squares(np.array([[0, 10.0, 20.0, 30.0, 60.0, 0.9]]))
    assert list(row) == [0, 0, 20, 40, 60, 0.9]


def test_nothing_in_nothing() -> None:
    assert detect([np.zeros((60, 60, 3), np.uint8)], load_networks(1)).shape == (0, 16)
    assert suppress(np.empty((0, 6)), 0.5).shape == (0, 6)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"pnet\.lz4") as caught:
        load_networks(1)
    assert "pip install" in caught.value.hint


def test_grey_crops_give_what_they_give_in_three_channels(detector: FaceDetector) -> None:
    networks = detector.load()
    grey = np.random.default_rng(0).uniform(-1, 1, (3, 1, 48, 48)).astype(np.float32)
    colour = networks.output(grey.repeat(3, axis=1))
    for one, other in zip(networks.grey_output(grey), colour, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_the_networks_are_loaded_once(detector: FaceDetector) -> None:
    assert FaceDetector().load() is detector.load()


@pytest.mark.parametrize(
    ("size", "at"), [((640, 360), (0.3, 0.5)), ((360, 640), (0.5, 0.6)), ((1281, 723), (0.6, 0.55))]
)
def test_boxes_and_landmarks_are_in_pixels_of_the_frame(
    detector: FaceDetector, size: tuple[int, int], at: tuple[float, float]
) -> None:
    side = 300
    (detection,) = detector.detect([scene(2, size, side, at)], FAST_PX)[0]
    corner = np.array([at[0] * size[0], at[1] * size[1]]) - side / 2
    assert detection.centre_xy == pytest.approx(
        corner + np.array([0.5, 0.52]) * side, abs=0.06 * side
    )
    left, right, nose, mouth_left, mouth_right = (detection.landmarks_xy - corner) / side
    assert left == pytest.approx([0.40, 0.455], abs=0.03)
    assert right == pytest.approx([0.60, 0.455], abs=0.03)
    assert nose == pytest.approx([0.50, 0.585], abs=0.03)
    assert (mouth_left + mouth_right) / 2 == pytest.approx([0.50, 0.69], abs=0.03)
    assert detection.score > 0.9


def test_pictures_too_small_for_a_face(detector: FaceDetector) -> None:
    for size in (1, 8, 23):
        assert detector.detect([np.zeros((size, size, 3), np.uint8)] * 2, FAST_PX) == [[], []]
    assert detector.detect([], FAST_PX) == []


def test_threads_share_the_detector(detector: FaceDetector) -> None:
    batches = [[face(p, 160)] * 2 for p in range(8)]
    alone = [detector.detect(b, FAST_PX) for b in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda b: detector.detect(b, FAST_PX), batches))
    for a, b in zip(chain(*alone), chain(*together), strict=True):
        assert landmarks_of(a) == landmarks_of(b)


def landmarks_of(faces: Sequence[FaceDetection]) -> list[list[list[float]]]:
    return [face.landmarks_xy.tolist() for face in faces]


def test_a_distant_face_is_found_by_the_thorough_look(detector: FaceDetector) -> None:
    far = scene(2, (1280, 720), 66)
    assert detector.detect([far], FAST_PX) == [[]]
    detections = find_faces(detector, frames_of(*[far] * 6))
    assert sum(bool(faces) for faces in detections) == 4
    analysis = analyse_faces(frames_of(*[far] * 6), detections, 24)
    assert len(analysis.faces) == 4
    assert analysis.faces[0].quality.size_px == pytest.approx(28, abs=6)


def test_a_small_face_in_a_large_photograph_is_cut_from_the_photograph(
    detector: FaceDetector, tmp_path: Path
) -> None:
    photo = scene(2, (4000, 3000), 110, (0.7, 0.3))
    path = write_photo(tmp_path / "a.jpg", photo)
    frame = read_photo(path, ReadLimits())
    assert frame.image.shape == (3000, 4000, 3), "nothing is shrunk"
    assert detector.detect([frame.image], FAST_PX) == [[]]
    analysis = analyse_faces([frame], find_faces(detector, [frame]), 24)
    assert len(analysis.faces) == 1
    face_px = analysis.faces[0].quality.size_px
    assert face_px == pytest.approx(47, abs=10)
    assert analysis.faces[0].detection.centre_xy == pytest.approx([2800, 900], abs=40)


def test_an_empty_room_holds_nobody(detector: FaceDetector) -> None:
    frames = frames_of(*[scene(None)] * 3)
    analysis = analyse_faces(frames, find_faces(detector, frames), 24)
    assert analysis.faces == ()
    assert analysis.quality is None
    assert analysis.people_in_view == 0
    assert analysis.frames_read == 3


def test_the_nearer_of_two_people_is_the_main_person(detector: FaceDetector) -> None:
    frames = frames_of(*[scene(1, (960, 540), 420, (0.3 + 0.01 * i, 0.5)) for i in range(4)])
    for frame in frames:
        frame.image[120:320, 700:900] = face(2, 200)
    analysis = analyse_faces(frames, find_faces(detector, frames), 24)
    assert analysis.people_in_view == 2
    assert len(analysis.faces) == 4
    assert all(f.detection.centre_xy[0] < 480 for f in analysis.faces)


def test_a_single_face_needs_no_other_thread(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = frames_of(scene(1, (480, 360), 200))
    detections = find_faces(detector, frames)
    monkeypatch.setattr("align.cutting.beside", None)
    assert len(analyse_faces(frames, detections, 24).faces) == 1


def test_faces_are_sorted_best_first_and_aligned(detector: FaceDetector) -> None:
    frames = frames_of(*(scene(1, (480, 360), 330, blur=b) for b in (6, 0, 3, 9)))
    analysis = analyse_faces(frames, find_faces(detector, frames), 24)
    scores = [f.quality.score for f in analysis.faces]
    assert scores == sorted(scores, reverse=True)
    assert analysis.faces[0].time_s == pytest.approx(0.4)
    assert all(f.image.shape == (112, 112, 3) and f.image.dtype == np.uint8 for f in analysis.faces)
    assert analysis.quality is not None
    assert scores[-1] <= analysis.quality.score <= scores[0]


def test_faces_below_the_least_width_are_left_out(detector: FaceDetector) -> None:
    frames: Any = frames_of(*[scene(1, (480, 360), 200)] * 2)
    detections = find_faces(detector, frames)
    assert analyse_faces(frames, detections, 24).faces
    assert analyse_faces(frames, detections, 150).faces == ()


FILLED = (slice(140, 295), slice(120, 280))
"""Rows and columns of a drawn face from the brows to the chin."""


def test_a_face_that_fills_the_picture_is_found(detector: FaceDetector) -> None:
    picture = np.ascontiguousarray(face(0, 400)[FILLED])
    assert [f for f in detector.detect([picture], FAST_PX)[0] if f.score >= 0.9] == []
    frames = frames_of(picture)
    (faces,) = find_faces(detector, frames)
    assert faces[0].score >= 0.9
    eyes = faces[0].landmarks_xy[:2]
    assert np.all(np.abs(eyes[:, 1] - 42) < 10)
    assert np.all(np.abs(eyes[:, 0] - [39, 121]) < 10)
    assert analyse_faces(frames, [faces], 24).faces


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_is_looked_at_upright(detector: FaceDetector, turns: int) -> None:
    upright = scene(2, (480, 360), 260)
    frames = frames_of(np.ascontiguousarray(np.rot90(upright, turns)))
    analysis = analyse_faces(frames, find_faces(detector, frames), 24)
    expected = analyse_faces(frames_of(upright), find_faces(detector, frames_of(upright)), 24)
    difference = analysis.faces[0].image.astype(int) - expected.faces[0].image
    assert np.abs(difference).mean() < 12
    assert analysis.quality is not None
    assert abs(analysis.quality.roll_deg) > 60


def test_heads_that_tilt_to_both_sides_upside_down_are_upside_down(detector: FaceDetector) -> None:
    upright = Image.fromarray(scene(2, (480, 360), 260))
    tilted = frames_of(*(np.asarray(upright.rotate(deg)) for deg in (-5, 5)))
    faces = [turn_over(faces[0], (480, 360)) for faces in find_faces(detector, tilted)]
    frames = frames_of(*(np.ascontiguousarray(frame.image[::-1, ::-1]) for frame in tilted))
    quality = analyse_faces(frames, [[face] for face in faces], 24).quality
    assert quality is not None
    assert abs(quality.roll_deg) > 170


def turn_over(face: FaceDetection, size: tuple[int, int]) -> FaceDetection:
    corners = (np.array(size) - 1 - face.box_xyxy.reshape(2, 2))[::-1]
    points = np.array(size) - 1 - face.landmarks_xy
    return FaceDetection(
        corners.reshape(4).astype(np.float32), points.astype(np.float32), face.score
    )


class Fooled(FirstLook):
    """Takes something for a face, with this score, in every so many frames."""

    def __init__(self, detector: FaceDetector, score: float, every: int) -> None:
        super().__init__(detector)
        self._score = score
        self._every = every

    def finish(self) -> list[list[FaceDetection]]:
        """Find the faces, and what is none."""
        detections = super().finish()
        points = np.array([[40, 50], [70, 50], [55, 70], [42, 85], [68, 85]], np.float32)
        phantom = FaceDetection(np.array([30, 30, 80, 100], np.float32), points, self._score)
        for faces in detections[:: self._every]:
            faces.append(phantom)
        return detections


@pytest.mark.parametrize(("score", "every"), [(0.98, 3), (0.94, 1)])
def test_a_doubtful_face_does_not_hide_a_turned_one(
    detector: FaceDetector, score: float, every: int
) -> None:
    """It is seen now and then, or is less sure than faces are."""
    turned = np.ascontiguousarray(np.rot90(scene(2, (480, 360), 260), 1))
    fooled = Fooled(detector, score, every)
    for _ in range(6):
        fooled.add(turned)
    found_in = find_faces(detector, frames_of(*[turned] * 6), fooled.finish())
    faces = [faces for faces in found_in if faces]
    assert len(faces) == 4
    for (found,) in faces:
        assert abs(measure_roll_deg(found.landmarks_xy)) > 60


def test_pictures_without_a_face_stay_so_however_they_are_looked_at(
    detector: FaceDetector,
) -> None:
    frames = frames_of(scene(None, (480, 360)))
    assert find_faces(detector, frames) == [[]]
