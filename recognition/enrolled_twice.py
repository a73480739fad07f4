"""Whether a clip that is to be enrolled is another person of the gallery. Pure.

Such a clip stops an enrolment. That takes stronger evidence than a name, because filling
a gallery asks N times whether somebody new is there already. One of these must hold:

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

from recognition.decision import Rule
from recognition.likeness import SAME_RECORDING, least_llr
from recognition.results import Decision, Match
from scoring.calibration import fmr_for_fpir
from scoring.norms import OTHERS
from utils.modality import Modality, PerModality

CONFIDENT_ODDS = 99
PLACE = 4 * OTHERS
"""Number of people from which a gallery's own statistics keep people apart.

Among fewer, the nearest person may well be of another sex or age.
"""


def find_duplicate(
    decisions: PerModality[Decision], person_id: str, rule: Rule
) -> tuple[Match, Modality] | None:
    """Find who of the gallery, other than `person_id`, the clip is, and by what modality.

    None = nobody else.
    """
    for modality, decision in decisions.items():
        if decision.match is None or not _is_duplicate(decision, rule):
            continue
        if person_id not in decision.named_ids:
            return decision.match, decision.modality or modality
        # The clip is this person by both: what one modality says does not count.
        if modality == Modality.FUSED:
            return None
    return None


def _is_duplicate(decision: Decision, rule: Rule) -> bool:
    assert decision.match is not None
    assert decision.modality is not None
    assert decision.evidence is not None
    if decision.match.score >= SAME_RECORDING or _llr(decision) >= least_llr(
        rule.people
    ) + math.log(CONFIDENT_ODDS):
        return True
    return rule.people >= PLACE and decision.evidence >= _evidence_of_new(rule, decision.modality)


def _evidence_of_new(rule: Rule, modality: Modality) -> float:
    """Evidence that somebody new reaches at 1/N of the stated rate.

    It is a log-likelihood ratio beyond that of the threshold.
    """
    calibration = rule.calibrations[modality]
    people = max(rule.people, 1)
    strictest, _ = calibration.threshold(fmr_for_fpir(rule.fpir / people, people))
    return calibration.slope * (strictest - rule.threshold(modality)[0])


def _llr(decision: Decision) -> float:
    """Log-likelihood ratio of the person named, from the probability."""
    if decision.match is None:
        return -math.inf
    p = decision.match.probability
    if 0 < p < 1:
        return math.log(p / (1 - p))
    return math.copysign(700.0, p - 0.5)  # beyond 700 it makes no difference
