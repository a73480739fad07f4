"""Faces followed through the frames of a clip, against a full search of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from align.cascade import detect, look_beside
from align.copies import Copy
from align.detector_networks import Networks, load_networks
from align.faces import FaceDetector, FirstLook
from align.following import Follower
from demo.faces import face
from tests.support.media import scene
from utils.arrays import Float32Array, Float64Array, ImageArray

SIZE = (320, 240)
PLAIN = 5
"""Somebody drawn whose face is plain."""


class Counted:
    """The three networks, and how many pictures were searched from the smallest faces on."""

    def __init__(self) -> None:
        loaded = load_networks(1)
        self.searched = 0
        self.networks = replace(loaded, proposal=lambda batch: self._propose(loaded, batch))

    def _propose(self, loaded: Networks, batch: Float32Array) -> tuple[Float32Array, ...]:
        self.searched += len(batch) * (batch.shape[3] == round(0.6 * SIZE[0]))
        return loaded.proposal(batch)


@pytest.fixture(scope="module")
def counted() -> Counted:
    return Counted()


@pytest.fixture(autouse=True)
def count_anew(counted: Counted) -> None:
    counted.searched = 0


def plain(x: float = 0.3, *others: tuple[int, tuple[float, float]]) -> ImageArray:
    """Somebody plain at so much of the width, and others beside."""
    return scene(PLAIN, SIZE, 160, (x, 0.5), others=others)


def follow(images: Sequence[ImageArray], networks: Networks) -> Float64Array:
    """Find faces in all frames of a clip, in order of time."""
    follower = Follower(networks)
    for image in images:
        follower.add(Copy(image, 1))
    return follower.finish()


def count_by_image(rows: Float64Array, images: int) -> list[int]:
    return np.bincount(rows[:, 0].astype(int), minlength=images).tolist()


def counts(images: Sequence[ImageArray], counted: Counted) -> list[int]:
    """How many faces are found in each image."""
    return count_by_image(follow(images, counted.networks), len(images))


def test_followed_faces_lie_where_a_full_search_finds_them(counted: Counted) -> None:
    """Somebody moves, and somebody else stands beside."""
    beside = [(4, (0.85, 0.5))]
    images = [scene(2, SIZE, 120, (0.3 + 0.02 * step, 0.5), others=beside) for step in range(8)]
    full = detect(images, counted.networks)
    followed = follow(images, counted.networks)
    assert count_by_image(followed, 8) == count_by_image(full, 8) == [2] * 8
    assert list(followed[:, 5]) == sorted(followed[:, 5], reverse=True)
    assert_near(followed, full)


def assert_near(followed: Float64Array, full: Float64Array) -> None:
    """Each face of a full search is found at its place."""
    for row in full:
        same = followed[followed[:, 0] == row[0]]
        nearest = same[np.abs(same[:, 1:5] - row[1:5]).max(axis=1).argmin()]
        assert np.abs(nearest[6:] - row[6:]).max() < 0.03 * (row[3] - row[1])


def test_a_plain_face_is_followed_from_frame_to_frame(counted: Counted) -> None:
    images = [plain(0.3 + 0.01 * step) for step in range(12)]
    followed = follow(images, counted.networks)
    assert counted.searched == 1
    assert count_by_image(followed, 12) == [1] * 12
    assert_near(followed, detect(images, counted.networks))


def test_a_thorough_look_takes_no_face_for_granted(counted: Counted) -> None:
    follower = Follower(counted.networks, is_thorough=True)
    for _ in range(12):
        follower.add(Copy(plain(), 1))
    assert count_by_image(follower.finish(), 12) == [1] * 12
    assert counted.searched == 5


def test_in_the_dark_no_face_is_taken_for_granted(counted: Counted) -> None:
    dark = (plain() * 0.3).astype(np.uint8)
    assert len(detect([dark], counted.networks)) == 1
    counted.searched = 0
    assert counts([plain(), *[dark] * 5], counted) == [1] * 6
    assert counted.searched == 2


@pytest.mark.parametrize("first", [1, 2, 3, 4, 7, 8, 9])
def test_who_stays_for_three_frames_is_seen_in_all_of_them(counted: Counted, first: int) -> None:
    came = range(first, first + 3)
    images = [plain(0.3, *[(4, (0.85, 0.5))] * (step in came)) for step in range(12)]
    assert counts(images, counted) == [1 + (step in came) for step in range(12)]


def test_who_is_in_the_last_frame_is_seen(counted: Counted) -> None:
    images = [*[plain()] * 4, plain(0.3, (4, (0.85, 0.5)))]
    assert counts(images, counted) == [1, 1, 1, 1, 2]


def test_who_is_small_is_seen_at_every_second_turn(counted: Counted) -> None:
    alone = scene(PLAIN, SIZE, 240, (0.35, 0.5))
    with_other = alone.copy()
    with_other[20:60, 260:300] = face(4, 40)
    images = [*[alone] * 2, *[with_other] * 6]
    assert counts(images, counted) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_asking_in_between_changes_nothing() -> None:
    """Not even where a turn that was asked for finds somebody new."""
    images = [plain(0.3, *[(4, (0.85, 0.5))] * (step == 4)) for step in range(8)]
    asked = FirstLook(FaceDetector())
    unasked = FirstLook(FaceDetector())
    found = [add_and_ask(asked, image) for image in images]
    for image in images:
        unasked.add(image)
    assert found == [1, 1, 1, 1, 2, 1, 1, 1]
    assert landmarks_of(asked) == landmarks_of(unasked)


def add_and_ask(look: FirstLook, image: ImageArray) -> int:
    """How many faces are found in the newest image."""
    look.add(image)
    return len(look.finish()[-1])


def landmarks_of(look: FirstLook) -> list[list[float]]:
    """The landmarks of all faces, in order."""
    faces = chain.from_iterable(look.finish())
    return [face.landmarks_xy.ravel().tolist() for face in faces]


def test_frames_between_are_searched_where_a_face_is_lost_or_none_was_there(
    counted: Counted,
) -> None:
    one = plain()
    elsewhere = plain(0.75)
    nobody = scene(None, SIZE)
    for images, faces, searched in (
        ([one] * 7, [1] * 7, 1),
        ([one, elsewhere, one, one], [1] * 4, 3),
        ([nobody, one, nobody, nobody], [0, 1, 0, 0], 4),
        ([*[one] * 5, elsewhere, one], [1] * 7, 3),
        ([one], [1], 1),
    ):
        counted.searched = 0
        assert counts(images, counted) == faces
        assert counted.searched == searched


def test_others_are_looked_for_beside_known_faces_only(counted: Counted) -> None:
    image = plain(0.3, (4, (0.85, 0.5)))
    rows = detect([image], counted.networks)
    widths = rows[:, 3] - rows[:, 1]
    known = rows[widths == widths.max()]
    (other,) = look_beside(image, known, widths.min(), counted.networks)
    assert other[1:5] == pytest.approx(rows[widths == widths.min()][0, 1:5], abs=2)
    assert len(look_beside(image, rows, widths.min(), counted.networks)) == 0
    assert len(look_beside(image, known, 4 * widths.min(), counted.networks)) == 0
