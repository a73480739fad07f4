"""The front end: shapes, invariances, refusals, and that training and serving see the same numbers."""
from __future__ import annotations

import json

import numpy as np
import pytest

from tests import media_sound
from train.datasets import Item, read_listing, shared_data_dir
from train.voice_data import as_float, decode_audio, log_power
from utils.features import FrontendSpec, log_mel, mel_power, normalise

SPEC = FrontendSpec()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return media_sound.speech(person=1, seconds=2.0, rate_hz=SPEC.rate_hz)


@pytest.mark.parametrize("samples", [1, 400, 512, 671, 672, 8000, 32000])
def test_frame_count_is_the_stated_one(samples: int) -> None:
    features = log_mel(media_sound.noise(2.0, rate_hz=SPEC.rate_hz)[:samples], SPEC)
    assert features.shape == (SPEC.frames(samples), SPEC.n_mels)
    assert features.dtype == np.float32


def test_each_band_has_mean_zero(speech: np.ndarray) -> None:
    assert np.abs(log_mel(speech, SPEC).mean(axis=0)).max() < 1e-4


def test_level_does_not_matter(speech: np.ndarray) -> None:
    np.testing.assert_allclose(log_mel(speech * np.float32(0.01), SPEC), log_mel(speech, SPEC), atol=2e-3)


def test_a_tone_lights_the_band_of_its_frequency() -> None:
    power = mel_power(media_sound.tone(1.0, hz=1000.0, rate_hz=SPEC.rate_hz), SPEC).mean(axis=0)
    import librosa

    centres = librosa.mel_frequencies(SPEC.n_mels + 2, fmin=SPEC.fmin_hz, fmax=SPEC.fmax_hz)[1:-1]
    assert abs(centres[power.argmax()] - 1000.0) < 50


def test_features_of_a_crop_are_a_crop_of_the_features(speech: np.ndarray) -> None:
    start, frames = 37, 80
    samples = speech[start * SPEC.hop_samples :][: SPEC.n_fft + (frames - 1) * SPEC.hop_samples]
    np.testing.assert_allclose(mel_power(samples, SPEC), mel_power(speech, SPEC)[start : start + frames], rtol=1e-4, atol=1e-9)


def test_silence_is_finite_and_flat() -> None:
    assert np.array_equal(log_mel(np.zeros(16000, np.float32), SPEC), np.zeros((97, 80), np.float32))


def test_dynamic_range_is_bounded(speech: np.ndarray) -> None:
    spec = FrontendSpec(mean_norm=False)
    features = log_mel(speech, spec)
    assert features.max() - features.min() <= spec.floor_db / 10 * np.log(10) + 1e-4


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((2, 100), np.float32), "one-dimensional"),
        (np.zeros(0, np.float32), "not empty"),
        (np.array([0.0, np.nan], np.float32), "finite"),
    ],
)
def test_bad_samples_are_refused(samples: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        log_mel(samples, SPEC)


@pytest.mark.parametrize("values", [{"n_fft": 256}, {"fmax_hz": 9000.0}, {"fmin_hz": -1.0}, {"floor_db": 0.0}, {"hop_ms": 0.0}])
def test_impossible_specs_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Received"):
        FrontendSpec(**values)


def test_spec_survives_json() -> None:
    spec = FrontendSpec(n_mels=64, hop_ms=12.5)
    assert FrontendSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_spec_of_another_front_end_is_refused() -> None:
    values = {**FrontendSpec().to_dict(), "n_ceps": 13}
    del values["n_fft"]
    with pytest.raises(ValueError, match=r"missing=\['n_fft'\], unknown=\['n_ceps'\]"):
        FrontendSpec.from_dict(values)


def test_training_and_serving_agree_bit_for_bit() -> None:
    """One real file: dev features as training takes them, and the serving call on the same samples."""
    source = shared_data_dir() / "voices.csv"
    if not source.is_file():
        pytest.skip("needs the research data (DUET_SHARED_DATA)")
    listing = read_listing(source, "audio", "dev")
    samples = as_float(decode_audio(next(listing.read_all()), SPEC.rate_hz, listing.items[0]))
    from train.voice_dev import middle

    assert np.array_equal(log_mel(middle(samples, None, SPEC.rate_hz), SPEC), log_mel(samples, SPEC))
    # The banks hold the same powers in half precision: what training crops from them is the same up to that rounding.
    stored = normalise(np.exp(log_power(samples, SPEC).astype(np.float32)), SPEC)
    np.testing.assert_allclose(stored, log_mel(samples, SPEC), atol=0.02)


def test_decode_refuses_what_is_no_sound() -> None:
    from utils.errors import DatasetError

    with pytest.raises(DatasetError, match=r"a/b\.wav"):
        decode_audio(b"not a sound file", 16000, Item("a/b.wav", "a"))
