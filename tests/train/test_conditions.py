"""Degradations of pictures and sound that training and measuring draw from."""

from __future__ import annotations

import numpy as np
import pytest

from train.data.conditions import (
    NoiseBank,
    add_noise,
    blur,
    cut,
    darken,
    degrade_face,
    degrade_voice,
    random_face,
    random_voice,
    views,
)
from utils.arrays import RATE_HZ


def test_degradations_do_what_they_say_and_keep_shape() -> None:
    rng = np.random.default_rng(0)
    face = rng.integers(0, 255, (112, 112, 3)).astype(np.uint8)
    assert blur(face, 14).std() < 0.5 * face.std()
    assert darken(face, 0.1, rng).mean() < 0.15 * face.mean()
    assert degrade_face(face, "clean", rng) is face
    assert all(
        image.shape == face.shape and image.dtype == np.uint8
        for image in [*views(face, rng, 3), random_face(face, rng)]
    )
    wave = np.sin(np.arange(4 * RATE_HZ) / 20).astype(np.float32) * 0.5
    noise = rng.normal(0, 0.01, RATE_HZ).astype(np.float32)
    bank = NoiseBank([noise])
    mixed = add_noise(wave, bank.draw(len(wave), rng), 0.0)
    assert np.abs(mixed).max() <= 1.0
    added = mixed / (mixed @ wave / (wave @ wave)) - wave
    assert 10 * np.log10(np.mean(wave**2) / np.mean(added**2)) == pytest.approx(0.0, abs=0.5)
    assert len(cut(wave, 1.0, rng)) == RATE_HZ
    assert len(degrade_voice(wave, "2 s", bank, rng)) == 2 * RATE_HZ
    assert np.isfinite(random_voice(wave, bank, rng)).all()
