"""Settings of how sure an answer must be."""

from __future__ import annotations

from dataclasses import dataclass

from utils.settings.subject import Subject, setting


@dataclass(frozen=True)
class DecisionSettings(Subject):
    """How sure an answer must be."""

    fpir: float = setting(
        0.01,
        "False positive identification rate that the thresholds aim at: the share of strangers"
        " who are given a name.",
        1e-6,
        0.5,
    )
    mixed_odds: float = setting(
        0.8,
        "Prior odds of a mixed clip, with the face of one person and the voice of another, to a"
        " clip of one person. Lower: a voice that speaks against the face is heeded less.",
        1e-6,
        100,
    )
    require_both: bool = setting(
        False,
        "Name a person by face and voice only where each of the two names that person, as a"
        " door should.",
    )
