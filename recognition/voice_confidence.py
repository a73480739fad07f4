"""Confidence of an identification by voice, from 0 to 1. Pure.

Clients of the voice API state the confidence that a speaker must reach, 0.7 where they
state none. A cosine brought to [0, 1] would not do: what 0.7 of it means changes with
the network and with the number of people. Here

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

from recognition.requests import Clip, IdentificationRequest
from recognition.results import Decision
from utils.modality import Modality

OWN_THRESHOLD = 0.7
_EDGE = 1e-6


def ask_by_voice(
    clip: Clip, threshold: float, request_id: str | None = None
) -> IdentificationRequest:
    """Ask who speaks: by voice alone, with the confidence that a speaker must reach.

    `threshold` in [0, 1]. Raises ValueError.
    """
    return IdentificationRequest(
        clip=clip,
        modality=Modality.VOICE,
        beyond=evidence(threshold),
        request_id=request_id,
        action="identify_speaker",
    )


def evidence(threshold: float) -> float:
    """Log-likelihood ratio that a threshold in [0, 1] asks for beyond the own one.

    Raises ValueError.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"A threshold must lie between 0 and 1. Received: {threshold}")
    return _log_odds(threshold) - _log_odds(OWN_THRESHOLD)


def confidence(decision: Decision, threshold: float) -> float:
    """Confidence of the best speaker, from a decision made with `threshold`."""
    if decision.evidence is None:
        return 0.0
    return _probability(decision.evidence + _log_odds(threshold))


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _EDGE), 1.0 - _EDGE)
    return math.log(inside / (1.0 - inside))


def _probability(log_odds: float) -> float:
    if log_odds > 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    return math.exp(log_odds) / (1.0 + math.exp(log_odds))
