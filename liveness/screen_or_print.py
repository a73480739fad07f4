"""Is a print or a screen held before the camera? Its edge, the hand and its pixels show.

A small network looks at the face with what is around it, in three frames
(`align.surroundings`). A picture that fills the whole view has no edge, and a good screen
has no pixels to be seen: the check knows what it has learned from (docs/liveness.md).
"""

from __future__ import annotations

from liveness.judgement import Judgement, LivenessOutcome
from liveness.picture_model import PictureModel
from utils.media import Capture


def judge(capture: Capture, model: PictureModel) -> Judgement:
    """Judge whether the main person is a picture that is shown to the camera.

    The score is the probability that the person is genuine, in [0, 1].
    """
    if not capture.surroundings:
        return Judgement(
            outcome=LivenessOutcome.NOT_CHECKED,
            reason="No face is seen",
            threshold=model.threshold,
            model_id=model.name,
            code="too_few_faces",
        )
    score = model.rate(capture.surroundings)
    is_genuine = score >= model.threshold
    return Judgement(
        outcome=LivenessOutcome.PASSED if is_genuine else LivenessOutcome.FAILED,
        reason="No edge of a picture is seen" if is_genuine else "A picture or a screen is shown",
        score=score,
        threshold=model.threshold,
        model_id=model.name,
        code="" if is_genuine else "picture_shown",
    )
