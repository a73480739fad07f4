"""Open-set decision: a name only above the threshold, else "unknown". Pure.

The threshold of a modality is the strength that impostors reach at the false match rate
FMR = 1 − (1 − FPIR)^(1/N), where N is the number of people in the gallery: the same N
for all three answers, so that a fused answer that rests on one modality is that
modality's answer. It is stated as a cosine, beside the score: that which this probe
needs for this person (`Candidate.score_at`), so it differs from clip to clip.

The fused answer, by these rules in this order:

1. conflict, naming nobody: face and voice each confidently name a different person.
   Confident = accepted, and 99 to 1 in favour even after having looked at N people:
   log-likelihood ratio >= ln(99 N). A calibrated ratio is reached by an impostor in at
   most one of 99 N comparisons, so a chance match of a weak voice does not block a
   right face; nor does a voice that fits both people, as each side must also prefer its
   own person to the other's by 99 to 1.
2. what the fused score says, when it is accepted.
3. what the face or the voice alone says, when that is accepted and the other one does
   not speak against the person (log-likelihood ratio >= 0, or accepted too, or nothing
   to compare). So face and voice never both name a person whom the fused answer does
   not. Taking either one without looking at the other would add its false positives to
   those stated; here only strangers are added who pass one and resemble the person in
   the other.
4. unknown.

A clip counts as another person, which stops an enrolment, on stronger evidence than a
name needs, as filling a gallery asks N times whether somebody new is there already.
Either the fused answer, the face or the voice is that person with a probability of
99 %, if one enrolment in a hundred is of somebody who is there already, whoever of the
N it is: log-likelihood ratio >= ln(99 · 99 · N). Or, once there are `PLACE` people and
so it is known how alike those of this place are, it reaches the threshold of 1/N of the
stated FPIR: over the enrolment of all N together, somebody new is then refused at the
stated rate. Or it reaches a cosine of 0.95, which is the same recording in all but
name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recognition.matching import Calibrations, Candidate, Comparison
from recognition.results import Decision, Match, Outcome, Verification
from scoring.calibration import Calibration, fmr_for_fpir
from scoring.norms import OTHERS
from utils.modality import Modality

CONFIDENT_ODDS = 99
ENROLLED_BEFORE_ODDS = 1 / 99
SAME_RECORDING = 0.95
PLACE = 4 * OTHERS
"""People from which a gallery's own statistics are trusted to keep people apart: the
nearest of fewer may well be of another sex or age.
"""

_BY = {Modality.FACE: "face", Modality.VOICE: "voice", Modality.FUSED: "face and voice"}
_EXTRAPOLATED = " (the threshold is extrapolated: error rates this low were not measured)"


@dataclass(frozen=True)
class Rule:
    """What a decision is made by: the stated false positive identification rate, people
    in the gallery, calibration by modality, and the log-likelihood ratio that is asked
    for `beyond` what these say.
    """

    fpir: float
    people: int
    calibrations: Calibrations
    beyond: float = 0.0

    def threshold(self, modality: Modality) -> tuple[float, bool]:
        """Strength to reach, and whether it is extrapolated."""
        strength, extrapolated = self.calibrations[modality].threshold(
            fmr_for_fpir(self.fpir, self.people)
        )
        return strength + self.beyond / self.calibrations[modality].slope, extrapolated

    def duplicate_evidence(self, modality: Modality) -> float:
        """Log-likelihood ratio, beyond that of the threshold, which somebody new
        reaches at 1/N of the stated rate.
        """
        calibration = self.calibrations[modality]
        people = max(self.people, 1)
        strictest, _ = calibration.threshold(fmr_for_fpir(self.fpir / people, people))
        return calibration.slope * (strictest - self.threshold(modality)[0])


def decide(candidates: Sequence[Candidate], modality: Modality, rule: Rule) -> Decision:
    """Candidates, best first → accepted or unknown."""
    if not candidates:
        empty = (
            "The gallery is empty"
            if not rule.people
            else f"Nobody in the gallery is enrolled by {_BY[modality]}"
        )
        return _nothing(Outcome.UNKNOWN, empty)
    best = candidates[0]
    strength, extrapolated = rule.threshold(best.modality)
    threshold = best.score_at(strength)
    margin = best.score - threshold
    # The margin ends where the threshold, as a cosine, is 1
    evidence = rule.calibrations[best.modality].slope * (best.strength - strength)
    note = _EXTRAPOLATED if extrapolated else ""
    if not margin >= 0:  # also what is no number is no match
        reason = f"Nobody in the gallery is similar enough{note}"
        return Decision(
            Outcome.UNKNOWN,
            None,
            None,
            threshold,
            margin,
            reason,
            best.modality,
            extrapolated,
            evidence,
        )
    runner_up = candidates[1].match if len(candidates) > 1 else None
    sure = (
        f"probability {_percent(best.probability)}, {_percent(rule.fpir)} of strangers would be"
        " named"
    )
    reason = f"Recognised by {_BY[best.modality]}; {margin:.2f} above the threshold, {sure}{note}"
    return Decision(
        Outcome.ACCEPTED,
        best.match,
        runner_up,
        threshold,
        margin,
        reason,
        best.modality,
        extrapolated,
        max(evidence, 0.0),
    )


def no_probe(reason: str) -> Decision:
    """The clip has nothing to compare in this modality."""
    return _nothing(Outcome.NO_PROBE, reason)


def decide_fused(
    fused: Decision | None,
    face: Decision,
    voice: Decision,
    rule: Rule,
    other: Mapping[Modality, float],
) -> Decision:
    """The fused answer once the others are known (rules above). `fused` None = the clip
    has one modality only, whose answer it then is, with the reason why the other one is
    missing. `other[m]` is the log-likelihood ratio that the other modality gives to the
    person whom `m` names, as far as there is something to compare.
    """
    if fused is None:
        there, missing = (voice, face) if face.outcome == Outcome.NO_PROBE else (face, voice)
        return replace(there, reason=f"{there.reason}. {missing.reason}")
    if is_conflict(face, voice, rule, other):
        return _nothing(
            Outcome.CONFLICT, "The face and the voice belong to two different people of the gallery"
        )
    if fused.outcome != Outcome.UNKNOWN:
        return fused
    for alone, rest in ((face, voice), (voice, face)):
        by = alone.modality
        if alone.match is None or by is None:
            continue
        if other.get(by, 0.0) >= 0 or (
            rest.match is not None and rest.match.person_id == alone.match.person_id
        ):
            return alone
        fused = replace(
            fused,
            reason=(
                f"{fused.reason}: the {by} alone is recognised, but the {rest.modality} speaks"
                " against that person"
            ),
        )
    return fused


def is_confident(decision: Decision, rule: Rule) -> bool:
    """Accepted in a single modality, beyond what chance brings among so many people."""
    return _llr(decision) >= math.log(CONFIDENT_ODDS * max(rule.people, 1))


def is_conflict(
    face: Decision, voice: Decision, rule: Rule, other: Mapping[Modality, float]
) -> bool:
    """Face and voice confidently name two different people, and each prefers its own to
    the other's.
    """
    if face.match is None or voice.match is None or face.match.person_id == voice.match.person_id:
        return False
    clear = math.log(CONFIDENT_ODDS)
    return (
        is_confident(face, rule)
        and is_confident(voice, rule)
        and _llr(voice) - other.get(Modality.FACE, -math.inf) >= clear
        and _llr(face) - other.get(Modality.VOICE, -math.inf) >= clear
    )


def _llr(decision: Decision) -> float:
    """Of the person who is named, from the probability; beyond 700 it makes no
    difference.
    """
    if decision.match is None:
        return -math.inf
    p = decision.match.probability
    return math.log(p / (1 - p)) if 0 < p < 1 else math.copysign(700.0, p - 0.5)


def duplicate_of(
    fused: Decision, face: Decision, voice: Decision, person_id: str | None, rule: Rule
) -> tuple[Match, Modality] | None:
    """Who of the gallery, other than `person_id`, the clip is, and by which modality;
    None = nobody else.
    """
    for modality, decision in (
        (Modality.FUSED, fused),
        (Modality.FACE, face),
        (Modality.VOICE, voice),
    ):
        if decision.match is not None and _is_duplicate(decision, rule):
            if decision.match.person_id != person_id:
                return decision.match, decision.modality or modality
            # It is this person by both: what one modality says does not count
            if modality == Modality.FUSED:
                return None
    return None


def _is_duplicate(decision: Decision, rule: Rule) -> bool:
    assert decision.match is not None
    assert decision.modality is not None
    assert decision.evidence is not None
    if decision.match.score >= SAME_RECORDING or _llr(decision) >= math.log(
        CONFIDENT_ODDS / ENROLLED_BEFORE_ODDS * max(rule.people, 1)
    ):
        return True
    return rule.people >= PLACE and decision.evidence >= rule.duplicate_evidence(decision.modality)


def verify(
    compared: Comparison | None, calibration: Calibration, fmr: float
) -> tuple[Verification, bool]:
    """1:1 decision at the false match rate `fmr`, and whether its threshold is
    extrapolated; `compared` None = nothing to compare.
    """
    if compared is None:
        return Verification("no_probe", None, None, None), False
    strength, extrapolated = calibration.pair_threshold(fmr)
    threshold = min(compared.level + compared.scale * strength, 1.0)
    outcome = "same" if compared.score >= threshold else "different"
    return (
        Verification(
            outcome, compared.score, threshold, float(calibration.probability(compared.strength))
        ),
        extrapolated,
    )


def verify_fused(fused: Verification, face: Verification, voice: Verification) -> Modality:
    """Whose answer the fused one is: as when identifying, the face or the voice alone
    when it says "same", the fused score does not, and the other one does not speak
    against it.
    """
    if fused.outcome == "different":
        for alone, rest, modality in ((face, voice, Modality.FACE), (voice, face, Modality.VOICE)):
            if alone.outcome == "same" and (
                rest.outcome == "same" or (rest.probability or 0.0) >= 0.5
            ):
                return modality
    return Modality.FUSED


def _percent(share: float) -> str:
    """In as few digits as tell it from 0 and from 100 %, two at most: nothing here is
    certain.
    """
    for digits in range(3):
        text = f"{100 * share:.{digits}f}"
        if 0.0 < float(text) < 100.0:
            return f"{text} %"
    return "over 99.99 %" if share > 0.5 else "under 0.01 %"


def _nothing(outcome: Outcome, reason: str) -> Decision:
    return Decision(outcome, None, None, None, None, reason)
