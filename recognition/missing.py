"""What an error says of a clip that lacks a usable face, usable speech, or both."""

from __future__ import annotations

from collections.abc import Mapping

from utils.errors import NoBiometricError
from utils.media import Capture
from utils.modality import Modality


def why_no_face(capture: Capture) -> str:
    """Say why a clip has no usable face."""
    if not capture.has_picture:
        return "The clip has no picture that can be read"
    return "No usable face: no face was found"


def why_no_voice(capture: Capture, min_speech_s: float) -> str:
    """Say why a clip has no usable speech, of which `min_speech_s` seconds are needed."""
    if not capture.has_sound:
        return "The clip has no sound that can be read"
    heard_s = capture.speech_analysis.quality.speech_s
    return f"No usable speech: {heard_s:.1f} s of speech heard, {min_speech_s:g} s needed"


def nothing_usable(capture: Capture, missing: Mapping[Modality, str]) -> NoBiometricError:
    """Make the error of a clip with neither. `missing`: why each is not there."""
    return NoBiometricError(
        f"The clip holds neither a usable face nor usable speech. {'. '.join(missing.values())}.",
        advice(capture),
        {"hints": [{"code": h.code, "text": h.text} for h in capture.hints]},
    )


def advice(capture: Capture) -> str | None:
    """Join the hints of a clip. None without hints."""
    return " ".join(h.text for h in capture.hints) or None
