"""Who speaks: a person of the gallery, or a stranger with a number. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recognition.results import Decision, Outcome
from recognition.visitors import HeardPerson
from speech.turns import Turn
from utils.modality import Modality

LEAST_S = 1.0
"""Seconds of a voice alone from which it is decided whose it is."""


@dataclass(frozen=True)
class Speaker:
    """Whose a voice is.

    Attributes:
        label: the name, or "unknown 1", "unknown 2", ... in the order in which strangers
            begin to speak.
        person_id: of the gallery; None for strangers, and for voices that a request
            brought along.
        outcome: "named", "unknown", "conflict" where voice and talking face are not one
            person's, or "open" where there is too little of the voice.
        probability: calibrated probability that it is the person who is named.
        by: what names the person; None where nobody is named, or is named by hand.
    """

    label: str
    person_id: str | None
    outcome: str
    probability: float | None = None
    by: Modality | None = None

    @property
    def decided_by(self) -> str | None:
        """What names the person, in words: "voice", "face", "face and voice", or None."""
        return _BY[self.by] if self.by else None


_BY = {Modality.VOICE: "voice", Modality.FACE: "face", Modality.FUSED: "face and voice"}

NOBODY = Speaker("unknown", None, "open")
"""Who says words in which no voice could be told."""


@dataclass(frozen=True)
class Diarisation:
    """The turns of a recording, and the speaker of each voice by its number.

    `seen` holds the turns in which the speaker is seen to talk.
    """

    turns: tuple[Turn, ...]
    speakers: Mapping[int, Speaker]
    seen: frozenset[Turn] = frozenset()

    def of_channel(self, channel: int) -> Diarisation:
        """Those turns alone that are heard in a channel."""
        turns = tuple(turn for turn in self.turns if turn.channel == channel)
        return Diarisation(turns, self.speakers, self.seen)


def to_speaker(decision: Decision | None, stranger: int) -> Speaker:
    """Say whose a voice is. `stranger` is its number where nobody is named.

    `decision` None: there is too little of the voice.
    """
    if decision is None:
        return Speaker(f"unknown {stranger}", None, "open")
    if decision.match is None:
        outcome = "conflict" if decision.outcome == Outcome.CONFLICT else "unknown"
        return Speaker(f"unknown {stranger}", None, outcome)
    match = decision.match
    return Speaker(
        label=match.name,
        person_id=match.person_id or None,
        outcome="named",
        probability=match.probability,
        by=decision.modality,
    )


def heard_of(speaker: Speaker) -> HeardPerson:
    """Describe a speaker as a visitor."""
    return HeardPerson(speaker.person_id, speaker.probability, speaker.by or Modality.VOICE)
