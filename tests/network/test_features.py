"""The front end: shapes, invariances, refusals, and the same numbers in training."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from network.frontends.features import Spec, read_spec
from network.frontends.librosa_import import import_librosa
from network.frontends.log_mel import FrontendSpec, log_mel, mel_power
from network.serving.card import read_card
from network.serving.inputs import VoiceInput
from tests.support import media_sound
from train.data.datasets import Item, Listing
from train.data.sounds import as_float, decode_audio
from train.known_keys import CONFIGS
from train.voice.augment import MelAugment
from train.voice.banks import Bank, log_power
from train.voice.batches import VoiceBatches
from train.voice.dev import VoiceTrials
from train.voice.sampling import SampleOptions, VoiceSources
from utils.arrays import Float32Array
from utils.config import ROOT

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
    np.testing.assert_allclose(
        log_mel(speech * np.float32(0.01), SPEC), log_mel(speech, SPEC), atol=2e-3
    )


def test_a_tone_lights_the_band_of_its_frequency() -> None:
    power = mel_power(media_sound.tone(1.0, hz=1000.0, rate_hz=SPEC.rate_hz), SPEC).mean(axis=0)
    librosa = import_librosa()
    centres = librosa.mel_frequencies(SPEC.n_mels + 2, fmin=SPEC.fmin_hz, fmax=SPEC.fmax_hz)[1:-1]
    assert abs(centres[power.argmax()] - 1000.0) < 50


def test_features_of_a_crop_are_a_crop_of_the_features(speech: np.ndarray) -> None:
    start = 37
    frames = 80
    samples = speech[start * SPEC.hop_samples :][: SPEC.n_fft + (frames - 1) * SPEC.hop_samples]
    np.testing.assert_allclose(
        mel_power(samples, SPEC),
        mel_power(speech, SPEC)[start : start + frames],
        rtol=1e-4,
        atol=1e-9,
    )


def test_silence_is_finite_and_flat() -> None:
    assert np.array_equal(
        log_mel(np.zeros(16000, np.float32), SPEC), np.zeros((97, 80), np.float32)
    )


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


@pytest.mark.parametrize(
    "values",
    [{"n_fft": 256}, {"fmax_hz": 9000.0}, {"fmin_hz": -1.0}, {"floor_db": 0.0}, {"hop_ms": 0.0}],
)
def test_impossible_specs_are_refused(values: dict[str, Any]) -> None:
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


@pytest.fixture(scope="module")
def sounds() -> Bank:
    """Two files as training decodes them, the first that of `speech`."""
    waves = [
        media_sound.speech(person, seconds, rate_hz=SPEC.rate_hz)
        for person, seconds in ((1, 2.0), (2, 3.0))
    ]
    return Bank(
        np.concatenate([(wave * 32767).astype(np.int16) for wave in waves]),
        np.cumsum([0, *map(len, waves)]),
    )


@pytest.fixture(scope="module")
def served(sounds: Bank) -> np.ndarray:
    """What the shipped voice network is fed for the first file."""
    return VoiceInput.from_dict(read_card(ROOT / "best_model" / "voice").input).prepare(
        as_float(sounds[0])
    )[0]


def training_spec() -> Spec:
    file = CONFIGS / "voice_campplus.toml"
    return read_spec(tomllib.loads(file.read_text(encoding="utf-8"))["frontend"])


def test_validation_and_serving_agree_bit_for_bit(sounds: Bank, served: np.ndarray) -> None:
    seen: list[np.ndarray] = []

    def embed(features: Float32Array) -> Float32Array:
        seen.append(features)
        return np.zeros((len(features), 1), np.float32)

    VoiceTrials(sounds, {}, {}, training_spec()).embeddings(embed)
    assert np.array_equal(seen[0][0], served)


def test_a_whole_file_in_a_batch_is_what_is_served(sounds: Bank, served: np.ndarray) -> None:
    """Without augmentation, up to the half precision of the banks."""
    powers = [log_power(as_float(sounds[number]), training_spec()) for number in range(2)]
    bank = Bank(np.concatenate(powers), np.cumsum([0, *map(len, powers)]))
    options = SampleOptions(
        4, (len(served),), (1.0,), (1.0,), voice_chances=(1.0,), channel_chances=(1.0,)
    )
    plain = MelAugment(
        noise_chance=0,
        trim_chance=0,
        band_chance=0,
        tilt_db=0,
        time_masks=0,
        band_masks=0,
    )
    listing = Listing(Path("nowhere"), (Item("0.wav", "0"), Item("1.wav", "1")))
    sources = VoiceSources(listing, [[bank]])
    batch = VoiceBatches(sources, options, plain, training_spec(), seed=1).batch(0, 0.0)
    crops = batch["features"][batch["label"] == 0]
    assert len(crops)
    for crop in crops:
        np.testing.assert_allclose(crop, served, atol=0.02)


def test_decode_refuses_what_is_no_sound() -> None:
    from utils.errors import DatasetError

    with pytest.raises(DatasetError, match=r"a/b\.wav"):
        decode_audio(b"not a sound file", 16000, "a/b.wav")
