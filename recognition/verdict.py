"""Decision 1:1: whether a clip is the person whom it is said to be. Pure.

It follows the rules of `recognition/decision.py`, for one person in place of a gallery.
"""

from __future__ import annotations

from dataclasses import replace

from recognition.decision import EVEN, SUPPORT, by_one, list_unconfirmed
from recognition.results import Verdict
from recognition.sides import Calibrations, Comparison
from recognition.stories import Evidence, Story, weigh
from scoring.calibration import probability_of
from utils.modality import SINGLE, PerModality
from utils.settings.decision import DecisionSettings


def verify(comparison: Comparison | None, calibrations: Calibrations, fmr: float) -> Verdict:
    """Decide 1:1 at the false match rate `fmr`. `comparison` None = nothing to compare."""
    if comparison is None:
        return Verdict("no_probe")
    strength, extrapolated = calibrations[comparison.modality].pair_threshold(fmr)
    threshold = min(comparison.level + comparison.scale * strength, 1.0)
    same = comparison.score >= threshold and comparison.llr >= 0
    return Verdict(
        outcome="same" if same else "different",
        score=comparison.score,
        threshold=threshold,
        probability=float(probability_of(comparison.llr)),
        extrapolated=extrapolated,
        modality=comparison.modality,
    )


def verify_fused(
    verdicts: PerModality[Verdict], evidence: Evidence, settings: DecisionSettings
) -> Verdict:
    """Decide 1:1 by both modalities once each has its verdict, as when identifying."""
    fused = verdicts.fused
    both = verdicts.face.outcome == verdicts.voice.outcome == "same"
    if settings.require_both and not both:
        return replace(fused, outcome="different") if fused.outcome == "same" else fused
    same = [v for v in (fused, verdicts.face, verdicts.voice) if v.outcome == "same"]
    if evidence.face is None or evidence.voice is None or not same:
        return fused
    stories = weigh(evidence, settings.mixed_odds)
    probability = stories[Story.BOTH]
    if probability < EVEN:
        is_mixed = max(stories[Story.FACE_ONLY], stories[Story.VOICE_ONLY]) > EVEN
        outcome = "conflict" if is_mixed else "different"
        return replace(fused, outcome=outcome, probability=probability)
    alone = [m for m in SINGLE if verdicts[m].outcome == "same"]
    silent = list_unconfirmed(evidence, settings)
    if not alone and not evidence.has_both(SUPPORT):
        return replace(fused, outcome="different", probability=probability)
    by = verdicts[by_one(alone, silent)[0]] if silent and alone else same[0]
    return replace(by, probability=probability)


def reject_verdicts(verdicts: PerModality[Verdict], refusal: str | None) -> PerModality[Verdict]:
    """Verify nobody with a clip that a check for liveness refuses, as `reject`."""
    if refusal is None:
        return verdicts
    rejected = Verdict("rejected")
    return verdicts.map(lambda one: one if one.outcome == "no_probe" else rejected)
