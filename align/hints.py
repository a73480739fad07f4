"""Advice for the person in front of the camera, from what was measured.

Codes are stable. Texts are English and short.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from align.cut_off import CUT_OFF
from align.echo import STRONG_ECHO_DB_S
from align.texture import measure_brightness, measure_texture
from align.treble import TELEPHONE_DB
from utils.media import (
    COMPRESSED_PICTURE,
    Channel,
    Clip,
    Coding,
    FaceAnalysis,
    FaceQuality,
    Hint,
    SpeechAnalysis,
    SpeechQuality,
)
from utils.settings.capture import CaptureSettings

CODES = (
    "incomplete",
    "unequal_length",
    "long_clip",
    "unreadable_picture",
    "no_face",
    "come_closer",
    "too_dark",
    "too_bright",
    "blurred",
    "compressed_picture",
    "look_at_camera",
    "turned",
    "several_people",
    "no_sound",
    "unreadable_sound",
    "no_speech",
    "short_speech",
    "noisy",
    "clipping",
    "too_quiet",
    "echo",
    "narrow_band",
    "compressed_sound",
    "several_sounds",
)

# Mean brightness below which a picture shows nothing
_BLACK = 0.08

# Bounds of the quality of a face
_DARK = 0.18
_BRIGHT = 0.85
_BLURRED = 0.2
_TURNED = 0.6
_SIDEWAYS_DEG = 60.0

# Bounds of the quality of speech
_NOISY_DB = 8.0
_CLIPPED = 0.01
_QUIET_DB = -45.0

# Bits of a pixel, of the largest frame and on average, below which a picture is poor. Of 130
# ordinary videos none is below both. A face as wide as this is clear all the same
_POOR_KEY_BITS = 0.22
_POOR_BITS = 0.01
# The same of the largest frame, by the pixels that are not even: 0.16 to 0.32 at crf 45 and
# 51, and 0.54 and more of clear faces before an even wall, which have few bits as well
_POOR_TEXTURE_BITS = 0.4
_WIDE_FACE_PX = 200.0

# Rates at which no voice or half of them are recognised, and below. The next higher ones that
# were tried (12, 24 and 32 kbit/s) cost nothing
_POOR_KBIT_S = {"opus": 10.0, "aac": 22.0, "mp3": 28.0}

# Picture and sound of ordinary files differ by less than 0.2 s
_APART_S = 0.5
_APART_SHARE = 0.1

# A file is incomplete when it lacks more than both. Whole files lack less than 0.1 s of
# the length that they state.
_MISSING_S = 0.5
_MISSING_SHARE = 0.05

_NO_FACE = Hint("no_face", "No face was found.")
_NO_FACE_IN_LIGHT = Hint(
    "no_face", "No face was found: look into the camera from about an arm's length."
)
_NO_WHOLE_FACE = Hint(
    "no_face",
    "No whole face was found: show all of it, from the chin to the hair, from about an arm's"
    " length.",
)
_NO_FACE_NEAR = Hint("no_face", "No face is close enough to be used.")
_BLACK_PICTURE = Hint(
    "too_dark", "The picture is too dark: turn on a light, or uncover the camera."
)
_DARK_FACE = Hint("too_dark", "The face is too dark: turn towards the light.")
_BRIGHT_FACE = Hint("too_bright", "The face is too bright: turn away from the light.")
_BLURRED_FACE = Hint("blurred", "The picture is blurred: hold still, or wipe the lens.")
_POOR_PICTURE = Hint(
    COMPRESSED_PICTURE,
    "The picture is compressed so much that it shows little of a face: send the original file,"
    " or record at a higher bit rate.",
)
_TURNED_FACE = Hint("look_at_camera", "The face is turned away: look into the camera.")
_SIDEWAYS = Hint(
    "turned", "The picture is turned: set the camera or the screen upright, or turn the video."
)
_UNREADABLE_PICTURE = Hint(
    "unreadable_picture",
    "The picture cannot be decoded: it is damaged, encrypted or of a rare format. Record again.",
)
_UNREADABLE_SOUND = Hint(
    "unreadable_sound",
    "The sound cannot be decoded: it is damaged, encrypted or of a rare format. Record again.",
)
_NO_SOUND = Hint("no_sound", "There is no sound: allow the microphone and record again.")
_OVERDRIVEN = Hint(
    "clipping",
    "The sound is overdriven: speak more softly, or move away from the microphone.",
)
_TOO_QUIET = Hint(
    "too_quiet", "The speech is very soft: speak up, or come closer to the microphone."
)
_ECHO = Hint(
    "echo",
    "The room has a strong echo: come closer to the microphone, or use a room with curtains and"
    " furniture.",
)
_NARROW_BAND = Hint(
    "narrow_band",
    "The sound holds nothing above 4 kHz, as through a telephone or a headset in a call: use"
    " another microphone.",
)


def advise(
    clip: Clip,
    settings: CaptureSettings,
    *,
    faces: FaceAnalysis,
    speech: SpeechAnalysis,
    widest_px: float,
) -> tuple[Hint, ...]:
    """Give all hints for a clip: on the file, the picture and the sound.

    `widest_px` is the width of the widest face, used or not, and 0 without one.
    """
    return (
        *advise_on_file(clip),
        *_advise_on_lengths(clip),
        *_advise_on_what_is_read(clip, settings.read_s),
        *_advise_on_picture(clip, faces, widest_px, settings.good_face_px),
        *_advise_on_sound(clip, speech, settings),
    )


def advise_on_file(clip: Clip) -> list[Hint]:
    """Give the hints on the file itself: whether its end is missing."""
    if clip.missing_s <= max(_MISSING_S, _MISSING_SHARE * clip.duration_s):
        return []
    text = (
        f"The recording is incomplete: {clip.missing_s:.1f} s are missing at its end. Send the"
        " whole file, or record again."
    )
    return [Hint("incomplete", text)]


def _advise_on_lengths(clip: Clip) -> list[Hint]:
    """Say that picture and sound differ in length, as of a wrong sample rate in the header."""
    coding = clip.coding
    longest_s = max(coding.picture_s, coding.sound_s)
    apart_s = abs(coding.picture_s - coding.sound_s)
    has_both = coding.picture_s > 0 and coding.sound_s > 0
    if not has_both or advise_on_file(clip):
        return []
    if apart_s <= max(_APART_S, _APART_SHARE * longest_s):
        return []
    text = (
        f"The picture is {coding.picture_s:.1f} s long and the sound {coding.sound_s:.1f} s: they"
        " may not be of one moment, or play at a wrong speed. Record again."
    )
    return [Hint("unequal_length", text)]


def _advise_on_what_is_read(clip: Clip, read_s: float) -> list[Hint]:
    """Say that the rest of a long clip is not looked at."""
    if clip.duration_s <= read_s + _APART_S:
        return []
    text = (
        f"Only the first {read_s:g} s of {clip.duration_s:.0f} s are looked at: send the part that"
        " shows the person."
    )
    return [Hint("long_clip", text)]


def is_poor_picture(clip: Clip, face_px: float) -> bool:
    """Whether a picture is compressed so much that it says little of a face of this width.

    What is even takes few bits without a loss, such as a wall, so that it does not count.
    """
    coding = clip.coding
    has_few = 0 < coding.key_bits < _POOR_KEY_BITS and coding.picture_bits < _POOR_BITS
    if not has_few or face_px >= _WIDE_FACE_PX:
        return False
    middle = clip.frames[len(clip.frames) // 2]
    return coding.key_bits < _POOR_TEXTURE_BITS * measure_texture(middle.image)


def _advise_on_picture(
    clip: Clip, faces: FaceAnalysis, widest_px: float, good_face_px: float
) -> list[Hint]:
    if not clip.frames:
        return [_UNREADABLE_PICTURE] if clip.coding.picture_s > 0 else []
    if faces.quality is None:
        return _advise_without_face(clip, widest_px, good_face_px)
    hints = _advise_on_face(faces.quality, good_face_px)
    if is_poor_picture(clip, faces.quality.size_px):
        hints.append(_POOR_PICTURE)
    if faces.people_in_view > 1:
        text = f"{faces.people_in_view} people are in view: one at a time, please."
        hints.append(Hint("several_people", text))
    return hints


def _advise_without_face(clip: Clip, widest_px: float, good_face_px: float) -> list[Hint]:
    if np.mean([measure_brightness(frame.image) for frame in clip.frames]) < _BLACK:
        return [_NO_FACE, _BLACK_PICTURE]
    if widest_px >= good_face_px:
        return [_NO_WHOLE_FACE]
    if widest_px > 0:
        return [_NO_FACE_NEAR, _come_closer(widest_px, good_face_px)]
    return [_NO_FACE_IN_LIGHT]


def _advise_on_face(quality: FaceQuality, good_face_px: float) -> list[Hint]:
    return _select(
        [
            (quality.size_px < good_face_px, _come_closer(quality.size_px, good_face_px)),
            (quality.brightness < _DARK, _DARK_FACE),
            (quality.brightness > _BRIGHT, _BRIGHT_FACE),
            (quality.sharpness < _BLURRED, _BLURRED_FACE),
            (abs(quality.yaw) > _TURNED, _TURNED_FACE),
            (abs(quality.roll_deg) > _SIDEWAYS_DEG, _SIDEWAYS),
        ]
    )


def _advise_on_sound(clip: Clip, speech: SpeechAnalysis, settings: CaptureSettings) -> list[Hint]:
    is_photo = clip.waveform is None and clip.duration_s == 0.0
    if is_photo:
        return []
    if clip.waveform is None:
        return [_UNREADABLE_SOUND if clip.coding.sound_s > 0 else _NO_SOUND]
    if speech.channel is None or speech.quality.speech_s < settings.min_speech_s:
        return [_say_more("no_speech", speech.quality, settings.good_speech_s)]
    hints = _advise_on_speech(speech.quality, speech.channel, settings.good_speech_s)
    hints += _advise_on_rate(clip.coding)
    if speech.channel.treble_db < TELEPHONE_DB:
        hints.append(_NARROW_BAND)
    if len(clip.waveforms) > 1:
        hints.append(_name_sounds(len(clip.waveforms)))
    return hints


def _advise_on_speech(quality: SpeechQuality, channel: Channel, good_speech_s: float) -> list[Hint]:
    is_cut_off = quality.clipping > _CLIPPED or channel.gathering > CUT_OFF
    return _select(
        [
            (
                quality.speech_s < good_speech_s,
                _say_more("short_speech", quality, good_speech_s),
            ),
            (quality.snr_db < _NOISY_DB, _reduce_noise(quality)),
            (is_cut_off, _OVERDRIVEN),
            (quality.level_db < _QUIET_DB, _TOO_QUIET),
            (channel.decay_db_s > STRONG_ECHO_DB_S, _ECHO),
        ]
    )


def _advise_on_rate(coding: Coding) -> list[Hint]:
    least = _POOR_KBIT_S.get(coding.sound_codec, 0.0)
    if not 0 < coding.sound_kbit_s < least:
        return []
    text = (
        f"The sound is compressed to {coding.sound_kbit_s:.0f} kbit/s ({coding.sound_codec}), and"
        f" voices need {least:.0f} or more: send the original file."
    )
    return [Hint("compressed_sound", text)]


def _select(checks: Iterable[tuple[bool, Hint]]) -> list[Hint]:
    return [hint for applies, hint in checks if applies]


def _come_closer(width_px: float, good_px: float) -> Hint:
    text = (
        f"Come closer: the face is {width_px:.0f} pixels wide, {good_px:.0f} are needed for a sure"
        " answer."
    )
    return Hint("come_closer", text)


def _say_more(code: str, quality: SpeechQuality, good_speech_s: float) -> Hint:
    text = (
        f"Say a whole sentence: {quality.speech_s:.1f} s of speech heard, {good_speech_s:g} s"
        " needed."
    )
    return Hint(code, text)


def _name_sounds(count: int) -> Hint:
    text = (
        f"The file has {count} sound tracks, and one is heard: the default one, or else the"
        " first with speech."
    )
    return Hint("several_sounds", text)


def _reduce_noise(quality: SpeechQuality) -> Hint:
    text = (
        f"It is noisy here (speech only {quality.snr_db:.0f} dB above the noise): come closer to"
        " the microphone."
    )
    return Hint("noisy", text)
