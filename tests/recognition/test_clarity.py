"""How clear the clips of a comparison are."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.sides import LEAST_FRAMES, Side, Sides, clarity
from recognition.stories import Clarity
from utils.modality import Modality

VECTOR = np.zeros(1, np.float32)


def clip(face: float, voice: float, frames: int = LEAST_FRAMES) -> Sides:
    return {
        Modality.FACE: Side(VECTOR, quality=(face,), frames=frames),
        Modality.VOICE: Side(VECTOR, quality=(voice,)),
    }


def test_the_least_clear_of_two_clips_counts() -> None:
    assert clarity(clip(0.9, 0.5), clip(0.7, 1.0)) == Clarity(face=0.7, voice=0.5)


def test_what_is_stored_of_a_person_does_not_count() -> None:
    stored = {Modality.FACE: VECTOR, Modality.VOICE: VECTOR}
    assert clarity(clip(0.9, 0.5), stored) == Clarity(face=0.9, voice=0.5)


@pytest.mark.parametrize("frames", [0, 1, LEAST_FRAMES - 1])
def test_a_face_of_too_few_frames_is_not_clear(frames: int) -> None:
    photograph = clip(1.0, 1.0, frames)
    assert clarity(photograph) == Clarity(face=0.0, voice=1.0)
    assert clarity(clip(1.0, 1.0), photograph) == Clarity(face=0.0, voice=1.0)


def test_a_spoilt_voice_in_either_of_two_clips_counts() -> None:
    spoilt = {Modality.VOICE: Side(VECTOR, quality=(1.0,), is_spoilt=True)}
    for pair in ((spoilt, clip(1.0, 1.0)), (clip(1.0, 1.0), spoilt)):
        assert clarity(*pair).is_voice_spoilt
    assert not clarity(clip(1.0, 1.0)).is_voice_spoilt


def test_what_is_missing_is_not_clear() -> None:
    assert clarity({}) == Clarity()


def test_a_clip_of_unknown_quality_is_not_clear() -> None:
    unknown = {
        Modality.FACE: Side(VECTOR, frames=LEAST_FRAMES),
        Modality.VOICE: Side(VECTOR),
    }
    assert clarity(clip(1.0, 1.0), unknown) == Clarity()
