"""Rooms and noise that recordings are measured in."""

from __future__ import annotations

import numpy as np
import pytest

from speech.conditions import add_noise, make_response, reverberate
from tests.support.recordings import syllables
from utils.arrays import RATE_HZ


def test_noise_has_the_level_that_is_asked_for() -> None:
    clean = syllables(2.0)
    noise = add_noise(clean, 10.0) - clean
    ratio_db = 10 * np.log10(np.mean(clean**2) / np.mean(noise**2))
    assert ratio_db == pytest.approx(10.0, abs=0.5)


def test_a_room_decays_by_60_db_below_its_direct_sound() -> None:
    response = make_response(rt60_s=0.5, direct_db=-3.0).astype(np.float64)
    echoes = response[1:]
    assert 10 * np.log10(response[0] ** 2 / np.sum(echoes**2)) == pytest.approx(-3.0, abs=0.01)
    tenth = round(0.05 * RATE_HZ)
    early = np.mean(echoes[tenth : 2 * tenth] ** 2)
    late = np.mean(echoes[7 * tenth : 8 * tenth] ** 2)
    # 0.3 s of the 0.5 s in which 60 dB go
    assert 10 * np.log10(early / late) == pytest.approx(36.0, abs=1.5)


def test_a_room_keeps_length_and_peak_and_fills_pauses() -> None:
    clean = np.concatenate([syllables(1.0), np.zeros(RATE_HZ // 4, np.float32)])
    wet = reverberate(clean, make_response(rt60_s=0.4, direct_db=3.0))
    assert wet.shape == clean.shape
    assert np.abs(wet).max() == pytest.approx(np.abs(clean).max(), rel=1e-4)
    assert np.abs(wet[-RATE_HZ // 4 :]).max() > 0.01 * np.abs(wet).max()
