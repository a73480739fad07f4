"""Which faces of a clip are enough, and that those of two people never are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from recognition.agreement import Sample
from recognition.few_faces import FAST_STRETCHES, agree, choose_few
from recognition.looking import Looking
from recognition.seeing import Seeing
from tests.support.asking import identify
from tests.support.gallery_parts import (
    FACE_QUALITY,
    ClipAligner,
    StubFace,
    direction,
    make_recognizer,
)
from utils.arrays import FACE_SIZE_PX, BoolArray, Float32Array, ImageArray
from utils.media import AlignedFace, Capture, FaceDetection


@dataclass
class CountingFace(StubFace):
    """Counts the faces that it embeds."""

    counts: list[int] = field(default_factory=list)
    turned: list[list[bool]] = field(default_factory=list)

    def embed_each(self, faces: ImageArray, *, turned: BoolArray | None = None) -> Float32Array:
        """Embed each face, and count them."""
        self.counts.append(len(faces))
        self.turned.append([] if turned is None else turned.tolist())
        return super().embed_each(faces, turned=turned)


def draw(who: int, sample: int = 1, *, looks_like: int | None = None) -> ImageArray:
    """A face of somebody, whose looks are that of a number."""
    rng = np.random.default_rng(who if looks_like is None else looks_like)
    squares = rng.integers(0, 200, (14, 14, 3), np.uint8)
    image = squares.repeat(FACE_SIZE_PX // 14, axis=0).repeat(FACE_SIZE_PX // 14, axis=1)
    image[0, 0] = (who, sample, 20)
    return image


def make_faces(
    images: list[ImageArray], *, quality: float = 1.0, best: int | None = None
) -> list[AlignedFace]:
    """Faces of a clip, one a second, best first: that of the second `best`, then by time."""
    detection = FaceDetection(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    own = [replace(FACE_QUALITY, score=quality - 0.001 * (s != best)) for s in range(len(images))]
    faces = [
        AlignedFace(image, detection, float(second), own[second])
        for second, image in enumerate(images)
    ]
    return sorted(faces, key=lambda face: -face.quality.score)


def chosen_s(faces: list[AlignedFace]) -> list[float]:
    """Times of the faces that are chosen."""
    return sorted(
        face.time_s for face, is_in in zip(faces, choose_few(faces), strict=True) if is_in
    )


def test_the_best_face_of_each_stretch_is_chosen() -> None:
    faces = make_faces([draw(1)] * 12, best=5)
    assert chosen_s(faces) == [0, 2, 5, 6, 8, 10]


def test_a_face_that_looks_like_none_of_these_is_chosen_too() -> None:
    images = [draw(1, looks_like=7 if second == 3 else 1) for second in range(12)]
    assert chosen_s(make_faces(images)) == [0, 2, 3, 4, 6, 8, 10]


@pytest.mark.parametrize(("count", "quality"), [(6, 1.0), (12, 0.6)])
def test_few_faces_and_unclear_ones_are_all_needed(count: int, quality: float) -> None:
    faces = make_faces([draw(1)] * count, quality=quality)
    assert choose_few(faces).all()


def test_faces_of_one_person_agree_and_one_of_another_does_not() -> None:
    one = [direction("face", 1, number, 0.3) for number in range(6)]
    weights = np.ones(6, np.float32)
    assert agree(Sample(np.stack(one), weights))
    assert not agree(Sample(np.stack([*one[:5], direction("face", 2)]), weights))


def test_faces_that_scatter_do_not_agree() -> None:
    """Each is nearer to the others than a stranger, and none is near."""
    scattered = [direction("face", 1, number, 0.9) for number in range(6)]
    assert not agree(Sample(np.stack(scattered), np.ones(6, np.float32)))


def test_a_question_looks_at_six_faces_and_an_enrolment_at_all() -> None:
    encoder = CountingFace()
    faces = make_faces([draw(1, second) for second in range(12)])
    looking = Looking(encoder, in_turn=True)
    few = looking.look(faces, looking.begin())
    every = looking.look(faces)
    assert encoder.counts == [1] * 6 + [12]
    assert sorted(chain.from_iterable(encoder.turned[:6])) == [False] * 3 + [True] * 3
    assert few.vector @ every.vector > 0.9
    assert Looking(encoder, in_turn=False).begin() is None, "thorough"


def test_a_fast_answer_looks_at_four_faces() -> None:
    encoder = CountingFace()
    looking = Looking(encoder, in_turn=True, stretches=FAST_STRETCHES)
    looking.look(make_faces([draw(1, second) for second in range(8)]), looking.begin())
    assert encoder.counts == [1] * 4
    assert sorted(chain.from_iterable(encoder.turned)) == [False, False, True, True]


def test_many_faces_are_seen_in_one_view_in_turn_and_few_in_both() -> None:
    encoder = CountingFace()
    looking = Looking(encoder, in_turn=True)
    looking.embed(make_faces([draw(1)] * 5))
    looking.embed(make_faces([draw(1)] * 3))
    Looking(encoder, in_turn=False).embed(make_faces([draw(1)] * 5))
    assert encoder.turned == [[False, True, False, True, False], [], []]


def test_an_odd_face_among_the_few_lets_all_be_looked_at() -> None:
    """Two of another person look like the others. Those that are embedded tell them apart."""
    encoder = CountingFace()
    images = [draw(2 if second in (4, 5) else 1, second, looks_like=1) for second in range(12)]
    faces = make_faces(images)
    look = Looking(encoder, in_turn=True).look(faces, Seeing(encoder))
    odd = [face.time_s for face, is_odd in zip(faces, look.is_odd, strict=True) if is_odd]
    assert odd == [4, 5]
    assert encoder.counts == [1] * 6 + [6, 12]


def test_faces_that_were_looked_at_in_parts_keep_their_places() -> None:
    encoder = CountingFace()
    images = [draw(1, second % 5, looks_like=9 if second == 3 else 1) for second in range(12)]
    images[8] = draw(2, 1, looks_like=1)
    faces = make_faces(images)
    parts = Looking(encoder, in_turn=True).look(faces, Seeing(encoder))
    assert encoder.counts == [1] * 7 + [5]
    np.testing.assert_allclose(parts.vector, Looking(encoder, in_turn=True).look(faces).vector)


class TwoPeopleAligner(ClipAligner):
    """Shows twelve faces in one place: every second one is somebody else's, who looks alike."""

    def change(self, capture: Capture) -> Capture:
        """Take the same time for both people."""
        faces = make_faces([draw(1 + second % 2, looks_like=1) for second in range(12)])
        return replace(capture, face_analysis=replace(capture.face_analysis, faces=tuple(faces)))


@pytest.mark.parametrize(("mode", "left"), [("report", 12), ("refuse", 6)])
def test_a_check_that_refuses_has_all_faces_looked_at(
    tmp_path: Path, clip: Callable[..., Path], mode: str, left: int
) -> None:
    """Somebody who talks between pictures of somebody else does not pass for that one."""
    recognizer = make_recognizer(
        tmp_path, aligner=TwoPeopleAligner(), liveness_mouth_motion=mode, accuracy="balanced"
    )
    answer = identify(recognizer, clip(face=1, voice=1))
    assert len(answer.observation.faces) == left
    assert any(hint.code == "mixed_people" for hint in answer.observation.hints) == (left == 6)
