"""Speech of a whole waveform: cutting it out, and its quality against known mixtures."""

from __future__ import annotations

import numpy as np
import pytest

from align.speech import (
    analyse_speech,
    assess_speech,
    cut_rest,
    cut_speech,
    estimate_snr_db,
    score_speech,
)
from tests.support.media_sound import music, noise, silence, speech, tone
from utils.media import SpeechSegment, Waveform

RATE = 16_000


def wave(*parts: np.ndarray) -> Waveform:
    return Waveform(np.concatenate(parts).astype(np.float32), RATE)


def voice(seconds: float = 2.0, person: int = 0, level: float = 0.3) -> np.ndarray:
    return speech(person, seconds, level, rate_hz=RATE)


def test_cutting_joins_padded_segments_without_repeating_a_sample() -> None:
    waveform = Waveform(np.arange(RATE, dtype=np.float32), RATE)
    joined = cut_speech(waveform, [SpeechSegment(0.2, 0.4), SpeechSegment(0.45, 0.6)], 0.05)
    assert np.array_equal(joined, np.arange(round(0.15 * RATE), round(0.65 * RATE)))
    assert len(cut_speech(waveform, [SpeechSegment(0.0, 1.0)], 0.1)) == RATE
    assert cut_speech(waveform, []).shape == (0,)


def test_outside_keeps_a_guard_around_speech() -> None:
    waveform = Waveform(np.arange(RATE, dtype=np.float32), RATE)
    rest = cut_rest(waveform, [SpeechSegment(0.4, 0.6)], 0.1)
    assert np.array_equal(rest, np.r_[0 : round(0.3 * RATE), round(0.7 * RATE) : RATE])


@pytest.mark.parametrize("person", range(3))
def test_speech_between_silence_is_found_where_it_is(person: int) -> None:
    analysis = analyse_speech(wave(silence(1.0, RATE), voice(2.0, person), silence(1.0, RATE)), 0.5)
    assert analysis.segments[0].start_s == pytest.approx(1.0, abs=0.15)
    assert analysis.segments[-1].end_s == pytest.approx(3.0, abs=0.2)
    assert analysis.quality.speech_s == pytest.approx(2.0, abs=0.3)
    assert analysis.quality.duration_s == 4.0
    assert analysis.speech is not None
    assert analysis.speech.duration_s == pytest.approx(analysis.quality.speech_s, abs=0.4)


@pytest.mark.parametrize(
    "sound",
    [silence(3, RATE), noise(3, 0.1, rate_hz=RATE), music(3, rate_hz=RATE), tone(3, rate_hz=RATE)],
)
def test_what_is_no_speech_is_not_taken_for_it(sound: np.ndarray) -> None:
    analysis = analyse_speech(wave(sound), 0.5)
    assert analysis.speech is None
    assert analysis.quality.speech_s < 0.3
    assert analysis.quality.score < 0.5


def test_speech_is_found_in_noise() -> None:
    talk = voice(3.0)
    loud = float(np.sqrt(np.mean(talk**2)))
    analysis = analyse_speech(wave(talk + noise(3.0, loud / 3, rate_hz=RATE)), 0.5)
    assert analysis.quality.speech_s > 2.4


def test_too_little_speech_makes_no_probe() -> None:
    sound = wave(silence(1.0, RATE), voice(0.7), silence(1.0, RATE))
    heard = analyse_speech(sound, 0.5).quality.speech_s
    assert analyse_speech(sound, heard - 0.1).speech is not None
    assert analyse_speech(sound, heard + 0.1).speech is None


def test_no_sound_and_empty_sound() -> None:
    for waveform in (None, Waveform(np.zeros(0, np.float32), RATE)):
        analysis = analyse_speech(waveform, 0.5)
        assert analysis.speech is None
        assert analysis.segments == ()
        assert analysis.quality.score == 0


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_hz=8000"):
        analyse_speech(Waveform(np.zeros(8000, np.float32), 8000), 0.5)


@pytest.mark.parametrize("ratio_db", [0, 10, 20, 30])
def test_signal_to_noise_against_known_mixtures(ratio_db: float) -> None:
    rng = np.random.default_rng(0)
    # Noise with gaps, as words have
    talk = rng.normal(0, 1, 4 * RATE) * (np.sin(2 * np.pi * 3 * np.arange(4 * RATE) / RATE) > -0.5)
    hum = rng.normal(0, 1, 8 * RATE) * np.sqrt(np.mean(talk**2) / 10 ** (ratio_db / 10))
    mixed = (talk + hum[: 4 * RATE]).astype(np.float32)
    for rest in (hum[4 * RATE :].astype(np.float32), np.zeros(0, np.float32)):
        assert estimate_snr_db(mixed, rest) == pytest.approx(ratio_db, abs=1.5)


def test_signal_to_noise_without_speech() -> None:
    assert estimate_snr_db(np.zeros(0, np.float32), noise(1.0, rate_hz=RATE)) == 0
    assert estimate_snr_db(voice(1.0), silence(1.0, RATE)) <= 60


def test_clipping_and_level() -> None:
    clean = analyse_speech(wave(voice(2.0, level=0.5)), 0.5).quality
    driven = analyse_speech(wave(np.clip(8 * voice(2.0, level=0.5), -1, 1)), 0.5).quality
    quiet = analyse_speech(wave(voice(2.0, level=0.005)), 0.5).quality
    assert clean.clipping == 0
    assert driven.clipping > 0.05
    assert driven.score < clean.score
    off_centre = analyse_speech(wave(voice(2.0, level=0.005) + np.float32(0.99)), 0.5).quality
    assert off_centre.clipping == 0
    assert assess_speech(wave(np.zeros(0, np.float32)), ()).clipping == 0
    assert quiet.level_db == pytest.approx(clean.level_db - 40, abs=1.5)


def test_score_stays_in_range_and_rises_with_each_part() -> None:
    assert score_speech(5, 30, 0, -20) == 1
    assert (
        score_speech(0, 30, 0, -20)
        == score_speech(5, -20, 0, -20)
        == score_speech(5, 30, 1, -20)
        == score_speech(5, 30, 0, -80)
        == 0
    )
    assert 0 < score_speech(1, 10, 0.01, -40) < score_speech(2, 15, 0.005, -30) < 1
