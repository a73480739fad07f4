"""Advice for the person in front of the camera, from what was measured. Codes are
stable; texts are English and short.
"""

from __future__ import annotations

from dataclasses import dataclass

from utils.config import Settings
from utils.media import Clip, FaceAnalysis, FaceQuality, Hint, SpeechAnalysis

CODES = (
    "incomplete",
    "no_face",
    "come_closer",
    "too_dark",
    "too_bright",
    "blurred",
    "look_at_camera",
    "several_people",
    "no_sound",
    "no_speech",
    "short_speech",
    "noisy",
    "clipping",
    "too_quiet",
)
_BLACK = 0.08  # mean brightness below which a picture shows nothing
_DARK = 0.18
_BRIGHT = 0.85
_BLURRED = 0.2
_TURNED = 0.6
_NOISY_DB = 8.0
_CLIPPED = 0.01
_QUIET_DB = -45.0
# whole files lack less than 0.1 s of what they say
_MISSING_S = 0.5
_MISSING_SHARE = 0.05


@dataclass(frozen=True)
class View:
    """The pictures at a glance: mean `brightness` in [0, 1], width in pixels of the
    widest face, used or not (0 without one).
    """

    brightness: float
    widest_face_px: float


def file_hints(clip: Clip) -> list[Hint]:
    """Hints about the file itself."""
    if clip.missing_s <= max(_MISSING_S, _MISSING_SHARE * clip.duration_s):
        return []
    text = (
        f"The recording is incomplete: {clip.missing_s:.1f} s are missing at its end. Send the"
        " whole file, or record again."
    )
    return [Hint("incomplete", text)]


def face_hints(clip: Clip, faces: FaceAnalysis, good_face_px: float, view: View) -> list[Hint]:
    """Hints about the picture. A clip without a picture (sound only) gives none."""
    if not clip.frames:
        return []
    if faces.quality is None:
        return _no_face_hints(good_face_px, view)
    hints = quality_hints(faces.quality, good_face_px)
    if faces.people_in_view > 1:
        hints.append(
            Hint(
                "several_people",
                f"{faces.people_in_view} people are in view: one at a time, please.",
            )
        )
    return hints


def _no_face_hints(good_face_px: float, view: View) -> list[Hint]:
    if view.brightness < _BLACK:
        return [
            Hint("no_face", "No face was found."),
            Hint("too_dark", "The picture is too dark: turn on a light, or uncover the camera."),
        ]
    if view.widest_face_px > 0:
        return [
            Hint("no_face", "No face is close enough to be used."),
            _closer(view.widest_face_px, good_face_px),
        ]
    return [Hint("no_face", "No face was found: look into the camera from about an arm's length.")]


def _closer(width_px: float, good_px: float) -> Hint:
    return Hint(
        "come_closer",
        f"Come closer: the face is {width_px:.0f} pixels wide, {good_px:.0f} are needed for a sure"
        " answer.",
    )


def quality_hints(quality: FaceQuality, good_face_px: float) -> list[Hint]:
    """Hints about one face."""
    checks = (
        (quality.size_px < good_face_px, _closer(quality.size_px, good_face_px)),
        (
            quality.brightness < _DARK,
            Hint("too_dark", "The face is too dark: turn towards the light."),
        ),
        (
            quality.brightness > _BRIGHT,
            Hint("too_bright", "The face is too bright: turn away from the light."),
        ),
        (
            quality.sharpness < _BLURRED,
            Hint("blurred", "The picture is blurred: hold still, or wipe the lens."),
        ),
        (
            abs(quality.yaw) > _TURNED,
            Hint("look_at_camera", "The face is turned away: look into the camera."),
        ),
    )
    return [hint for applies, hint in checks if applies]


def speech_hints(
    clip: Clip, speech: SpeechAnalysis, min_speech_s: float, good_speech_s: float
) -> list[Hint]:
    """Hints about the sound. A photograph gives none."""
    is_photo = clip.waveform is None and clip.duration_s == 0.0
    if is_photo:
        return []
    if clip.waveform is None:
        return [Hint("no_sound", "There is no sound: allow the microphone and record again.")]
    quality = speech.quality
    sentence = (
        f"Say a whole sentence: {quality.speech_s:.1f} s of speech heard, {good_speech_s:g} s"
        " needed."
    )
    if speech.speech is None or quality.speech_s < min_speech_s:
        return [Hint("no_speech", sentence)]
    checks = (
        (quality.speech_s < good_speech_s, Hint("short_speech", sentence)),
        (
            quality.snr_db < _NOISY_DB,
            Hint(
                "noisy",
                f"It is noisy here (speech only {quality.snr_db:.0f} dB above the noise): come"
                " closer to the microphone.",
            ),
        ),
        (
            quality.clipping > _CLIPPED,
            Hint(
                "clipping",
                "The sound is overdriven: speak more softly, or move away from the microphone.",
            ),
        ),
        (
            quality.level_db < _QUIET_DB,
            Hint(
                "too_quiet", "The speech is very soft: speak up, or come closer to the microphone."
            ),
        ),
    )
    return [hint for applies, hint in checks if applies]


def hints_for(
    clip: Clip, faces: FaceAnalysis, speech: SpeechAnalysis, settings: Settings, view: View
) -> tuple[Hint, ...]:
    """All hints for a clip: the file, the picture, the sound."""
    return (
        *file_hints(clip),
        *face_hints(clip, faces, settings.good_face_px, view),
        *speech_hints(clip, speech, settings.min_speech_s, settings.good_speech_s),
    )
