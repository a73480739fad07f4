"""Whether faces and parts of the speech are of one person."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from recognition.agreement import Sample, compare_parts, cut_parts, divide, find_odd_faces
from scoring.norms import NoNorm
from tests.support.gallery_parts import CALIBRATION, direction
from utils.arrays import RATE_HZ, unit


def sample_of(
    people: str, *, weight: float = 1.0, kind: str = "face", speech_s: float = 0.0
) -> Sample:
    """Embeddings of these people, a digit each, with a noise of their own."""
    vectors = [direction(kind, int(who), number, 0.4) for number, who in enumerate(people)]
    return Sample(np.stack(vectors), np.full(len(people), weight, np.float32), speech_s)


def odd(faces: Sample) -> list[int]:
    """Numbers of the faces that are somebody else's."""
    return np.flatnonzero(find_odd_faces(faces, CALIBRATION)).tolist()


def test_two_people_are_divided() -> None:
    group = divide(sample_of("11212"))
    assert group.tolist() in ([True, True, False, True, False], [False, False, True, False, True])


def test_equal_embeddings_are_one_group() -> None:
    same = Sample(np.tile(direction("face", 1), (4, 1)), np.ones(4, np.float32))
    assert len(set(divide(same).tolist())) == 1
    assert odd(same) == []


def test_one_person_has_no_odd_face() -> None:
    for who in range(10):
        assert odd(sample_of(str(who) * 12)) == []


def test_without_a_cohort_two_people_are_two_at_three_to_one() -> None:
    """Two who resemble each other, whose ratio is -2: a cosine of 1/6."""
    assert CALIBRATION.scale_id == ""
    one = direction("face", 1)
    other = direction("face", 2)
    other = unit((other - (one @ other) * one)[None])[0]
    alike = one / 6 + np.sqrt(1 - 1 / 36) * other
    faces = Sample(np.stack([one, one, one, alike, alike]), np.ones(5, np.float32))
    assert odd(faces) == [3, 4]


class Pooled(NoNorm):
    """A norm whose bars are those of one with a cohort."""

    scale_id = "pooled"


def test_in_a_poor_picture_more_must_speak_for_two_people() -> None:
    faces = sample_of("111122")
    pooled = replace(CALIBRATION, norm=Pooled())
    assert np.flatnonzero(find_odd_faces(faces, pooled, is_poor=True)).tolist() == [4, 5]
    unsure = replace(pooled, slope=1e-6, intercept=1.0)
    assert find_odd_faces(faces, unsure).any()
    assert not find_odd_faces(faces, unsure, is_poor=True).any()


def test_a_calibration_on_few_people_refuses_nobody_who_passed_before() -> None:
    gentle = replace(CALIBRATION, slope=1.0, intercept=-3.0)
    faces = sample_of("1" * 12)
    assert find_odd_faces(faces, gentle).any()
    assert not find_odd_faces(faces, replace(gentle, before=CALIBRATION)).any()
    two = sample_of("111122")
    assert np.flatnonzero(find_odd_faces(two, replace(gentle, before=CALIBRATION))).size == 2


def test_the_smaller_group_is_odd() -> None:
    assert odd(sample_of("111122")) == [4, 5]
    assert odd(sample_of("212111")) == [0, 2]


def test_one_odd_face_alone_is_a_wrong_detection() -> None:
    assert odd(sample_of("111112")) == []


def test_too_few_and_poor_faces_say_nothing() -> None:
    assert odd(sample_of("122")) == []
    assert odd(sample_of("1122", weight=0.1)) == []


def test_poor_faces_go_to_the_side_that_they_resemble() -> None:
    faces = sample_of("111222")
    faces.weights[5] = 0.1
    assert odd(faces) == [3, 4, 5]


def test_speech_is_cut_into_parts_of_two_seconds_or_more() -> None:
    def seconds(total: float) -> list[float]:
        parts = cut_parts(np.zeros(round(total * RATE_HZ), np.float32), RATE_HZ)
        return [len(part) / RATE_HZ for part in parts]

    assert seconds(3.9) == []
    assert seconds(4.5) == [2.25, 2.25]
    assert seconds(60.0) == [7.5] * 8


def test_two_voices_disagree() -> None:
    one, _ = compare_parts(sample_of("111", kind="voice", speech_s=2.0), CALIBRATION)
    two, numbers = compare_parts(sample_of("112", kind="voice", speech_s=2.0), CALIBRATION)
    assert one > 0 > two
    assert list(numbers) == [2]
    same = Sample(np.tile(direction("voice", 1), (2, 1)), np.ones(2, np.float32), 2.0)
    assert compare_parts(same, CALIBRATION) == (math.inf, ())
