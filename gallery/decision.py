"""Open-set decision: a name only above the threshold, else "unknown". Pure.

The threshold of a modality is the score that impostors reach at the false match rate FMR = 1 − (1 − FPIR)^(1/N), where N is the number of
people in the gallery: the same N for all three answers, so that a fused answer that rests on one modality is that modality's answer.

The fused answer, by these rules in this order:

1. conflict, naming nobody: face and voice each confidently name a different person. Confident = accepted, and 99 to 1 in favour even after
   having looked at N people: log-likelihood ratio >= ln(99 N). A calibrated ratio is reached by an impostor in at most one of 99 N
   comparisons, so a chance match of a weak voice does not block a right face; nor does a voice that fits both people, as each side must
   also prefer its own person to the other's by 99 to 1.
2. what the fused score says, when it is accepted.
3. what the face or the voice alone says, when that is accepted and the other one does not speak against the person (log-likelihood ratio
   >= 0, or accepted too, or nothing to compare). So face and voice never both name a person whom the fused answer does not. Taking
   either one without looking at the other would add its false positives to those stated; here only strangers are added who pass one and
   resemble the person in the other.
4. unknown.

A clip counts as another person, which stops an enrolment, on stronger evidence than a name needs: filling a gallery compares everybody with
everybody, among people of one place, and a second entry for one person does less harm than a person who cannot be enrolled. The fused
answer, or where it does not say so the face or the voice alone, must be accepted at odds of 100 000 to 1 (or 99 N to 1, if that is
more), or reach a cosine of 0.95, which is the same recording in all but name.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gallery.matching import Calibrations, Candidate
from utils.calibration import Calibration, fmr_for_fpir
from utils.types import Decision, Match, Modality, Outcome, Verification

CONFIDENT_ODDS = 99
DUPLICATE_ODDS = 100_000
SAME_RECORDING = 0.95

_BY = {Modality.FACE: "face", Modality.VOICE: "voice", Modality.FUSED: "face and voice"}
_EXTRAPOLATED = " (the threshold is extrapolated: error rates this low were not measured)"


@dataclass(frozen=True)
class Rule:
    """What a decision is made by: the stated false positive identification rate, people in the gallery, calibration by modality, and the
    log-likelihood ratio that is asked for `beyond` what these say."""

    fpir: float
    people: int
    calibrations: Calibrations
    beyond: float = 0.0

    def threshold(self, modality: Modality) -> tuple[float, bool]:
        """Score to reach, and whether it is extrapolated."""
        score, extrapolated = self.calibrations[modality].threshold(fmr_for_fpir(self.fpir, self.people))
        return score + self.beyond / self.calibrations[modality].slope, extrapolated


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


def decide_fused(fused: Decision | None, face: Decision, voice: Decision, rule: Rule, other: Mapping[Modality, float]) -> Decision:
    """The fused answer once the others are known (rules above). `fused` None = the clip has one modality only, whose answer it then is,
    with the reason why the other one is missing. `other[m]` is the log-likelihood ratio that the other modality gives to the person whom
    `m` names, as far as there is something to compare."""
    if fused is None:
        there, missing = (voice, face) if face.outcome == Outcome.NO_PROBE else (face, voice)
        return replace(there, reason=f"{there.reason}. {missing.reason}")
    if is_conflict(face, voice, rule, other):
        return _nothing(Outcome.CONFLICT, "The face and the voice belong to two different people of the gallery")
    if fused.outcome != Outcome.UNKNOWN:
        return fused
    for alone, rest in ((face, voice), (voice, face)):
        by = alone.modality
        if alone.match is None or by is None:
            continue
        if other.get(by, 0.0) >= 0 or (rest.match is not None and rest.match.person_id == alone.match.person_id):
            return alone
        fused = replace(fused, reason=f"{fused.reason}: the {by} alone is recognised, but the {rest.modality} speaks against that person")
    return fused


def is_confident(decision: Decision, rule: Rule) -> bool:
    """Accepted in a single modality, beyond what chance brings among so many people."""
    return _llr(decision, rule) >= math.log(CONFIDENT_ODDS * max(rule.people, 1))


def is_conflict(face: Decision, voice: Decision, rule: Rule, other: Mapping[Modality, float]) -> bool:
    """Face and voice confidently name two different people, and each prefers its own to the other's."""
    if face.match is None or voice.match is None or face.match.person_id == voice.match.person_id:
        return False
    clear = math.log(CONFIDENT_ODDS)
    return (is_confident(face, rule) and is_confident(voice, rule)
            and _llr(voice, rule) - other.get(Modality.FACE, -math.inf) >= clear
            and _llr(face, rule) - other.get(Modality.VOICE, -math.inf) >= clear)


def _llr(decision: Decision, rule: Rule) -> float:
    if decision.match is None or decision.modality is None:
        return -math.inf
    return float(rule.calibrations[decision.modality].llr(decision.match.score))


def duplicate_of(fused: Decision, face: Decision, voice: Decision, person_id: str | None, rule: Rule) -> tuple[Match, Modality] | None:
    """Who of the gallery, other than `person_id`, the clip is, and by which modality; None = nobody else."""
    for modality, decision in ((Modality.FUSED, fused), (Modality.FACE, face), (Modality.VOICE, voice)):
        if decision.match is not None and _is_duplicate(decision, rule):
            if decision.match.person_id != person_id:
                return decision.match, decision.modality or modality
            if modality == Modality.FUSED:  # it is this person by both: what one modality says does not count
                return None
    return None


def _is_duplicate(decision: Decision, rule: Rule) -> bool:
    assert decision.match is not None
    odds = max(DUPLICATE_ODDS, CONFIDENT_ODDS * rule.people)
    return decision.match.score >= SAME_RECORDING or _llr(decision, rule) >= math.log(odds)


def verify(score: float | None, calibration: Calibration, fmr: float) -> tuple[Verification, bool]:
    """1:1 decision at the false match rate `fmr`, and whether its threshold is extrapolated; `score` None = nothing to compare."""
    if score is None:
        return Verification("no_probe", None, None, None), False
    threshold, extrapolated = calibration.threshold(fmr)
    outcome = "same" if score >= threshold else "different"
    return Verification(outcome, score, threshold, float(calibration.probability(score))), extrapolated


def verify_fused(fused: Verification, face: Verification, voice: Verification) -> Modality:
    """Whose answer the fused one is: as when identifying, the face or the voice alone when it says "same", the fused score does not, and
    the other one does not speak against it."""
    if fused.outcome == "different":
        for alone, rest, modality in ((face, voice, Modality.FACE), (voice, face, Modality.VOICE)):
            if alone.outcome == "same" and (rest.outcome == "same" or (rest.probability or 0.0) >= 0.5):
                return modality
    return Modality.FUSED


def _nothing(outcome: Outcome, reason: str) -> Decision:
    return Decision(outcome, None, None, None, None, reason)
