"""Which sound of a file is heard: channels, tracks, and what hardware adds."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from align.aligner import Aligner
from align.decode import ReadLimits, read_clip
from align.sound import Resampler, Scale, mix
from align.sound_stream import open_sound
from align.speech import analyse_speech, measure_clipping
from tests.support import media
from utils.arrays import RATE_HZ, Float32Array
from utils.media import Capture, Waveform
from utils.settings.capture import CaptureSettings

LIMITS = ReadLimits()
SPEECH = media.speech(1, 3.0)
SILENCE = media.silence(3.0)


def read_samples(path: Path) -> Float32Array:
    waveform = read_clip(path, LIMITS).waveform
    assert waveform is not None
    return waveform.samples


def hear(path: Path) -> Capture:
    return Aligner(CaptureSettings()).analyse(path)


def hints_of(capture: Capture) -> set[str]:
    return {hint.code for hint in capture.hints}


@pytest.mark.parametrize(
    ("suffix", "layout", "channels"),
    [
        (".m4a", "5.1", 6),
        (".m4a", "7.1", 8),
        (".mkv", "7.1", 8),
        (".mkv", "hexadecagonal", 16),
        (".mkv", "22.2", 24),
    ],
)
def test_many_channels_are_mixed_like_one(
    tmp_path: Path, suffix: str, layout: str, channels: int
) -> None:
    everywhere = np.repeat(media.tone(1.0, level=0.3)[:, None], channels, axis=1)
    path = media.write_tracks(tmp_path / f"a{suffix}", [everywhere], layout=layout)
    level = float(np.sqrt(np.mean(read_samples(path)[2000:-2000] ** 2)))
    assert level == pytest.approx(0.3 / np.sqrt(2), rel=0.2)


def test_channels_out_of_phase_give_one_of_them(tmp_path: Path) -> None:
    opposed = np.stack([SPEECH, -0.8 * SPEECH], axis=1)
    path = media.write_tracks(tmp_path / "a.mkv", [opposed], layout="stereo")
    one = read_samples(media.write_tracks(tmp_path / "b.mkv", [SPEECH]))
    np.testing.assert_allclose(read_samples(path), one, atol=2e-3)


def test_one_channel_of_six_that_is_turned_round_cancels_nothing() -> None:
    rng = np.random.default_rng(0)
    tone = media.tone(1.0, rate_hz=RATE_HZ)
    channels = np.repeat(tone[:, None], 6, axis=1)
    channels[:, 3] *= -0.5
    assert np.std(mix(channels)) > 0.5 * np.std(tone)
    apart = rng.normal(0, 0.1, (RATE_HZ, 2)).astype(np.float32)
    np.testing.assert_array_equal(mix(apart), apart.mean(axis=1), "what differs is mixed")


@pytest.mark.parametrize("layout", ["5.1", "hexadecagonal"])
def test_a_single_channel_with_sound_is_as_loud_as_by_itself(tmp_path: Path, layout: str) -> None:
    channels = {"5.1": 6, "hexadecagonal": 16}[layout]
    hiss = media.noise(3.0, 1e-5)
    tracks = np.stack([0.3 + hiss] * (channels - 1) + [SPEECH], axis=1)
    path = media.write_tracks(tmp_path / "a.mkv", [tracks], layout=layout)
    one = read_samples(media.write_tracks(tmp_path / "b.mkv", [SPEECH]))
    np.testing.assert_allclose(read_samples(path), one, atol=2e-3)
    with open_sound(path, max_s=10) as sound:
        streamed = np.concatenate(list(sound.blocks))
    np.testing.assert_allclose(np.abs(streamed).max(), np.abs(one).max(), rtol=0.01)


def test_stereo_is_the_mean_of_both_however_quiet_one_is() -> None:
    stereo = np.stack([media.tone(1.0), np.zeros_like(media.tone(1.0))], axis=1)
    np.testing.assert_array_equal(mix(stereo), stereo.mean(axis=1))


@pytest.mark.parametrize("kind", ["flt", "dbl", "s16", "fltp"])
def test_a_frame_without_samples_is_silence_of_no_length(kind: str) -> None:
    empty = av.AudioFrame(format=kind, layout="stereo", samples=0)
    empty.sample_rate = RATE_HZ
    Scale().look_at(empty)
    assert Resampler().push(empty) == []


def test_an_empty_frame_of_another_format_costs_no_frame_beside_it() -> None:
    full = av.AudioFrame.from_ndarray(np.ones((1, RATE_HZ), np.float32), "flt", "mono")
    empty = av.AudioFrame(format="s16", layout="stereo", samples=0)
    full.sample_rate = empty.sample_rate = RATE_HZ
    resampler = Resampler()
    assert resampler.push(full) == []
    assert not resampler.is_new_format(empty)
    parts = [*resampler.push(empty), *resampler.push(full), *resampler.push(None)]
    assert sum(map(len, parts)) == 2 * RATE_HZ


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_frames_are_resampled_as_by_one_call_for_each(tmp_path: Path, layout: str) -> None:
    channels = np.repeat(SPEECH[:, None], 1 if layout == "mono" else 2, axis=1)
    path = media.write_tracks(tmp_path / "a.mkv", [channels], layout=layout)
    ours = Resampler()
    theirs = av.AudioResampler(format="flt", layout=layout, rate=RATE_HZ)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
    parts = list(chain.from_iterable(map(ours.push, frames)))
    one_by_one = [part.to_ndarray().ravel() for part in chain(*map(theirs.resample, frames))]
    assert len(frames) > 100
    np.testing.assert_array_equal(np.concatenate(parts).ravel(), np.concatenate(one_by_one))


def test_the_track_with_the_default_flag_is_heard(tmp_path: Path) -> None:
    other = media.speech(2, 3.0)
    path = media.write_tracks(tmp_path / "a.mkv", [other, SPEECH], default=1)
    alone = read_samples(media.write_tracks(tmp_path / "b.mkv", [SPEECH]))
    np.testing.assert_array_equal(read_samples(path), alone)
    capture = hear(path)
    assert "several_sounds" in hints_of(capture)
    alone_quality = hear(tmp_path / "b.mkv").speech_analysis.quality
    assert capture.speech_analysis.quality == alone_quality


@pytest.mark.parametrize("silent", [SILENCE, media.noise(3.0, 0.01), media.music(3.0)])
@pytest.mark.parametrize("default", [0, None])
def test_else_the_first_track_with_speech_is_heard(
    tmp_path: Path, silent: Float32Array, default: int | None
) -> None:
    path = media.write_tracks(tmp_path / "a.mkv", [silent, SPEECH], default=default)
    capture = hear(path)
    assert capture.speech_analysis.quality.speech_s > 1.5
    assert "several_sounds" in hints_of(capture)


def test_without_speech_in_any_track_there_is_none(tmp_path: Path) -> None:
    path = media.write_tracks(tmp_path / "a.mkv", [SILENCE, media.tone(3.0)])
    assert "no_speech" in hints_of(hear(path))


def test_a_single_track_has_no_hint_about_tracks(tmp_path: Path) -> None:
    path = media.write_tracks(tmp_path / "a.mkv", [SPEECH])
    assert "several_sounds" not in hints_of(hear(path))


@pytest.mark.parametrize("offset", [-0.3, 0.05, 0.5])
def test_a_constant_offset_changes_no_judgement(offset: float) -> None:
    samples = media.speech(1, 3.0, 0.3, rate_hz=RATE_HZ)
    clean = analyse_speech(Waveform(samples, RATE_HZ), 0.5)
    shifted = analyse_speech(Waveform(samples + np.float32(offset), RATE_HZ), 0.5)
    for name in ("speech_s", "snr_db", "level_db", "score"):
        expected = getattr(clean.quality, name)
        assert getattr(shifted.quality, name) == pytest.approx(expected, abs=0.2), name
    assert shifted.quality.clipping == clean.quality.clipping == 0
    assert shifted.speech is not None
    assert abs(float(shifted.speech.samples.mean())) < 0.01


FACTORS = {"gain": 10.0, "integers": 2.0**15, "wide integers": 2.0**31}


@pytest.mark.parametrize("factor", FACTORS.values(), ids=FACTORS)
def test_samples_far_beyond_full_scale_are_heard_as_they_were(
    tmp_path: Path, factor: float
) -> None:
    """Integers in a file of floats, and a gain beyond 1."""
    path = tmp_path / "a.wav"
    soundfile.write(path, SPEECH * factor, RATE_HZ, subtype="FLOAT")
    speech = SPEECH.astype(np.float32)
    heard = read_samples(path)
    assert np.corrcoef(heard, speech)[0, 1] > 0.9999
    assert 0.1 < np.abs(heard).max() < 1
    with open_sound(path, max_s=10) as sound:
        streamed = np.concatenate(list(sound.blocks))
    assert np.corrcoef(streamed, speech)[0, 1] > 0.99


@pytest.mark.parametrize("rate", [RATE_HZ, 44_100, 8_000])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_integers_that_begin_quietly_are_of_one_scale(
    tmp_path: Path, rate: int, subtype: str
) -> None:
    """They are recognised before they are resampled."""
    quiet = np.random.default_rng(1).integers(-50, 51, 2 * rate)
    numbers = np.concatenate([quiet, np.rint(SPEECH * 2**15)]).astype(np.float32)
    soundfile.write(tmp_path / "floats.wav", numbers, rate, subtype=subtype)
    soundfile.write(tmp_path / "integers.wav", numbers.astype(np.int16), rate)
    heard, expected = (stream(tmp_path / f"{name}.wav") for name in ("floats", "integers"))
    np.testing.assert_allclose(heard, expected, atol=1e-6)


def stream(path: Path) -> Float32Array:
    with open_sound(path, max_s=60) as sound:
        return np.concatenate(list(sound.blocks))


def test_overdrive_is_cut_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    loud = np.clip(SPEECH * (8 / np.abs(SPEECH).max()), -1.9, 1.9).astype(np.float32)
    assert np.mean(np.abs(loud) > 1.5) > 0.01
    soundfile.write(path, loud, RATE_HZ, subtype="FLOAT")
    heard = read_samples(path)
    assert np.array_equal(heard, np.clip(loud, -1, 1))
    assert measure_clipping(heard) > 0.01


def test_what_a_codec_drives_beyond_full_scale_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    loud = (SPEECH * (1.4 / np.abs(SPEECH).max())).astype(np.float32)
    loud[5:9] = [np.inf, -np.inf, np.nan, 1e30]
    soundfile.write(path, loud, RATE_HZ, subtype="FLOAT")
    assert np.array_equal(read_samples(path), np.clip(np.nan_to_num(loud), -1, 1))
