"""Identification by voice alone, on the scale of the voice API: a confidence from 0 to
1 in which 0.7 is the own threshold. Pure.

Clients of that API name the confidence that a speaker must reach, 0.7 where they name
none. A cosine brought to [0, 1] would not do: what 0.7 of it means changes with the
network and with the number of people. Here

    confidence = 1 / (1 + exp(−(llr(score) − llr(threshold) + ln(0.7 / 0.3))))

where `llr` is the calibrated log-likelihood ratio (scoring/calibration.py) and
`threshold` the score that the stated false positive identification rate asks for among
so many people. So 0.7 is reached exactly by what /v1/identify accepts, and every other
value asks for `ln(t / (1 − t)) − ln(0.7 / 0.3)` more evidence than that, or less. It is
the probability of the same person at the prior at which the own threshold has a
probability of 0.7. Thresholds of 0 and 1 stand for one in a million and all but one in
a million.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gallery.results import Person, TemplateInfo
from recognition.results import Decision, Identification, Match
from utils.media import Hint

OWN_THRESHOLD = 0.7
_EDGE = 1e-6


@dataclass(frozen=True)
class SpeakerResult:
    """Who speaks: `identification.voice` says it. `confidence` in [0, 1] is that of the
    best speaker, named or not; 0 without anybody to compare with. `threshold` is the
    confidence that was asked for.
    """

    identification: Identification
    confidence: float
    threshold: float


@dataclass(frozen=True)
class SpeakerEnrolment:
    """What a registration left: the templates of these clips, the person, and who else
    the clips were taken for when `force` let them pass.
    """

    person: Person
    templates: tuple[TemplateInfo, ...]
    duplicate: Match | None
    hints: tuple[Hint, ...]


def evidence(threshold: float) -> float:
    """Log-likelihood ratio that a threshold in [0, 1] asks for beyond the own one.
    Raises ValueError.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"A threshold must lie between 0 and 1. Received: {threshold}")
    return _log_odds(threshold) - _log_odds(OWN_THRESHOLD)


def confidence(decision: Decision, threshold: float) -> float:
    """The confidence of the best speaker, from a decision that was made with
    `threshold`.
    """
    if decision.evidence is None:
        return 0.0
    return _probability(decision.evidence + _log_odds(threshold))


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _EDGE), 1.0 - _EDGE)
    return math.log(inside / (1.0 - inside))


def _probability(log_odds: float) -> float:
    return (
        1.0 / (1.0 + math.exp(-log_odds))
        if log_odds > 0
        else math.exp(log_odds) / (1.0 + math.exp(log_odds))
    )
