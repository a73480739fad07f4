"""Advice: each code appears for its reason alone, and the texts say what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soxr
from scipy.signal import oaconvolve

from align.hints import CODES, advise
from align.speech import measure_channel
from tests.support.media_sound import speech as speak
from utils.arrays import RATE_HZ
from utils.media import (
    AlignedFace,
    Clip,
    Coding,
    FaceAnalysis,
    FaceDetection,
    FaceQuality,
    Frame,
    SpeechAnalysis,
    SpeechQuality,
    Waveform,
)
from utils.settings.capture import CaptureSettings

SETTINGS = CaptureSettings()
GOOD_FACE = FaceQuality(
    size_px=120, sharpness=0.7, yaw=0.05, roll_deg=1, brightness=0.45, contrast=0.13, score=1.0
)
GOOD_SPEECH = SpeechQuality(
    speech_s=4.0, duration_s=5.0, snr_db=25, clipping=0.0, level_db=-20, score=1.0
)
SOUND = Waveform(np.zeros(16_000, np.float32), 16_000)
GRAIN = np.random.default_rng(0).integers(90, 160, (48, 80, 3), np.uint8)
CLIP = Clip((Frame(GRAIN, 0.0),), (SOUND,), 5.0, "")


def codes(
    *,
    clip: Clip = CLIP,
    face: FaceQuality | None = GOOD_FACE,
    people: int = 1,
    speech: SpeechQuality = GOOD_SPEECH,
    widest_px: float = 120,
    sound: Waveform = SOUND,
    enough: bool = True,
) -> list[str]:
    detection = FaceDetection(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    crop = np.zeros((112, 112, 3), np.uint8)
    faces = () if face is None else (AlignedFace(crop, detection, 0.0, face),)
    hints = advise(
        clip,
        SETTINGS,
        faces=FaceAnalysis(faces, people, 1, face),
        speech=SpeechAnalysis(
            sound, (), speech, measure_channel(sound.samples) if enough else None
        ),
        widest_px=widest_px,
    )
    assert all(h.code in CODES and h.text.endswith(".") and len(h.text) > 10 for h in hints)
    return [h.code for h in hints]


def test_a_good_clip_needs_no_advice() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"size_px": 40.0}, "come_closer"),
        ({"brightness": 0.1}, "too_dark"),
        ({"brightness": 0.93}, "too_bright"),
        ({"sharpness": 0.1}, "blurred"),
        ({"yaw": -0.8}, "look_at_camera"),
        ({"yaw": 0.8}, "look_at_camera"),
        ({"roll_deg": 88.0}, "turned"),
        ({"roll_deg": -90.0}, "turned"),
    ],
)
def test_advice_about_the_face(change: dict[str, float], code: str) -> None:
    assert codes(face=replace(GOOD_FACE, **change)) == [code]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"speech_s": 1.2}, "short_speech"),
        ({"snr_db": 3.0}, "noisy"),
        ({"clipping": 0.04}, "clipping"),
        ({"level_db": -55.0}, "too_quiet"),
    ],
)
def test_advice_about_the_sound(change: dict[str, float], code: str) -> None:
    assert codes(speech=replace(GOOD_SPEECH, **change)) == [code]


@pytest.mark.parametrize(
    ("rate_hz", "expected"), [(8_000, ["narrow_band"]), (11_025, []), (16_000, [])]
)
def test_advice_about_a_telephone(rate_hz: int, expected: list[str]) -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)
    carried = soxr.resample(soxr.resample(noise, RATE_HZ, rate_hz), rate_hz, RATE_HZ)
    carried[::4000] += 10  # clicks, as of overdriven moments
    assert codes(sound=Waveform(carried, RATE_HZ)) == expected


def room(rt60_s: float) -> np.ndarray:
    """Diffuse impulse response (n,) of a room, without direct sound."""
    times_s = np.arange(RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(1).standard_normal(RATE_HZ)
    return np.asarray(noise * 10 ** (-3 * times_s / rt60_s))


@pytest.mark.parametrize(("rt60_s", "expected"), [(0.2, []), (1.0, ["echo"]), (1.5, ["echo"])])
def test_advice_about_a_room_with_echo(rt60_s: float, expected: list[str]) -> None:
    talk = oaconvolve(speak(0, 4.0, 0.3, rate_hz=RATE_HZ), room(rt60_s))
    heard = Waveform((talk / np.abs(talk).max()).astype(np.float32), RATE_HZ)
    assert [code for code in codes(sound=heard) if code != "narrow_band"] == expected


def test_steady_noise_is_no_echo() -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE_HZ) / 5
    assert codes(sound=Waveform(noise.astype(np.float32), RATE_HZ)) == []


@pytest.mark.parametrize(("share", "expected"), [(1.0, []), (0.35, ["clipping"])])
def test_advice_about_sound_that_is_cut_off_below_full_scale(
    share: float, expected: list[str]
) -> None:
    noise = np.random.default_rng(0).laplace(size=4 * RATE_HZ) / 20
    limit = share * float(np.quantile(np.abs(noise), 0.999))
    cut = noise if share == 1.0 else np.clip(noise, -limit, limit)
    assert codes(sound=Waveform(cut.astype(np.float32), RATE_HZ)) == expected


@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        (Coding(key_bits=0.19, picture_bits=0.008), ["compressed_picture"]),
        (Coding(key_bits=0.6, picture_bits=0.008), []),
        (Coding(key_bits=0.19, picture_bits=0.05), []),
        (Coding(sound_codec="opus", sound_kbit_s=6.4), ["compressed_sound"]),
        (Coding(sound_codec="opus", sound_kbit_s=12.0), []),
        (Coding(sound_codec="amr_nb", sound_kbit_s=6.0), []),
        (Coding(picture_s=5.0, sound_s=6.2), ["unequal_length"]),
        (Coding(picture_s=5.0, sound_s=5.4), []),
        (Coding(sound_s=5.0), []),
    ],
)
def test_advice_about_how_a_file_is_coded(coding: Coding, expected: list[str]) -> None:
    assert codes(clip=replace(CLIP, coding=coding)) == expected


def test_a_wide_face_is_clear_in_a_compressed_picture() -> None:
    clip = replace(CLIP, coding=Coding(key_bits=0.19, picture_bits=0.008))
    assert codes(clip=clip, face=replace(GOOD_FACE, size_px=300.0)) == []


@pytest.mark.parametrize(("even", "expected"), [(16, ["compressed_picture"]), (32, [])])
def test_what_is_even_takes_few_bits_of_a_clear_picture(even: int, expected: list[str]) -> None:
    picture = GRAIN.copy()
    picture[:even] = 120
    coding = Coding(key_bits=0.19, picture_bits=0.008)
    assert codes(clip=replace(CLIP, frames=(Frame(picture, 0.0),), coding=coding)) == expected


def test_a_file_that_is_cut_off_is_not_said_to_differ_in_length() -> None:
    clip = replace(CLIP, missing_s=2.0, coding=Coding(picture_s=5.0, sound_s=7.0))
    assert codes(clip=clip) == ["incomplete"]


def test_no_face() -> None:
    assert codes(face=None, people=0, widest_px=0) == ["no_face"]
    dark = replace(CLIP, frames=(Frame(GRAIN // 30, 0.0),))
    assert codes(clip=dark, face=None, people=0, widest_px=0) == ["no_face", "too_dark"]
    assert codes(face=None, people=0, widest_px=15) == ["no_face", "come_closer"]
    # A mouth that fills the picture is not asked to come closer.
    assert codes(face=None, people=0, widest_px=140) == ["no_face"]


def test_several_people() -> None:
    assert codes(people=3) == ["several_people"]


def test_no_sound_and_no_speech() -> None:
    assert codes(clip=replace(CLIP, waveforms=())) == ["no_sound"]
    assert codes(speech=replace(GOOD_SPEECH, speech_s=0.3), enough=False) == ["no_speech"]


def test_the_text_about_speech_names_what_was_heard_and_what_is_needed() -> None:
    analysis = SpeechAnalysis(None, (), replace(GOOD_SPEECH, speech_s=0.4))
    faces = FaceAnalysis((), 0, 0, None)
    clip = replace(CLIP, frames=())
    (hint,) = advise(clip, SETTINGS, faces=faces, speech=analysis, widest_px=120)
    assert hint.text == "Say a whole sentence: 0.4 s of speech heard, 2 s needed."


def test_what_was_not_sent_is_not_asked_for() -> None:
    photo = Clip(CLIP.frames, (), 0.0, "")
    assert codes(clip=photo, enough=False) == []
    assert codes(clip=replace(CLIP, frames=()), face=None, people=0) == []


def test_what_cannot_be_decoded_is_told_from_what_is_missing() -> None:
    coding = Coding(picture_s=5.0, sound_s=5.0)
    blind = Clip((), (SOUND,), 5.0, "", coding=coding)
    deaf = Clip(CLIP.frames, (), 5.0, "", coding=coding)
    assert codes(clip=blind, face=None) == ["unreadable_picture"]
    assert codes(clip=deaf) == ["unreadable_sound"]
    assert codes(clip=replace(blind, coding=Coding()), face=None) == []
    assert codes(clip=replace(deaf, coding=Coding())) == ["no_sound"]


@pytest.mark.parametrize(("seconds", "expected"), [(60.2, []), (75.0, ["long_clip"])])
def test_the_rest_of_a_long_clip_is_said_to_be_left_out(
    seconds: float, expected: list[str]
) -> None:
    assert codes(clip=replace(CLIP, duration_s=seconds)) == expected
