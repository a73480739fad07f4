"""Advice: each code appears for its reason alone, and the texts say what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soxr

from align.hints import CODES, View, advise
from utils.arrays import RATE_HZ
from utils.config import CaptureSettings
from utils.media import (
    AlignedFace,
    Clip,
    FaceAnalysis,
    FaceDetection,
    FaceQuality,
    Frame,
    SpeechAnalysis,
    SpeechQuality,
    Waveform,
)

SETTINGS = CaptureSettings()
GOOD_FACE = FaceQuality(
    size_px=120, sharpness=0.7, yaw=0.05, roll_deg=1, brightness=0.45, contrast=0.13, score=1.0
)
GOOD_SPEECH = SpeechQuality(
    speech_s=4.0, duration_s=5.0, snr_db=25, clipping=0.0, level_db=-20, score=1.0
)
SOUND = Waveform(np.zeros(16_000, np.float32), 16_000)
CLIP = Clip((Frame(np.zeros((4, 4, 3), np.uint8), 0.0),), (SOUND,), 5.0, "")
VIEW = View(0.5, 120)


def codes(
    *,
    clip: Clip = CLIP,
    face: FaceQuality | None = GOOD_FACE,
    people: int = 1,
    speech: SpeechQuality = GOOD_SPEECH,
    view: View = VIEW,
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
        speech=SpeechAnalysis(sound if enough else None, (), speech),
        view=view,
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


def test_no_face() -> None:
    assert codes(face=None, people=0, view=View(0.5, 0)) == ["no_face"]
    assert codes(face=None, people=0, view=View(0.02, 0)) == ["no_face", "too_dark"]
    assert codes(face=None, people=0, view=View(0.5, 15)) == ["no_face", "come_closer"]
    # A mouth that fills the picture is not asked to come closer.
    assert codes(face=None, people=0, view=View(0.5, 140)) == ["no_face"]


def test_several_people() -> None:
    assert codes(people=3) == ["several_people"]


def test_no_sound_and_no_speech() -> None:
    assert codes(clip=replace(CLIP, waveforms=())) == ["no_sound"]
    assert codes(speech=replace(GOOD_SPEECH, speech_s=0.3), enough=False) == ["no_speech"]


def test_the_text_about_speech_names_what_was_heard_and_what_is_needed() -> None:
    analysis = SpeechAnalysis(None, (), replace(GOOD_SPEECH, speech_s=0.4))
    faces = FaceAnalysis((), 0, 0, None)
    clip = replace(CLIP, frames=())
    (hint,) = advise(clip, SETTINGS, faces=faces, speech=analysis, view=VIEW)
    assert hint.text == "Say a whole sentence: 0.4 s of speech heard, 2 s needed."


def test_what_was_not_sent_is_not_asked_for() -> None:
    photo = Clip(CLIP.frames, (), 0.0, "")
    assert codes(clip=photo, enough=False) == []
    assert codes(clip=replace(CLIP, frames=()), face=None, people=0) == []
