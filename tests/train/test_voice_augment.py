"""Augmentation of voices.

Every channel does what it says, keeps length and range, and is decided by its generator alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from network.frontends.features import features_of_power, power_of
from network.frontends.kaldi import KaldiSpec
from network.frontends.librosa_import import import_librosa
from network.frontends.log_mel import FrontendSpec, log_mel, mel_power
from tests.support import media_sound
from train.voice import augment as va
from train.voice.channels import (
    CODECS,
    LONGEST_DELAY_S,
    MOBILE_CODECS,
    PHONE_OPUS,
    Codec,
    mobile_call,
    mu_law,
    render,
    simulate_rooms,
    telephone,
    through_codec,
    without_delay,
)
from train.voice.prosody import change_speed, perturb_prosody, warp_formants
from train.voice.variants import CHANNELS, Variant

pytestmark = pytest.mark.slow

RATE_HZ = 16000
SPEC = FrontendSpec()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return media_sound.speech(person=2, seconds=2.0, rate_hz=RATE_HZ)


@pytest.fixture(scope="module")
def rooms() -> list[np.ndarray]:
    return simulate_rooms(3, RATE_HZ, np.random.default_rng(0))


def rendered(
    samples: np.ndarray, variant: Variant, rooms: list[np.ndarray], seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return render(samples, variant, rooms=rooms, rate_hz=RATE_HZ, rng=rng)


def share_above(samples: np.ndarray, edge_hz: float) -> float:
    """Part of the energy above `edge_hz`."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(len(samples), 1 / RATE_HZ) > edge_hz].sum() / power.sum())


@pytest.mark.parametrize("frames", [1, 5, 24, 25, 200])
def test_what_is_around_speech_is_kept_of_files_of_any_length(frames: int) -> None:
    marked = np.zeros(frames, bool)
    marked[frames // 2] = True
    expected = np.abs(np.arange(frames) - frames // 2) <= 12
    np.testing.assert_array_equal(va.widen(marked, 12), expected)
    rows = np.zeros((frames, 4), np.float16)
    assert all(
        va.speech_frames(rows, va.MelAugment(), np.random.default_rng(seed)).max() < frames
        for seed in range(8)
    )


def test_rooms_start_with_the_direct_sound_and_have_unit_energy(rooms: list[np.ndarray]) -> None:
    for response in rooms:
        assert np.square(response).sum() == pytest.approx(1.0, abs=1e-3)
        assert int(np.abs(response).argmax()) <= 8
        assert len(response) <= 0.8 * RATE_HZ


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_changes_length_and_pitch(speed: float) -> None:
    faster = change_speed(media_sound.tone(1.0, hz=500.0, rate_hz=RATE_HZ), speed)
    assert len(faster) == pytest.approx(RATE_HZ / speed, abs=2)
    peak_hz = np.abs(np.fft.rfft(faster)).argmax() * RATE_HZ / len(faster)
    assert peak_hz == pytest.approx(500.0 * speed, abs=2)


@pytest.mark.parametrize("channel", CHANNELS)
def test_channels_keep_the_speech(
    channel: str, speech: np.ndarray, rooms: list[np.ndarray]
) -> None:
    heard = rendered(speech, Variant(1.0, channel), rooms, 3)
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert len(heard) == pytest.approx(len(speech), abs=0.15 * RATE_HZ)
    assert np.abs(heard).max() <= 1.5
    if channel != "clean":
        assert not np.array_equal(heard[: len(speech)], speech)
    length = min(len(heard), len(speech))
    before = log_mel(speech[:length], SPEC)[:, 10:50].mean(axis=1)
    after = log_mel(heard[:length], SPEC)[:, 10:50].mean(axis=1)
    aligned = max(np.corrcoef(before[: len(after) - lag], after[lag:])[0, 1] for lag in range(12))
    assert aligned > 0.5, "the envelope of the speech must survive"


def test_render_is_decided_by_its_generator(speech: np.ndarray, rooms: list[np.ndarray]) -> None:
    once, again, other = (rendered(speech, Variant(0.9, "phone"), rooms, s) for s in (5, 5, 6))
    assert np.array_equal(once, again)
    assert not (len(once) == len(other) and np.array_equal(once, other))


@pytest.mark.parametrize("call", [telephone, mobile_call])
def test_calls_have_no_upper_band(call: Callable[..., np.ndarray]) -> None:
    heard = call(media_sound.noise(1.0, rate_hz=RATE_HZ), RATE_HZ, np.random.default_rng(0))
    assert share_above(heard, 4000) < 0.01


def test_any_channel_is_a_clean_one_for_no_file(
    speech: np.ndarray, rooms: list[np.ndarray]
) -> None:
    """Files go through channels of all kinds: some keep the upper band, some have none."""
    kept = [
        share_above(rendered(speech, Variant(1.0, "any"), rooms, seed), 4000) for seed in range(12)
    ]
    before = share_above(speech, 4000)
    assert min(kept) < 0.1 * before
    assert max(kept) > 0.5 * before


def test_mu_law_is_close_and_coarse(speech: np.ndarray) -> None:
    heard = mu_law(speech)
    assert np.abs(heard - speech).max() < 0.03
    assert len(np.unique(heard)) <= 255


@pytest.mark.parametrize(
    "codec",
    dict.fromkeys((*CODECS, PHONE_OPUS, *MOBILE_CODECS)),
    ids=lambda codec: f"{codec.name}-{codec.rates_hz[0]}",
)
def test_codecs_run_and_lose_something(codec: Codec, speech: np.ndarray) -> None:
    heard = through_codec(speech, RATE_HZ, codec, np.random.default_rng(1))
    assert heard.shape == speech.shape
    assert not np.array_equal(heard, speech)
    assert np.sqrt(np.square(heard).mean()) == pytest.approx(
        np.sqrt(np.square(speech).mean()), rel=0.5
    )


@pytest.mark.parametrize("delay", [0, 517, 2000])
def test_the_delay_of_a_codec_is_taken_out(delay: int, speech: np.ndarray) -> None:
    """Frames of all channels show the same speech."""
    assert delay < LONGEST_DELAY_S * RATE_HZ
    late = np.pad(speech, (delay, 300))
    np.testing.assert_array_equal(without_delay(-late, speech, RATE_HZ), -speech)
    cut = without_delay(late[: len(speech)], speech, RATE_HZ)
    assert cut.shape == speech.shape
    np.testing.assert_array_equal(cut[: len(speech) - delay], speech[: len(speech) - delay])


def test_noise_is_added_at_the_asked_ratio(speech: np.ndarray) -> None:
    power = mel_power(speech, SPEC)
    noise = mel_power(media_sound.noise(2.0, rate_hz=RATE_HZ), SPEC)
    added = va.add_noise(power, noise, snr_db=10.0) - power
    assert 10 * np.log10(power.mean() / added.mean()) == pytest.approx(10.0, abs=0.5)


def test_noise_leaves_an_empty_band_empty(speech: np.ndarray) -> None:
    power = mel_power(speech, SPEC)
    power[:, 60:] = 1e-12
    assert va.add_noise(power, np.ones_like(power), snr_db=0.0)[:, 60:].max() < 1e-9


@pytest.mark.parametrize(("frames", "longest"), [(3, 20), (100, 0)])
def test_masks_without_a_length_hide_nothing(frames: int, longest: int) -> None:
    options = va.MelAugment(time_masks=2, time_mask_frames=longest, band_masks=2, band_mask_bands=0)
    for seed in range(5):
        features = np.ones((frames, 80), np.float32)
        assert va.mask(features, options, np.random.default_rng(seed)).all()


def test_a_mask_is_at_most_all_bands() -> None:
    options = va.MelAugment(time_masks=0, band_masks=3, band_mask_bands=500)
    for seed in range(20):
        va.mask(np.ones((100, 80), np.float32), options, np.random.default_rng(seed))


def test_masks_hide_at_most_what_they_may() -> None:
    options = va.MelAugment(time_masks=1, time_mask_frames=20, band_masks=1, band_mask_bands=10)
    for seed in range(30):
        masked = va.mask(np.ones((100, 80), np.float32), options, np.random.default_rng(seed))
        assert (masked == 0).all(axis=1).sum() <= 20
        assert (masked == 0).all(axis=0).sum() <= 10


def test_augmented_features_are_finite_and_of_the_same_shape(speech: np.ndarray) -> None:
    power = mel_power(speech, SPEC)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        options = va.MelAugment(band_chance=0.5, echo_chance=0.5, phone_chance=0.5)
        features = va.augment_mel(
            power, np.ones_like(power) if seed % 2 else None, options, spec=SPEC, rng=rng
        )
        assert features.shape == power.shape
        assert features.dtype == np.float32
        assert np.isfinite(features).all()


def test_without_strengths_augmentation_is_the_front_end(speech: np.ndarray) -> None:
    none = va.MelAugment(
        band_chance=0.0,
        tilt_db=0.0,
        time_masks=0,
        band_masks=0,
        floor_db=(SPEC.floor_db, SPEC.floor_db),
    )
    features = va.augment_mel(
        mel_power(speech, SPEC), None, none, spec=SPEC, rng=np.random.default_rng(0)
    )
    assert np.array_equal(features, log_mel(speech, SPEC))


def test_what_is_reversed_is_the_same_backwards(speech: np.ndarray) -> None:
    power = mel_power(speech, SPEC)
    outcomes = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        same = np.random.default_rng(seed)
        forwards = va.augment_mel(power, None, va.MelAugment(), spec=SPEC, rng=rng)
        perhaps = va.augment_mel(
            power, None, va.MelAugment(reversed_chance=0.4), spec=SPEC, rng=same
        )
        outcomes.add((np.array_equal(perhaps, forwards), np.array_equal(perhaps, forwards[::-1])))
        assert same.random() != rng.random(), (
            "without the chance nothing is drawn for it: what was trained before can be repeated"
        )
    assert outcomes == {(True, False), (False, True)}


def test_trimming_takes_out_pauses_and_nothing_loud(speech: np.ndarray) -> None:
    pause = np.full((50, SPEC.n_mels), np.log(1e-9), np.float16)
    rows = np.log(mel_power(speech, SPEC) + 1e-12).astype(np.float16)
    loudest = int(np.exp(rows.astype(np.float32)).sum(axis=1).argmax())
    for seed in range(10):
        frames_left = va.speech_frames(
            np.concatenate([rows, pause]), va.MelAugment(), np.random.default_rng(seed)
        )
        assert 0 < len(frames_left) <= len(rows) + 20
        assert loudest in frames_left
        assert (np.diff(frames_left) > 0).all()


def centroid_hz(samples: np.ndarray) -> float:
    """Mean frequency of the energy from 500 to 3000 Hz."""
    power = np.abs(np.fft.rfft(samples, RATE_HZ))[500:3000] ** 2
    return float((np.arange(500, 3000) * power).sum() / power.sum())


@pytest.mark.parametrize("factor", [0.88, 1.14])
def test_formants_move_and_pitch_stays(factor: float) -> None:
    """A pulse train through one resonance: the resonance moves, the harmonics do not."""
    voice = pulses_through_a_resonance(100)
    moved = warp_formants(voice, factor)
    assert moved.shape == voice.shape
    assert moved.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(moved))
    assert spectrum[100:3000:100].sum() > 20 * spectrum[150:3000:100].sum(), (
        "harmonics of 100 Hz, nothing between"
    )
    ratio = centroid_hz(moved) / centroid_hz(voice)
    assert abs(ratio - 1) > 0.4 * abs(factor - 1), (
        "a sharp resonance moves in part: its envelope is a smooth one"
    )
    assert (ratio > 1) == (factor > 1)


def test_formants_move_with_time() -> None:
    samples = media_sound.speech(person=1, seconds=1.0, rate_hz=RATE_HZ)
    np.testing.assert_allclose(
        warp_formants(samples, np.full(len(samples), 1.2, np.float32)),
        warp_formants(samples, 1.2),
        atol=1e-5,
    )
    half = np.repeat([1.0, 1.2], [len(samples) // 2, len(samples) - len(samples) // 2]).astype(
        np.float32
    )
    both = warp_formants(samples, half)
    np.testing.assert_allclose(both[:7000], samples[:7000], atol=1e-3)
    np.testing.assert_allclose(both[9000:], warp_formants(samples, 1.2)[9000:], atol=1e-3)


def pulses_through_a_resonance(f0_hz: int) -> np.ndarray:
    """One second of a voice of even pitch with one formant at 1500 Hz."""
    from scipy.signal import lfilter

    pulses = np.zeros(RATE_HZ, np.float32)
    pulses[:: RATE_HZ // f0_hz] = 1.0
    pole = 0.97 * np.exp(2j * np.pi * 1500 / RATE_HZ)
    return lfilter([1], [1, -2 * pole.real, abs(pole) ** 2], pulses).astype(np.float32) / 20


def f0_hz(samples: np.ndarray) -> np.ndarray:
    return import_librosa().yin(samples, fmin=60, fmax=400, sr=RATE_HZ)[4:-4]


@pytest.mark.parametrize("pitch", [0.8, 1.0, 1.25])
def test_another_prosody_has_its_pitch_tempo_and_intonation_and_formants_mostly_stay(
    pitch: float,
) -> None:
    voice = pulses_through_a_resonance(125)
    heard = [perturb_prosody(voice, pitch, np.random.default_rng(seed)) for seed in range(12)]
    assert all(abs(len(one) * pitch / len(voice) - 1) < 0.08 for one in heard)
    assert np.median([np.median(f0_hz(one)) for one in heard]) == pytest.approx(
        125 * pitch, rel=0.05
    )
    spread = [np.log(f0_hz(one)).std() for one in heard]
    assert max(spread) > 0.08 > min(spread), "some are lively, some even"
    moved = np.mean([centroid_hz(one) for one in heard]) / centroid_hz(voice)
    assert abs(np.log(moved)) <= 0.45 * abs(np.log(pitch)) + 0.02, (
        "played at that speed alone it would be all of it"
    )


def test_a_prosody_is_its_generators_and_takes_short_speech() -> None:
    samples = media_sound.speech(person=1, seconds=0.5, rate_hz=RATE_HZ)
    one, same, other = (
        perturb_prosody(samples, 0.9, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert len(one) != len(other) or not np.allclose(one, other)
    for length in (1, 100, 511, 1600):
        short = perturb_prosody(samples[:length], 1.25, np.random.default_rng(0))
        assert np.isfinite(short).all()
        assert abs(len(short) - length / 1.25) <= 0.1 * length + 1


def test_a_prosody_is_rendered_by_its_name(speech: np.ndarray) -> None:
    variant = Variant(1.12, "clean", prosody=True)
    assert variant.name == "p112_clean"
    np.testing.assert_array_equal(
        rendered(speech, variant, [], 3), perturb_prosody(speech, 1.12, np.random.default_rng(3))
    )


def test_formants_of_factor_one_and_of_little_sound() -> None:
    samples = media_sound.noise(0.01, rate_hz=RATE_HZ)
    assert warp_formants(samples, 1.0) is samples
    short = warp_formants(samples, 1.1)
    assert short.shape == samples.shape
    assert np.isfinite(short).all()
    assert not warp_formants(np.zeros(4000, np.float32), 0.9).any()


def test_echo_fills_what_follows_and_not_what_precedes() -> None:
    power = np.zeros((100, 80), np.float32)
    power[20] = 1.0
    for seed in range(5):
        heard = va.echo(power, 10.0, np.random.default_rng(seed))
        assert heard.dtype == np.float32
        assert not heard[:20].any()
        np.testing.assert_array_equal(heard[20], power[20])
        assert (np.diff(heard[21:60, 0]) < 0).all()
        assert heard[21:].sum() <= 2.1 * power.sum()


@pytest.mark.parametrize("lose", [va.narrow_band, va.cut_band])
def test_what_a_channel_loses_is_not_heard_in_kaldis_features(
    lose: Callable[..., np.ndarray], speech: np.ndarray
) -> None:
    """They are normalised by band: whatever is left above the floor would be as before."""
    spec = KaldiSpec(scale=1.0)
    power = power_of(speech, spec)
    clean = features_of_power(power, spec).std(axis=0)
    heard: list[float] = []
    for seed in range(20):
        lost = lose(power, np.random.default_rng(seed))
        spread = features_of_power(lost, spec).std(axis=0)
        heard.append(float((spread / clean)[[0, -1]].min()))
    assert np.median(heard) < 0.05


def test_a_narrow_band_has_neither_top_nor_bottom() -> None:
    for seed in range(10):
        heard = va.narrow_band(np.ones((50, 80), np.float32), np.random.default_rng(seed))
        assert heard.dtype == np.float32
        assert heard[:, 61:].max() < 1e-5
        assert heard[:, 12:56].min() >= 1.0


def test_steady_noise_is_steady_and_its_colour_varies() -> None:
    one, other = (va.stationary_noise(400, 80, np.random.default_rng(seed)) for seed in (0, 1))
    np.testing.assert_allclose(
        np.log(one[:200].mean(axis=0)), np.log(one[200:].mean(axis=0)), atol=0.35
    )
    assert np.corrcoef(np.log(one.mean(axis=0)), np.log(other.mean(axis=0)))[0, 1] < 0.9
