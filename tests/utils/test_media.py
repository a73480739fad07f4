"""What values of media compute of themselves."""

from __future__ import annotations

import numpy as np

from utils.media import FaceDetection, Waveform


def test_the_measures_of_a_face_are_those_of_its_box() -> None:
    box = np.array([10, 20, 40, 80], np.float32)
    face = FaceDetection(box, np.zeros((5, 2), np.float32), 0.9)
    assert (face.width_px, face.area_px) == (30.0, 1800.0)
    assert face.centre_xy.tolist() == [25.0, 50.0]


def test_a_sound_lasts_as_long_as_its_samples() -> None:
    assert Waveform(np.zeros(8000, np.float32), 16_000).duration_s == 0.5
