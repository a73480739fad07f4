"""Does the mouth move? A photograph with sound under it has a mouth that does not.

The faces are those that recognition looks at anyway, so the check costs almost nothing.
Each is laid over the next one, so that a picture that is shaken or tilted hardly changes.
What is left changes by talking at the mouth, and hardly at eyes and nose. A picture that is
bent or blurred changes everywhere. So the change of the upper face, times `WEIGHT`, is
taken off that of the mouth.

A mouth that moves to any other sound passes: a dubbed voice, a mouth made by a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from align.mouth import MOUTH, UPPER_FACE, measure_changes_within
from liveness.judgement import Judgement, LivenessOutcome
from utils.arrays import ImageArray
from utils.media import AlignedFace, Capture

MODEL_ID = "mouth-motion-2"

THRESHOLD = 0.008
"""Motion that 98 % of talking clips reach (`cli.py evaluate liveness`)."""

PLAIN = 2 * THRESHOLD
"""Motion from which there is no doubt that a mouth talks."""

WEIGHT = 2.0
"""How much a change of eyes and nose speaks against a mouth that moves by itself."""

LEAST_FACES = 6
"""Faces of the main person, from the frames of the clip, that show motion."""

LEAST_SPEECH_S = 0.3
"""Seconds of speech. Whoever says nothing need not move the mouth."""


def judge(capture: Capture) -> Judgement:
    """Judge whether the mouth of the main person moves while somebody speaks.

    The score is that of `measure_talk`.
    """
    missing = _find_missing(capture)
    if missing:
        return missing
    score = _measure(capture.face_analysis.faces)
    moves = score >= THRESHOLD
    if not moves and _find_another(capture):
        return _not_checked("another_talks", "Somebody else in view talks")
    return Judgement(
        outcome=LivenessOutcome.PASSED if moves else LivenessOutcome.FAILED,
        reason="The mouth moves" if moves else "Speech is heard, and the mouth does not move",
        score=score,
        threshold=THRESHOLD,
        model_id=MODEL_ID,
        code="" if moves else "mouth_still",
    )


def measure_talk(images: Sequence[ImageArray]) -> float:
    """Measure how much the mouth moves by itself.

    Args:
        images: n aligned faces (112, 112, 3) uint8 RGB in order of time, n ≥ 2.

    Returns:
        A motion in [-2 WEIGHT, 2]: the upper quartile of the changes of the mouth, less
        `WEIGHT` times those of eyes and nose.
    """
    mouth, upper = measure_changes_within(images, (MOUTH, UPPER_FACE))
    return float(np.quantile(mouth - WEIGHT * upper, 0.75))


def _measure(faces: Sequence[AlignedFace]) -> float:
    ordered = sorted(faces, key=lambda face: face.time_s)
    return measure_talk([face.image for face in ordered])


def _find_another(capture: Capture) -> bool:
    """Whether somebody else who is seen at the same time talks, plainly.

    Only those who count as people in view are asked: then no clip of two is enrolled.
    """
    if capture.face_analysis.people_in_view < 2:
        return False
    others = (one.faces for one in capture.face_analysis.others if one.is_together)
    return any(len(faces) >= LEAST_FACES and _measure(faces) >= PLAIN for faces in others)


def _find_missing(capture: Capture) -> Judgement | None:
    """What the clip lacks. None where it can be judged."""
    faces = len(capture.face_analysis.faces)
    if faces < LEAST_FACES:
        return _not_checked(
            "too_few_faces",
            f"Fewer frames with a face than the check needs: {faces}, not {LEAST_FACES}",
        )
    speech_s = capture.speech_analysis.quality.speech_s
    if speech_s < LEAST_SPEECH_S:
        return _not_checked(
            "too_little_speech",
            f"Less speech than the check needs: {speech_s:.1f} s, not {LEAST_SPEECH_S:g} s",
        )
    return None


def _not_checked(code: str, reason: str) -> Judgement:
    return Judgement(
        LivenessOutcome.NOT_CHECKED, reason, None, threshold=THRESHOLD, model_id=MODEL_ID, code=code
    )
