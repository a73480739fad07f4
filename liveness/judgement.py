"""What the checks for liveness say of a clip: one judgement each, never one number.

A check says what it measured, and no more. None of them tells a cloned voice from a real
one (docs/liveness.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from liveness.spoken_digits import SpokenDigit


class Judge(StrEnum):
    """A check for liveness, by its name in answers and in the audit."""

    MOUTH_MOTION = "mouth_motion"
    AUDIO_VISUAL_SYNC = "audio_visual_sync"
    SCREEN_OR_PRINT = "screen_or_print"
    CHALLENGE = "challenge"


class LivenessOutcome(StrEnum):
    """What a check came to. A clip that cannot be checked passes nothing."""

    PASSED = "pass"
    FAILED = "fail"
    NOT_CHECKED = "not_checked"


_FAILED = frozenset({LivenessOutcome.FAILED})
_NOT_PASSED = frozenset({LivenessOutcome.FAILED, LivenessOutcome.NOT_CHECKED})


@dataclass(frozen=True)
class Judgement:
    """What one check says of a clip.

    Attributes:
        outcome: pass, fail or not_checked.
        reason: the outcome in words.
        score: what was measured. Each check has a unit of its own.
        threshold: score from which the check passes.
        model_id: what measured it, with its version.
        code: stable name of why the check does not pass. Empty where it passes.
        digits: what was said, where digits were asked for.
        lag_ms: by how much the sound comes late, where that was looked at.
    """

    outcome: LivenessOutcome
    reason: str
    score: float | None = None
    threshold: float | None = None
    model_id: str | None = None
    code: str = ""
    digits: tuple[SpokenDigit, ...] = ()
    lag_ms: int | None = None


@dataclass(frozen=True)
class Liveness:
    """What all checks that are on say of a clip.

    Attributes:
        judgements: by check, in the order of `Judge`.
        refusing: checks that a clip must pass to be given a name.
        refusing_enrolment: checks that a clip must not fail to be enrolled.
    """

    judgements: Mapping[Judge, Judgement]
    refusing: frozenset[Judge] = frozenset()
    refusing_enrolment: frozenset[Judge] = frozenset()

    @property
    def outcome(self) -> LivenessOutcome:
        """Fail where one check fails, pass where all pass, else not_checked."""
        outcomes = {judgement.outcome for judgement in self.judgements.values()}
        if LivenessOutcome.FAILED in outcomes:
            return LivenessOutcome.FAILED
        is_whole = outcomes == {LivenessOutcome.PASSED}
        return LivenessOutcome.PASSED if is_whole else LivenessOutcome.NOT_CHECKED

    @property
    def refusal(self) -> str | None:
        """Why nobody may be named, in words. None where somebody may."""
        return next(self._reasons(self.refusing, _NOT_PASSED), None)

    @property
    def enrolment_refusal(self) -> str | None:
        """Why the clip may not be enrolled, in words. None where it may."""
        failed = next(self._reasons(self.refusing_enrolment, _FAILED), None)
        return self.refusal or failed

    def _reasons(
        self, judges: frozenset[Judge], outcomes: frozenset[LivenessOutcome]
    ) -> Iterator[str]:
        for judge, judgement in self.judgements.items():
            if judge in judges and judgement.outcome in outcomes:
                yield f"The clip must pass the check {judge}. {judgement.reason}"
