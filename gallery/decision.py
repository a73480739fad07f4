"""Open-set decision: a name only above the threshold, else "unknown". Pure.

The threshold of a modality is the score that impostors reach at the false match rate FMR = 1 − (1 − FPIR)^(1/N), where N is the number of
people in the gallery: the same N for all three answers, so that a fused answer that rests on one modality is that modality's answer.

"Confident" in one modality: accepted, and a calibrated probability of at least 0.99 at even prior odds. Face and voice that confidently
name two different people are a conflict. A clip counts as another person when the fused answer accepts that person, or when the fused
answer names nobody and the face or the voice alone is confident.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gallery.matching import Calibrations, Candidate
from utils.calibration import Calibration, fmr_for_fpir
from utils.types import Decision, Match, Modality, Outcome, Verification

CONFIDENT_PROBABILITY = 0.99

_BY = {Modality.FACE: "face", Modality.VOICE: "voice", Modality.FUSED: "face and voice"}
_EXTRAPOLATED = " (the threshold is extrapolated: error rates this low were not measured)"


@dataclass(frozen=True)
class Rule:
    """What a decision is made by: the stated false positive identification rate, people in the gallery, calibration by modality."""

    fpir: float
    people: int
    calibrations: Calibrations

    def threshold(self, modality: Modality) -> tuple[float, bool]:
        """Score to reach, and whether it is extrapolated."""
        return self.calibrations[modality].threshold(fmr_for_fpir(self.fpir, self.people))


def decide(candidates: Sequence[Candidate], modality: Modality, rule: Rule) -> Decision:
    """Candidates, best first → accepted or unknown."""
    if not candidates:
        empty = "The gallery is empty" if not rule.people else f"Nobody in the gallery is enrolled by {_BY[modality]}"
        return _nothing(Outcome.UNKNOWN, empty)
    best = candidates[0]
    threshold, extrapolated = rule.threshold(best.modality)
    margin = best.score - threshold
    note = _EXTRAPOLATED if extrapolated else ""
    if not margin >= 0:  # also what is no number is no match
        reason = f"Nobody in the gallery is similar enough{note}"
        return Decision(Outcome.UNKNOWN, None, None, threshold, margin, reason, best.modality, extrapolated)
    runner_up = candidates[1].match if len(candidates) > 1 else None
    reason = f"Recognised by {_BY[best.modality]}; {margin:.2f} above the threshold{note}"
    return Decision(Outcome.ACCEPTED, best.match, runner_up, threshold, margin, reason, best.modality, extrapolated)


def no_probe(reason: str) -> Decision:
    """The clip has nothing to compare in this modality."""
    return _nothing(Outcome.NO_PROBE, reason)


def decide_fused(fused: Decision | None, face: Decision, voice: Decision) -> Decision:
    """The fused answer once the others are known: `fused` unless face and voice are in conflict; None = the clip has one modality only,
    whose answer it then is, with the reason why the other one is missing."""
    if is_conflict(face, voice):
        return _nothing(Outcome.CONFLICT, "The face and the voice belong to two different people of the gallery")
    if fused is not None:
        return fused
    there, missing = (voice, face) if face.outcome == Outcome.NO_PROBE else (face, voice)
    return replace(there, reason=f"{there.reason}. {missing.reason}")


def is_confident(decision: Decision) -> bool:
    """Accepted beyond reasonable doubt in a single modality."""
    return decision.match is not None and decision.match.probability >= CONFIDENT_PROBABILITY


def is_conflict(face: Decision, voice: Decision) -> bool:
    """Face and voice confidently name two different people."""
    return (is_confident(face) and is_confident(voice) and face.match is not None and voice.match is not None
            and face.match.person_id != voice.match.person_id)


def duplicate_of(fused: Decision, face: Decision, voice: Decision, person_id: str | None) -> tuple[Match, Modality] | None:
    """Who of the gallery, other than `person_id`, the clip is, and by which modality; None = nobody else."""
    if fused.match is not None:
        return None if fused.match.person_id == person_id else (fused.match, fused.modality or Modality.FUSED)
    for modality, decision in ((Modality.FACE, face), (Modality.VOICE, voice)):
        if decision.match is not None and is_confident(decision) and decision.match.person_id != person_id:
            return decision.match, modality
    return None


def verify(score: float | None, calibration: Calibration, fmr: float) -> tuple[Verification, bool]:
    """1:1 decision at the false match rate `fmr`, and whether its threshold is extrapolated; `score` None = nothing to compare."""
    if score is None:
        return Verification("no_probe", None, None, None), False
    threshold, extrapolated = calibration.threshold(fmr)
    outcome = "same" if score >= threshold else "different"
    return Verification(outcome, score, threshold, float(calibration.probability(score))), extrapolated


def _nothing(outcome: Outcome, reason: str) -> Decision:
    return Decision(outcome, None, None, None, None, reason)
