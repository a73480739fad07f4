"""Does this mouth make this sound? A dubbed voice does not fit the mouth.

The mouth is filmed ten times a second (`align.mouth_film`), and a linear model says how
well it moves with the sound. Sound that is late by more than cameras are does not fit.

What is made to fit passes: a dub that is warped to the mouth, or a mouth that a network
makes for the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from liveness.judgement import Judgement, LivenessOutcome
from liveness.sync_model import SyncModel
from liveness.sync_signals import measure_stretch
from utils.arrays import BoolArray, Float64Array
from utils.media import Capture, MouthFilm, SpeechSegment

LEAST_SPEECH_S = 3.0
"""Seconds of speech in the film. One word fits many mouths."""

LEAST_RATE_HZ = 8.0
"""Mouths a second of speech. Sounds are too short for fewer."""

# Time before and after speech that belongs to it: a mouth opens before it sounds
_PADDING_S = 0.2


def judge(capture: Capture, model: SyncModel) -> Judgement:
    """Judge whether the mouth of the main person moves as the sound does.

    The score is that of `SyncModel.find_lag`.
    """
    film = capture.mouth_film
    segments = capture.speech_analysis.segments
    if film is None or len(film.times_s) < 2:
        reason = "No face is filmed while something is heard"
        return _not_checked(model, "too_few_faces", reason)
    if missing := find_missing([(film, segments)]):
        return _not_checked(model, *missing)
    score, lag_s = model.find_lag([measure_stretch(cut_speech(film, segments))])
    fits = score >= model.threshold
    return Judgement(
        outcome=LivenessOutcome.PASSED if fits else LivenessOutcome.FAILED,
        reason="The mouth moves as the sound does" if fits else "The sound does not fit the mouth",
        score=score,
        threshold=model.threshold,
        model_id=model.name,
        code="" if fits else "sound_elsewhere",
        lag_ms=round(1000 * lag_s),
    )


def cut_speech(film: MouthFilm, segments: Sequence[SpeechSegment]) -> MouthFilm:
    """Keep the mouths that are looked at: those that speak."""
    chosen = _is_speech(film.times_s, segments)
    return replace(film, mouths=film.mouths[chosen], times_s=film.times_s[chosen])


def find_missing(
    stretches: Sequence[tuple[MouthFilm, Sequence[SpeechSegment]]],
) -> tuple[str, str] | tuple[()]:
    """Code and reason of what films with their speech lack. Empty where they can be judged.

    They are judged together. Each of them has a mouth.
    """
    speech_s = sum(_count_speech_s(film, segments) for film, segments in stretches)
    if speech_s < LEAST_SPEECH_S:
        needed = f"{speech_s:.1f} s, not {LEAST_SPEECH_S:g} s"
        return "too_little_speech", f"Less speech is filmed than the check needs: {needed}"
    spoken = [_is_speech(film.times_s, segments, padding_s=0.0) for film, segments in stretches]
    count = int(sum(map(np.sum, spoken)))
    if count < LEAST_RATE_HZ * speech_s - 1:
        rate = f"{count / speech_s:.1f} a second, not {LEAST_RATE_HZ:g}"
        return "too_few_faces", f"The mouth is seen less often than the check needs: {rate}"
    return ()


def _count_speech_s(film: MouthFilm, segments: Sequence[SpeechSegment]) -> float:
    """Seconds of speech from the first mouth to the last, and of sound that is there."""
    first_s = max(0.0, float(film.times_s[0]))
    last_s = min(film.sound.duration_s, float(film.times_s[-1]))
    parts = [min(one.end_s, last_s) - max(one.start_s, first_s) for one in segments]
    return float(sum(max(0.0, part) for part in parts))


def _is_speech(
    times_s: Float64Array, segments: Sequence[SpeechSegment], padding_s: float = _PADDING_S
) -> BoolArray:
    """Whether somebody speaks, or is about to, at each time (n,)."""
    spoken = np.zeros(len(times_s), bool)
    for one in segments:
        spoken |= (times_s >= one.start_s - padding_s) & (times_s <= one.end_s + padding_s)
    return spoken


def _not_checked(model: SyncModel, code: str, reason: str) -> Judgement:
    return Judgement(
        outcome=LivenessOutcome.NOT_CHECKED,
        reason=reason,
        threshold=model.threshold,
        model_id=model.name,
        code=code,
    )
