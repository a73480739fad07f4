"""Whether the opening of a clip is enough for the checks that are on.

A check that passes by a margin there would hardly fail by the rest of the clip. What is in
doubt is looked at to the end. So there are two chances to pass: the first one asks for more.
"""

from __future__ import annotations

from collections.abc import Iterable

from liveness import audio_visual_sync, mouth_motion
from liveness.judgement import Judge, Judgement, Liveness, LivenessOutcome
from liveness.judges import Judges
from utils.media import Capture, SpeechAnalysis, SpeechSegment
from utils.settings.liveness import FILM_S

SURE = {
    Judge.MOUTH_MOTION: mouth_motion.PLAIN,
    Judge.AUDIO_VISUAL_SYNC: 0.35,
    Judge.SCREEN_OR_PRINT: 0.9,
}
"""Score from which a check needs no more of a clip."""

# The last frame of a film may come so much before the moment that is asked about
_SLACK_S = 0.1


class Opening:
    """The demand on one clip: see `utils.demand.Demand`.

    Attributes:
        is_enough: whether the opening was enough.

    `allows` is asked before `is_met`, and hears what the film of the whole clip may hold.
    """

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self._liveness: Liveness | None = None
        self._has_speech = True
        self.is_enough = False

    def allows(self, speech: SpeechAnalysis, from_s: float, until_s: float) -> bool:
        """Whether so much is said until then as `audio_visual_sync` needs, or as is at all."""
        in_film_s = _count_speech_s(speech.segments, from_s, from_s + FILM_S)
        self._has_speech = in_film_s >= audio_visual_sync.LEAST_SPEECH_S - _SLACK_S
        if Judge.AUDIO_VISUAL_SYNC not in self._judges.on or not self._has_speech:
            return True
        said_s = _count_speech_s(speech.segments, from_s, until_s - _SLACK_S)
        return said_s >= audio_visual_sync.LEAST_SPEECH_S

    def is_met(self, capture: Capture) -> bool:
        """Whether each check passes by its margin, or could not judge the whole clip either."""
        self._liveness = self._judges.examine(capture)
        judgements = self._liveness.judgements if self._liveness else {}
        self.is_enough = all(self._is_sure(judge, one) for judge, one in judgements.items())
        return self.is_enough

    def judge(self, capture: Capture) -> Liveness | None:
        """Say what the checks say of the capture that was made in the end."""
        return self._liveness if self.is_enough else self._judges.examine(capture)

    def _is_sure(self, judge: Judge, judgement: Judgement) -> bool:
        if judgement.outcome == LivenessOutcome.PASSED:
            return (judgement.score or 0.0) >= SURE[judge]
        if judgement.outcome == LivenessOutcome.FAILED:
            return False
        if judge == Judge.AUDIO_VISUAL_SYNC:
            return not self._has_speech
        return judgement.code == "too_little_speech"


def _count_speech_s(segments: Iterable[SpeechSegment], from_s: float, until_s: float) -> float:
    parts = (min(one.end_s, until_s) - max(one.start_s, from_s) for one in segments)
    return sum(max(0.0, part) for part in parts)
