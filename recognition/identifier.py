"""Search and decision: who of the gallery a probe is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gallery.search.groups import GroupSearch
from gallery.search.memory import Index, Snapshot
from gallery.store import mismatch
from recognition import decision
from recognition.decision import Rule
from recognition.matching import Candidate, Search
from recognition.probe import Probe
from recognition.results import Decision, Outcome
from recognition.sides import Calibrations, Sides, clarity
from recognition.stories import Evidence
from utils.modality import SINGLE, Modality, PerModality
from utils.settings.decision import DecisionSettings


@dataclass(frozen=True)
class Answer:
    """Decisions on a probe, the rule behind them, and the gallery that was searched."""

    decisions: PerModality[Decision]
    rule: Rule
    snapshot: Snapshot


class Identifier:
    """Searches the gallery and decides as the settings state."""

    def __init__(
        self,
        index: Index,
        groups: GroupSearch,
        calibrations: Calibrations,
        settings: DecisionSettings,
    ) -> None:
        self._index = index
        self._groups = groups
        self._calibrations = calibrations
        self._settings = settings

    def refresh(self) -> Snapshot:
        """Bring the index up to date, which may take long after many changes."""
        return self._index.snapshot()

    def decide(self, probe: Probe, beyond: float = 0.0, group: str | None = None) -> Answer:
        """Decide who the probe is. `beyond` as of `Rule`.

        Of a `group` nobody else is searched: others of the gallery are strangers to it.
        Raises GroupNotFoundError.
        """
        near = self._index.near
        snapshot = near(probe.vectors) if group is None else self._groups.snapshot(group)
        rule = Rule(
            settings=self._settings,
            people=snapshot.people,
            calibrations=self._calibrations,
            beyond=beyond,
        )
        decisions = identify(probe.sides, snapshot, rule, missing=probe.missing)
        return Answer(decisions=decisions, rule=rule, snapshot=snapshot)

    def decide_alone(
        self, probe: Probe, modality: Modality, beyond: float = 0.0, group: str | None = None
    ) -> Answer:
        """Decide by one modality. Where the other one speaks against that, name nobody.

        Raises NoBiometricError when the clip lacks the modality.
        """
        alone = self.decide(probe.only(modality), beyond, group)
        if len(probe.embeddings) == 1 or alone.decisions[modality].match is None:
            return alone
        fused = self.decide(probe, group=group).decisions.fused
        if fused.outcome is not Outcome.CONFLICT:
            return alone
        asked = (Modality.FUSED, modality)
        decisions = PerModality.of(lambda m: fused if m in asked else alone.decisions[m])
        return replace(alone, decisions=decisions)

    def decide_sides(self, sides: Sides, among: Snapshot | None = None) -> Decision:
        """Decide whose a voice, a face or both are, of the gallery or of those in `among`.

        Raises EncoderMismatchError, StoreUnavailableError.
        """
        snapshot = among or self._index.near({m: side.vector for m, side in sides.items()})
        if not snapshot.people and snapshot.stale:
            raise mismatch(snapshot.stale)
        rule = Rule(
            settings=self._settings, people=snapshot.people, calibrations=self._calibrations
        )
        if len(sides) > 1:
            return identify(sides, snapshot, rule, missing={}).fused
        (modality,) = sides
        ranked = Search(snapshot, sides, rule.calibrations).rank(modality)
        return decision.decide(ranked, modality, rule)


def identify(
    probe: Sides, snapshot: Snapshot, rule: Rule, *, missing: Mapping[Modality, str]
) -> PerModality[Decision]:
    """Decide who of the snapshot a probe is, by both modalities, by face and by voice.

    `missing` says why a modality is not there, in words.
    """
    search = Search(snapshot, probe, rule.calibrations)
    ranked = {m: search.rank(m) for m in probe}
    decisions = {m: decision.decide(ranked[m], m, rule) for m in probe}
    single = {m: decisions.get(m) or decision.no_probe(missing[m]) for m in SINGLE}
    fused = decision.decide_fused(
        decisions.get(Modality.FUSED), single, _evidence(search, probe, ranked), rule
    )
    return PerModality(fused=fused, face=single[Modality.FACE], voice=single[Modality.VOICE])


def _evidence(
    search: Search, probe: Sides, ranked: Mapping[Modality, Sequence[Candidate]]
) -> dict[str, Evidence]:
    """What the probe says of everybody who comes first by a modality, by person id."""
    firsts = [candidates[0] for candidates in ranked.values() if candidates]
    clear = clarity(probe)
    return {
        first.person.person_id: replace(_evidence_of(first, search, ranked), clarity=clear)
        for first in firsts
    }


def _evidence_of(
    first: Candidate, search: Search, ranked: Mapping[Modality, Sequence[Candidate]]
) -> Evidence:
    """The best of all entries of the person counts, and they are no rivals."""
    own: dict[Modality, float | None] = {}
    rivals = {}
    for modality in Modality:
        llrs = [search.llr_of(ref, modality) for ref in (first.person, *first.entries)]
        own[modality] = max((llr for llr in llrs if llr is not None), default=None)
        others = [c.llr for c in ranked.get(modality, ()) if not c.is_same(first.person)]
        rivals[modality] = max(others, default=-math.inf)
    joint = own[Modality.FUSED]
    return Evidence(
        face=own[Modality.FACE],
        voice=own[Modality.VOICE],
        joint=-math.inf if joint is None else joint,
        face_rival=rivals[Modality.FACE],
        voice_rival=rivals[Modality.VOICE],
        people=search.people - len(first.entries),
    )
