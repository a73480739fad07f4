"""Open-set decision: a name only above the threshold, else "unknown". Pure.

The threshold of a modality is the strength that impostors reach at the false match rate
FMR = 1 − (1 − FPIR)^(1/N), with N people in the gallery. N is the same for all three
decisions, so a fused decision that rests on one modality is that modality's decision.
The threshold is stated as a cosine beside the score: the one that this probe needs for
this person (`Candidate.score_at`). So it differs from clip to clip.

Nothing is accepted with a probability below one half.

The fused decision weighs four stories about the person whom the fused score, the face or
the voice accepts, in this order (`recognition/stories.py`):

- Accepted, where the likeliest story is that face and voice are both that person's, and
  it is likelier than all others together. The answer is "by face and voice" where each
  confirms the person by itself: it has `CONFIRMED` or more, and is like nobody else as
  much. It is by the accepted one of the two where the other one does not: it is missing,
  short, noisy, blurred, or much like somebody else's. Where neither is accepted, both
  name the person together if each has `SUPPORT` or more.
- Conflict, naming nobody, where one of the two speaks against the person whom the other
  one names.
- Unknown otherwise, also where both together would do and each alone says too little.

`DecisionSettings.require_both` asks for more: face and voice must both accept the same person.

A clip that a check for liveness refuses (`DUET_LIVENESS_...=refuse`) is rejected: nobody is
named by anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recognition.matching import Candidate
from recognition.results import Decision, Outcome
from recognition.sides import Calibrations
from recognition.stories import Evidence, Story, weigh
from scoring.calibration import fmr_for_fpir
from utils.modality import SINGLE, Modality, PerModality
from utils.settings.decision import DecisionSettings

EVEN = 0.5
"""Probability below which no story is believed."""
SUPPORT = math.log(10)
"""Log-likelihood ratio of each from which both together name a person."""
CONFIRMED = math.log(20)
"""Log-likelihood ratio from which a modality confirms a person by itself."""

_BY = {Modality.FACE: "face", Modality.VOICE: "voice", Modality.FUSED: "face and voice"}
_TOO_LITTLE = "Neither the face nor the voice is enough by itself"
_EXTRAPOLATED = " (the threshold is extrapolated: error rates this low were not measured)"


@dataclass(frozen=True)
class Rule:
    """What a decision is made by.

    Attributes:
        settings: the rates that are stated.
        people: number of people in the gallery.
        calibrations: one for each modality.
        beyond: log-likelihood ratio that is asked for beyond the threshold.
    """

    settings: DecisionSettings
    people: int
    calibrations: Calibrations
    beyond: float = 0.0

    @property
    def fpir(self) -> float:
        """Stated false positive identification rate."""
        return self.settings.fpir

    def threshold(self, modality: Modality) -> tuple[float, bool]:
        """Strength that the stated rate asks for, and whether it is extrapolated."""
        return self.calibrations[modality].threshold(fmr_for_fpir(self.fpir, self.people))

    def threshold_for(self, candidate: Candidate) -> tuple[float, bool]:
        """Strength that this candidate must reach, and whether it is extrapolated.

        The odds are even there at least, unless `beyond` asks for less. Entries of one
        person count once.
        """
        rule = replace(self, people=self.people - len(candidate.entries))
        strength, extrapolated = rule.threshold(candidate.modality)
        even = candidate.strength - candidate.llr / candidate.slope
        return max(strength, even) + self.beyond / candidate.slope, extrapolated


def decide(candidates: Sequence[Candidate], modality: Modality, rule: Rule) -> Decision:
    """Accept the best of the candidates, who come best first, or nobody."""
    if not candidates:
        return _nothing(Outcome.UNKNOWN, _why_nobody(modality, rule))
    best = candidates[0]
    strength, extrapolated = rule.threshold_for(best)
    threshold = best.score_at(strength)
    margin = best.score - threshold
    # Evidence is of strengths: the margin ends where the threshold, as a cosine, is 1.
    evidence = best.slope * (best.strength - strength)
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
    accepted = replace(
        decision,
        outcome=Outcome.ACCEPTED,
        match=best.match,
        runner_up=candidates[1].match if len(candidates) > 1 else None,
        entries=best.entries,
        evidence=max(evidence, 0.0),
    )
    return replace(accepted, reason=_why_accepted(accepted, rule))


def _why_nobody(modality: Modality, rule: Rule) -> str:
    if not rule.people:
        return "The gallery is empty"
    return f"Nobody in the gallery is enrolled by {_BY[modality]}"


def _why_accepted(decision: Decision, rule: Rule) -> str:
    assert decision.match is not None
    assert decision.modality is not None
    return (
        f"Recognised by {_BY[decision.modality]}; {decision.margin:.2f} above the threshold,"
        f" probability {_percent(decision.match.probability)}, {_percent(rule.fpir)} of strangers"
        f" would be named{_EXTRAPOLATED if decision.extrapolated else ''}"
    )


def no_probe(reason: str) -> Decision:
    """Decide about a clip that has nothing to compare in this modality."""
    return _nothing(Outcome.NO_PROBE, reason)


def reject(decisions: PerModality[Decision], refusal: str | None) -> PerModality[Decision]:
    """Name nobody of a clip that a check for liveness refuses, for the reason `refusal`.

    None lets the decisions stand. What has no probe has none afterwards either.
    """
    if refusal is None:
        return decisions
    rejected = _nothing(Outcome.REJECTED, refusal)
    return decisions.map(lambda one: one if one.outcome is Outcome.NO_PROBE else rejected)


def decide_fused(
    fused: Decision | None,
    single: Mapping[Modality, Decision],
    evidence: Mapping[str, Evidence],
    rule: Rule,
) -> Decision:
    """Decide by both modalities once the single ones are decided (rules above).

    Args:
        fused: decision by the fused score. None = the clip has one modality only, and
            its decision stands, with the reason why the other one is missing.
        single: decisions by face and by voice.
        evidence: what the clip says of everybody whom a decision names, by person id.
        rule: what is decided by.
    """
    face = single[Modality.FACE]
    voice = single[Modality.VOICE]
    if rule.settings.require_both and not _name_the_same(face, voice):
        return _refuse_one(face, voice)
    if fused is None:
        present, missing = (voice, face) if face.outcome == Outcome.NO_PROBE else (face, voice)
        return replace(present, reason=f"{present.reason}. {missing.reason}")
    named = next((d for d in (fused, face, voice) if d.match is not None), fused)
    if named.match is None:
        return fused
    of_person = evidence[named.match.person_id]
    stories = weigh(of_person, rule.settings.mixed_odds)
    if stories[Story.BOTH] >= EVEN:
        return _accept(named, single, of_person, probability=stories[Story.BOTH], rule=rule)
    likeliest = max(stories, key=lambda story: stories[story])
    if likeliest in (Story.FACE_ONLY, Story.VOICE_ONLY):
        return _conflict(single, likeliest)
    return _nothing(Outcome.UNKNOWN, "Face and voice together are not similar enough to anybody")


def _accept(
    named: Decision,
    single: Mapping[Modality, Decision],
    evidence: Evidence,
    *,
    probability: float,
    rule: Rule,
) -> Decision:
    """Accept by both, or by the one that is accepted where the other one says too little."""
    alone = [m for m in SINGLE if _name_the_same(single[m], named)]
    silent = list_unconfirmed(evidence, rule.settings)
    note = ""
    if silent and alone:
        by, other = by_one(alone, silent)
        named = single[by]
        lacks = "does not confirm it" if other in silent else "alone would name nobody"
        note = f". The {other} {lacks}"
    elif not alone and not evidence.has_both(SUPPORT):
        return _nothing(Outcome.UNKNOWN, _TOO_LITTLE)
    assert named.match is not None
    accepted = replace(named, match=replace(named.match, probability=probability))
    return replace(accepted, reason=f"{_why_accepted(accepted, rule)}{note}")


def list_unconfirmed(evidence: Evidence, settings: DecisionSettings) -> Sequence[Modality]:
    """What does not confirm the person. Nothing where both must accept, as then both do."""
    return () if settings.require_both else evidence.silent(CONFIRMED)


def by_one(accepted: Sequence[Modality], silent: Sequence[Modality]) -> tuple[Modality, Modality]:
    """What a person is named by where not both confirm it, and the other one."""
    by = next((m for m in accepted if m not in silent), accepted[0])
    return by, next(m for m in SINGLE if m != by)


def _conflict(single: Mapping[Modality, Decision], likeliest: Story) -> Decision:
    """Say who speaks for whom, without a name."""
    lone, other = SINGLE if likeliest == Story.FACE_ONLY else SINGLE[::-1]
    if single[other].match is not None:
        return _nothing(
            Outcome.CONFLICT, "The face and the voice belong to two different people of the gallery"
        )
    return _nothing(
        Outcome.CONFLICT,
        f"The {lone} is like somebody of the gallery, and the {other} speaks against that person",
    )


def _refuse_one(face: Decision, voice: Decision) -> Decision:
    """Name nobody by one modality alone."""
    texts = [
        f"by {d.modality or m}: {d.outcome}" for m, d in zip(SINGLE, (face, voice), strict=True)
    ]
    return _nothing(
        Outcome.UNKNOWN,
        f"Face and voice must both name the same person. Received: {', '.join(texts)}",
    )


def _name_the_same(one: Decision, other: Decision) -> bool:
    return not one.named_ids.isdisjoint(other.named_ids)


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
