"""Open-set decision: a name only above the threshold, else "unknown". Pure.

The threshold of a modality is the strength that impostors reach at the false match rate
FMR = 1 − (1 − FPIR)^(1/N), with N people in the gallery. N is the same for all three
decisions, so a fused decision that rests on one modality is that modality's decision.
The threshold is stated as a cosine beside the score: the one that this probe needs for
this person (`Candidate.score_at`). So it differs from clip to clip.

The fused decision follows these rules, in this order:

1. Conflict, naming nobody: face and voice each confidently name a different person.
   Confident means accepted, and 99 to 1 in favour even after looking at N people:
   log-likelihood ratio >= ln(99 N). An impostor reaches such a ratio in at most one of
   99 N comparisons, so a chance match of a weak voice does not block the right face. Each
   side must also prefer its own person to the other's by 99 to 1, so a voice that fits
   both people does not block it either.
2. The fused score, when it is accepted.
3. The face or the voice alone, when it is accepted and the other one does not speak
   against the person: log-likelihood ratio >= 0, or accepted too, or nothing to compare.
   So face and voice never both name a person whom the fused decision does not name. To
   take one without looking at the other would add its false positives to those stated.
   This rule adds only strangers who pass one and resemble the person in the other.
4. Unknown.

A clip that is another person of the gallery stops an enrolment. That takes stronger
evidence than a name, because filling a gallery asks N times whether somebody new is
there already. One of these must hold:

- The fused decision, the face or the voice is that person with a probability of 99 %, if
  one enrolment in a hundred is of somebody who is there already, whoever of the N it is:
  log-likelihood ratio >= ln(99 · 99 · N).
- The gallery has `PLACE` people, so it is known how alike those of this place are, and
  the clip reaches the threshold of 1/N of the stated FPIR. Over the enrolment of all N,
  somebody new is then refused at the stated rate.
- The cosine is 0.95 or more: the same recording in all but name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recognition.matching import Calibrations, Candidate, Comparison
from recognition.results import Decision, Match, Outcome, Verdict
from scoring.calibration import Calibration, fmr_for_fpir
from scoring.norms import OTHERS
from utils.modality import Modality, PerModality

CONFIDENT_ODDS = 99
ENROLLED_BEFORE_ODDS = 1 / 99
SAME_RECORDING = 0.95
PLACE = 4 * OTHERS
"""Number of people from which a gallery's own statistics keep people apart.

Among fewer, the nearest person may well be of another sex or age.
"""

_BY = {Modality.FACE: "face", Modality.VOICE: "voice", Modality.FUSED: "face and voice"}
_EXTRAPOLATED = " (the threshold is extrapolated: error rates this low were not measured)"


@dataclass(frozen=True)
class Rule:
    """What a decision is made by.

    Attributes:
        fpir: stated false positive identification rate.
        people: number of people in the gallery.
        calibrations: one for each modality.
        beyond: log-likelihood ratio that is asked for beyond the threshold.
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
        """Evidence that somebody new reaches at 1/N of the stated rate.

        It is a log-likelihood ratio beyond that of the threshold.
        """
        calibration = self.calibrations[modality]
        people = max(self.people, 1)
        strictest, _ = calibration.threshold(fmr_for_fpir(self.fpir / people, people))
        return calibration.slope * (strictest - self.threshold(modality)[0])


def decide(candidates: Sequence[Candidate], modality: Modality, rule: Rule) -> Decision:
    """Accept the best of the candidates, who come best first, or nobody."""
    if not candidates:
        return _nothing(Outcome.UNKNOWN, _why_nobody(modality, rule))
    best = candidates[0]
    strength, extrapolated = rule.threshold(best.modality)
    threshold = best.score_at(strength)
    margin = best.score - threshold
    # Evidence is of strengths: the margin ends where the threshold, as a cosine, is 1.
    evidence = rule.calibrations[best.modality].slope * (best.strength - strength)
    note = _EXTRAPOLATED if extrapolated else ""
    decision = Decision(
        outcome=Outcome.UNKNOWN,
        reason=f"Nobody in the gallery is similar enough{note}",
        threshold=threshold,
        margin=margin,
        modality=best.modality,
        extrapolated=extrapolated,
        evidence=evidence,
    )
    if not margin >= 0:  # a score that is not a number is no match either
        return decision
    return replace(
        decision,
        outcome=Outcome.ACCEPTED,
        reason=f"{_why_accepted(best, margin, rule)}{note}",
        match=best.match,
        runner_up=candidates[1].match if len(candidates) > 1 else None,
        evidence=max(evidence, 0.0),
    )


def _why_nobody(modality: Modality, rule: Rule) -> str:
    if not rule.people:
        return "The gallery is empty"
    return f"Nobody in the gallery is enrolled by {_BY[modality]}"


def _why_accepted(best: Candidate, margin: float, rule: Rule) -> str:
    return (
        f"Recognised by {_BY[best.modality]}; {margin:.2f} above the threshold, probability"
        f" {_percent(best.probability)}, {_percent(rule.fpir)} of strangers would be named"
    )


def no_probe(reason: str) -> Decision:
    """Decide about a clip that has nothing to compare in this modality."""
    return _nothing(Outcome.NO_PROBE, reason)


def decide_fused(
    fused: Decision | None,
    single: Mapping[Modality, Decision],
    other: Mapping[Modality, float],
    rule: Rule,
) -> Decision:
    """Decide by both modalities once the single ones are decided (rules above).

    Args:
        fused: decision by the fused score. None = the clip has one modality only, and
            its decision stands, with the reason why the other one is missing.
        single: decisions by face and by voice.
        other: `other[m]` is the log-likelihood ratio that the other modality gives to
            the person whom `m` names, as far as there is something to compare.
    """
    face = single[Modality.FACE]
    voice = single[Modality.VOICE]
    if fused is None:
        present, missing = (voice, face) if face.outcome == Outcome.NO_PROBE else (face, voice)
        return replace(present, reason=f"{present.reason}. {missing.reason}")
    if is_conflict(single, other, rule):
        return _nothing(
            Outcome.CONFLICT, "The face and the voice belong to two different people of the gallery"
        )
    if fused.outcome != Outcome.UNKNOWN:
        return fused
    for alone, rest in ((face, voice), (voice, face)):
        by = alone.modality
        if alone.match is None or by is None:
            continue
        if other.get(by, 0.0) >= 0 or _name_the_same(alone, rest):
            return alone
        reason = f"the {by} alone is recognised, but the {rest.modality} speaks against that person"
        fused = replace(fused, reason=f"{fused.reason}: {reason}")
    return fused


def _name_the_same(one: Decision, other: Decision) -> bool:
    if one.match is None or other.match is None:
        return False
    return one.match.person_id == other.match.person_id


def is_confident(decision: Decision, rule: Rule) -> bool:
    """Whether a single modality names somebody beyond what chance brings among so many."""
    return _llr(decision) >= math.log(CONFIDENT_ODDS * max(rule.people, 1))


def is_conflict(
    single: Mapping[Modality, Decision], other: Mapping[Modality, float], rule: Rule
) -> bool:
    """Whether face and voice confidently name two different people.

    Each must also prefer its own person to the other's. Arguments as `decide_fused`.
    """
    face = single[Modality.FACE]
    voice = single[Modality.VOICE]
    if face.match is None or voice.match is None or _name_the_same(face, voice):
        return False
    clear = math.log(CONFIDENT_ODDS)
    return (
        is_confident(face, rule)
        and is_confident(voice, rule)
        and _llr(voice) - other.get(Modality.FACE, -math.inf) >= clear
        and _llr(face) - other.get(Modality.VOICE, -math.inf) >= clear
    )


def _llr(decision: Decision) -> float:
    """Log-likelihood ratio of the person named, from the probability."""
    if decision.match is None:
        return -math.inf
    p = decision.match.probability
    if 0 < p < 1:
        return math.log(p / (1 - p))
    return math.copysign(700.0, p - 0.5)  # beyond 700 it makes no difference


def find_duplicate(
    decisions: PerModality[Decision], person_id: str, rule: Rule
) -> tuple[Match, Modality] | None:
    """Find who of the gallery, other than `person_id`, the clip is, and by what modality.

    None = nobody else.
    """
    for modality, decision in decisions.items():
        if decision.match is None or not _is_duplicate(decision, rule):
            continue
        if decision.match.person_id != person_id:
            return decision.match, decision.modality or modality
        # The clip is this person by both: what one modality says does not count.
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


def verify(comparison: Comparison | None, calibration: Calibration, fmr: float) -> Verdict:
    """Decide 1:1 at the false match rate `fmr`. `comparison` None = nothing to compare."""
    if comparison is None:
        return Verdict("no_probe")
    strength, extrapolated = calibration.pair_threshold(fmr)
    threshold = min(comparison.level + comparison.scale * strength, 1.0)
    return Verdict(
        outcome="same" if comparison.score >= threshold else "different",
        score=comparison.score,
        threshold=threshold,
        probability=float(calibration.probability(comparison.strength)),
        extrapolated=extrapolated,
    )


def verify_fused(verdicts: PerModality[Verdict]) -> Verdict:
    """Decide 1:1 by both modalities once each has its verdict.

    As when identifying, the face or the voice alone counts when it says "same", the
    fused score does not, and the other one does not speak against it.
    """
    face = verdicts.face
    voice = verdicts.voice
    if verdicts.fused.outcome != "different":
        return verdicts.fused
    for alone, rest in ((face, voice), (voice, face)):
        supported = rest.outcome == "same" or (rest.probability or 0.0) >= 0.5
        if alone.outcome == "same" and supported:
            return alone
    return verdicts.fused


def _percent(share: float) -> str:
    """Format in as few digits as tell it from 0 and 100 %, two at most.

    Nothing here is certain.
    """
    for digits in range(3):
        text = f"{100 * share:.{digits}f}"
        if 0.0 < float(text) < 100.0:
            return f"{text} %"
    return "over 99.99 %" if share > 0.5 else "under 0.01 %"


def _nothing(outcome: Outcome, reason: str) -> Decision:
    return Decision(outcome=outcome, reason=reason)
