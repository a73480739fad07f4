"""Answers about clips whose person is known: right, wrong, unknown, and who is taken for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from recognition.results import Decision, Outcome
from utils.modality import Modality, PerModality


class Result(StrEnum):
    """What a decision about a labelled clip is worth.

    `UNKNOWN` is an answer without a name. It is `RIGHT` where the person is a stranger.
    `NOTHING` stands for a clip without a face, or without speech.
    """

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    NOTHING = "nothing"


@dataclass(frozen=True)
class LabelledAnswer:
    """Decisions about a clip of `person_id`. None: the person is not in the gallery.

    `label` is what the person is called by whoever labelled the clip.
    """

    clip: str
    label: str
    person_id: str | None
    decisions: PerModality[Decision]

    def result(self, modality: Modality) -> Result:
        """What the decision by a modality is worth."""
        return judge(self.decisions[modality], self.person_id)


def judge(decision: Decision, person_id: str | None) -> Result:
    """Judge a decision about a clip of `person_id`, or of a stranger for None."""
    if decision.outcome is Outcome.NO_PROBE:
        return Result.NOTHING
    if decision.match is None:
        return Result.RIGHT if person_id is None else Result.UNKNOWN
    return Result.RIGHT if decision.match.person_id == person_id else Result.WRONG


@dataclass(frozen=True)
class Tally:
    """How many decisions were right, wrong and unknown, and how many had nothing to go by."""

    right: int = 0
    wrong: int = 0
    unknown: int = 0
    nothing: int = 0

    @property
    def with_evidence(self) -> int:
        """Clips that had something to go by."""
        return self.right + self.wrong + self.unknown

    @property
    def accuracy(self) -> float | None:
        """Share of right ones among those asked, in [0, 1]. None if there were none."""
        return self.right / self.with_evidence if self.with_evidence else None


def tally(answers: Iterable[LabelledAnswer], modality: Modality) -> Tally:
    """Count the results by one modality."""
    counts = Counter(str(answer.result(modality)) for answer in answers)
    return Tally(**{str(result): counts[result] for result in Result})


@dataclass(frozen=True)
class Confusion:
    """Clips of `label` that were given the name `taken_for`, by each modality."""

    label: str
    taken_for: str
    clips: Mapping[Modality, tuple[str, ...]]

    @property
    def total(self) -> int:
        """How often, by all modalities together."""
        return sum(map(len, self.clips.values()))


def list_confusions(answers: Sequence[LabelledAnswer]) -> list[Confusion]:
    """List who was taken for whom, the most frequent first."""
    wrong: dict[tuple[str, str], dict[Modality, tuple[str, ...]]] = {}
    for answer in answers:
        for modality, decision in answer.decisions.items():
            if answer.result(modality) is Result.WRONG and decision.match:
                clips = wrong.setdefault((answer.label, decision.match.person_id), {})
                clips[modality] = (*clips.get(modality, ()), answer.clip)
    confusions = [Confusion(label, other, clips) for (label, other), clips in wrong.items()]
    return sorted(confusions, key=lambda one: (-one.total, one.label, one.taken_for))
