"""Kaldi's filterbank against its definition, written out in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from network.frontends.features import features_of
from network.frontends.kaldi import KaldiSpec
from tests.support.media_sound import speech
from utils.errors import ModelError

RATE = 16000


def oracle(samples: np.ndarray, spec: KaldiSpec) -> np.ndarray:
    """Compute the features by their definition.

    Frames, offset removed, pre-emphasis, window, power spectrum, triangles on the scale
    1127 ln(1 + f / 700), logarithm.
    """
    size = 400
    hop = 160
    n_fft = 512
    x = samples.astype(np.float64) * spec.scale
    frames = np.stack([x[i : i + size] for i in range(0, len(x) - size + 1, hop)])
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - spec.preemphasis * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    n = np.arange(size)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / (size - 1))
    window = (
        hann**0.85 if spec.window == "povey" else 0.54 - 0.46 * np.cos(2 * np.pi * n / (size - 1))
    )
    power = np.abs(np.fft.rfft(frames * window, n_fft)) ** 2

    def mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return 1127 * np.log(1 + np.asarray(hz) / 700)

    top = spec.fmax_hz if spec.fmax_hz > 0 else RATE / 2 + spec.fmax_hz
    edges = np.linspace(mel(spec.fmin_hz), mel(top), spec.n_mels + 2)
    at = mel(np.arange(n_fft // 2) * RATE / n_fft)
    low = edges[:-2, None]
    middle = edges[1:-1, None]
    high = edges[2:, None]
    bank = np.clip(np.minimum((at - low) / (middle - low), (high - at) / (high - middle)), 0, None)
    features = np.log(np.maximum(power[:, : n_fft // 2] @ bank.T, np.finfo(np.float32).eps))
    return features - features.mean(axis=0) if spec.mean_norm else features


@pytest.mark.parametrize(
    "spec",
    [
        KaldiSpec(mean_norm=False),
        KaldiSpec(window="hamming"),
        KaldiSpec(n_mels=40, fmin_hz=60, fmax_hz=-400, scale=1.0, mean_norm=False),
        KaldiSpec(preemphasis=0.0, fmax_hz=7600),
    ],
)
def test_equals_the_definition(spec: KaldiSpec) -> None:
    samples = speech(3, 1.5, rate_hz=RATE).astype(np.float32) + np.random.default_rng(0).normal(
        0, 1e-3, 24000
    ).astype(np.float32)
    made = features_of(samples, spec)
    assert made.shape == (1 + (24000 - 400) // 160, spec.n_mels)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, oracle(samples, spec), atol=5e-3)


def test_the_same_sound_gives_the_same_features_at_any_level() -> None:
    samples = speech(1, 1.0, rate_hz=RATE).astype(np.float32) + np.random.default_rng(0).normal(
        0, 1e-3, 16000
    ).astype(np.float32)
    spec = KaldiSpec()
    np.testing.assert_array_equal(features_of(samples, spec), features_of(samples, spec))
    np.testing.assert_allclose(
        features_of(0.5 * samples, spec), features_of(samples, spec), atol=1e-2
    )


@pytest.mark.parametrize("n", [1, 100, 400])
def test_short_sounds_make_one_frame(n: int) -> None:
    made = features_of(np.full(n, 0.1, np.float32), KaldiSpec())
    assert made.shape == (1, 80)
    assert np.isfinite(made).all()


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"window": "kaiser"}, "window"),
        ({"fmin_hz": 5000, "fmax_hz": 4000}, "fmin_hz"),
        ({"fmax_hz": 9000}, "fmax_hz"),
        ({"n_mels": 0}, "n_mels"),
        ({"scale": 0}, "scale"),
        ({"mels": 80}, "mels"),
    ],
)
def test_settings_are_checked(values: dict[str, object], part: str) -> None:
    with pytest.raises(ModelError, match=part):
        KaldiSpec.from_dict(values)


def test_settings_round_trip() -> None:
    spec = KaldiSpec(n_mels=64, window="hann")
    assert KaldiSpec.from_dict(spec.to_dict()) == spec


def reference(samples: np.ndarray, spec: KaldiSpec) -> np.ndarray:
    """Compute the features by Kaldi's own code."""
    knf = pytest.importorskip("kaldi_native_fbank", reason="the oracle is not installed")
    options = knf.FbankOptions()
    frame = options.frame_opts
    mel = options.mel_opts
    frame.dither = 0.0
    frame.samp_freq = spec.rate_hz
    frame.frame_length_ms = spec.window_ms
    frame.frame_shift_ms = spec.hop_ms
    frame.window_type = spec.window
    frame.preemph_coeff = spec.preemphasis
    frame.remove_dc_offset = spec.remove_dc
    frame.snip_edges = spec.snip_edges
    mel.num_bins = spec.n_mels
    mel.low_freq = spec.fmin_hz
    mel.high_freq = spec.fmax_hz
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(spec.rate_hz, (samples * np.float32(spec.scale)).tolist())
    fbank.input_finished()
    features = np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
    return features - features.mean(axis=0) if spec.mean_norm else features


@pytest.mark.parametrize(
    "spec",
    [
        KaldiSpec(),
        KaldiSpec(scale=1.0),
        KaldiSpec(window="hamming", mean_norm=False),
        KaldiSpec(window="hann", preemphasis=0.0),
        KaldiSpec(window="blackman", remove_dc=False, mean_norm=False),
        KaldiSpec(window="rectangular", n_mels=40, fmax_hz=-400),
        KaldiSpec(window_ms=20.0, hop_ms=12.5),
        KaldiSpec(n_mels=40, snip_edges=False),
    ],
)
def test_equals_kaldi(spec: KaldiSpec) -> None:
    rng = np.random.default_rng(0)
    samples = speech(2, 3.0, rate_hz=RATE).astype(np.float32)
    samples += rng.normal(0, 1e-3, len(samples)).astype(np.float32)
    np.testing.assert_allclose(features_of(samples, spec), reference(samples, spec), atol=1e-3)


def test_long_sounds_are_transformed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 30000).astype(np.float32)
    whole = features_of(samples, KaldiSpec())
    monkeypatch.setattr("network.frontends.kaldi.FRAMES_AT_ONCE", 7)
    np.testing.assert_array_equal(features_of(samples, KaldiSpec()), whole)


@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("samples", [1, 399, 400, 559, 560, 16000])
def test_frames_are_counted_as_they_are_made(samples: int, snip_edges: bool) -> None:
    spec = KaldiSpec(snip_edges=snip_edges)
    made = features_of(np.full(samples, 0.1, np.float32), spec)
    assert len(made) == spec.frames(samples)
    assert spec.frames(spec.samples(9)) >= 9
