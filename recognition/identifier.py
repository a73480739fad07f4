"""Search and decision: who of the gallery a probe is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gallery.search.memory import Index, Snapshot
from recognition import decision
from recognition.analysis import Probe
from recognition.decision import Rule
from recognition.matching import Calibrations, Candidate, Search
from recognition.results import Decision
from utils.modality import SINGLE, Modality, PerModality


@dataclass(frozen=True)
class Answer:
    """Decisions on a probe, the rule behind them, and the gallery that was searched."""

    decisions: PerModality[Decision]
    rule: Rule
    snapshot: Snapshot


class Identifier:
    """Searches the gallery and decides at a stated false positive identification rate."""

    def __init__(self, index: Index, calibrations: Calibrations, fpir: float) -> None:
        self._index = index
        self._calibrations = calibrations
        self._fpir = fpir

    def refresh(self) -> Snapshot:
        """Bring the index up to date, which may take long after many changes."""
        return self._index.snapshot()

    def decide(self, probe: Probe, beyond: float = 0.0) -> Answer:
        """Decide who the probe is. `beyond` as of `Rule`."""
        snapshot = self._index.near(probe.vectors)
        rule = Rule(
            fpir=self._fpir,
            people=snapshot.people,
            calibrations=self._calibrations,
            beyond=beyond,
        )
        search = Search(snapshot, probe.vectors, self._calibrations, speech_s=probe.speech_s)
        ranked = {m: search.rank(m) for m in probe.vectors}
        decisions = {m: decision.decide(ranked[m], m, rule) for m in probe.vectors}
        single = {m: decisions.get(m) or decision.no_probe(probe.missing[m]) for m in SINGLE}
        fused = decision.decide_fused(
            decisions.get(Modality.FUSED), single, _other_llrs(search, ranked, single), rule
        )
        return Answer(
            decisions=PerModality(
                fused=fused, face=single[Modality.FACE], voice=single[Modality.VOICE]
            ),
            rule=rule,
            snapshot=snapshot,
        )


def _other_llrs(
    search: Search,
    ranked: Mapping[Modality, Sequence[Candidate]],
    single: Mapping[Modality, Decision],
) -> dict[Modality, float]:
    """What the other modality says of the person whom a modality names."""
    llrs = {}
    for modality, other in (SINGLE, SINGLE[::-1]):
        if single[modality].match is None:
            continue
        llr = search.llr_of(ranked[modality][0].person, other)
        if llr is not None:
            llrs[modality] = llr
    return llrs
