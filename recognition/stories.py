"""Four stories about a clip and a person, weighed against each other. Pure.

Face and voice are both the person's, or neither is. Or the clip is mixed: the face is
the person's and the voice is not (a photograph with sound, a dub, somebody else who
speaks), or the voice is and the face is not.

Let f and v be the log-likelihood ratios of face and voice (this person against a
stranger), u that of both together, and h the prior odds of either kind of mixed clip to
a clip of one person. Face and voice are independent given whose they are. So the odds of
each story to "both" are

    face only     h · (e^−v + e^(w − v))
    voice only    h · (e^−f + e^(g − f))
    neither       e^−u

In a mixed clip the other half is a stranger's, or that of any of the N people of the
gallery. w and g are the ratios of the strongest other one by voice and by face, less
ln N: each of them is as rare as that. u is the ratio of the fused network, or f + v
where that is higher: noise in one modality spoils the fused score and not the sum.

One line turns strengths into ratios for clear and for poor clips. Of clear ones it says
too much: a stranger of the same room comes to even odds far more often than the person
falls to them. So h of "face only" rises with the quality of the speech, to `CLEAR_VOICE`
times as much, and h of "voice only" with that of the face, to `CLEAR_FACE` times. A bad
microphone is silent, and so is a face that fewer than three frames of the clip show: one
photograph of another day says as little as a stranger of the room does
(docs/research/norms.md). Frames are counted, not how they differ, so a still with sound
is not silent.

A codec, a telephone, a room or loud noise spoils a voice: its ratios fall for everybody, the
person included. The quality of the speech shows little of that. So h of "face only" is
`SPOILT_VOICE` times as high there (docs/research/norms.md). A voice that is plainly not the
person's still speaks against them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from utils.modality import SINGLE, Modality

CLEAR_VOICE = 2.0
"""How many times likelier "face only" is beforehand where the speech is perfectly clear."""
CLEAR_FACE = 3.0
"""How many times likelier "voice only" is where three frames or more show a clear face."""
SPOILT_VOICE = 1 / 20
"""How many times as likely "face only" is where the voice is spoilt."""
POOR = 0.8
"""Quality up to which nothing is clear: two seconds of speech have it, and noise at 5 dB."""
_LIMIT = 500.0


class Story(StrEnum):
    """Whose face and whose voice are in a clip."""

    BOTH = "both"
    FACE_ONLY = "face_only"
    VOICE_ONLY = "voice_only"
    NEITHER = "neither"


@dataclass(frozen=True, kw_only=True)
class Clarity:
    """How clear face and speech are, in [0, 1]. 0: unknown, or a face of too few frames.

    `is_voice_spoilt`: a codec, a telephone, a room or noise changes how the voice sounds.
    """

    face: float = 0.0
    voice: float = 0.0
    is_voice_spoilt: bool = False

    @property
    def face_only(self) -> float:
        """How many times as likely as elsewhere "face only" is beforehand."""
        return SPOILT_VOICE if self.is_voice_spoilt else _rise(CLEAR_VOICE, self.voice)

    @property
    def voice_only(self) -> float:
        """How many times as likely as elsewhere "voice only" is beforehand."""
        return _rise(CLEAR_FACE, self.face)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a clip says of one person: natural log-likelihood ratios.

    Attributes:
        face, voice: None where there is nothing to compare. That is for nobody, and
            against nobody.
        joint: of the fused score.
        face_rival, voice_rival: of the strongest other person of the gallery.
        people: number of people in the gallery.
        clarity: of what is seen and heard.
    """

    face: float | None
    voice: float | None
    joint: float
    face_rival: float = -math.inf
    voice_rival: float = -math.inf
    people: int = 1
    clarity: Clarity = Clarity()

    @property
    def both(self) -> float:
        """The ratio that face and voice are both the person's: u."""
        return max(self.joint, (self.face or 0.0) + (self.voice or 0.0))

    def silent(self, support: float) -> list[Modality]:
        """The modalities that do not speak for the person by themselves.

        Their ratio is below `support`, or somebody else's is higher.
        """
        pairs = ((self.face, self.face_rival), (self.voice, self.voice_rival))
        return [
            modality
            for modality, (own, rival) in zip(SINGLE, pairs, strict=True)
            if own is None or own < max(support, rival)
        ]

    def has_both(self, support: float) -> bool:
        """Whether face and voice each speak for the person, whoever else they are like."""
        return min(self.face or 0.0, self.voice or 0.0) >= support


def weigh(evidence: Evidence, mixed: float) -> dict[Story, float]:
    """Find the probability of each story. They sum to 1.

    Args:
        evidence: what the clip says of the person.
        mixed: prior odds of a mixed clip, h > 0.
    """
    share = math.log(evidence.people)
    voice = _somebody_else(evidence.voice, evidence.voice_rival - share)
    face = _somebody_else(evidence.face, evidence.face_rival - share)
    odds = {
        Story.BOTH: 1.0,
        Story.FACE_ONLY: mixed * evidence.clarity.face_only * voice,
        Story.VOICE_ONLY: mixed * evidence.clarity.voice_only * face,
        Story.NEITHER: _exp(-evidence.both),
    }
    total = sum(odds.values())
    return {story: value / total for story, value in odds.items()}


def _rise(most: float, quality: float) -> float:
    """How many times likelier a story is beforehand with this quality, up to `most`."""
    clear = max(quality - POOR, 0.0) / (1.0 - POOR)
    return math.pow(most, clear)


def _somebody_else(own: float | None, rival: float) -> float:
    """Likelihood of what is heard (or seen) if it is not the person's, to that if it is."""
    stranger = 0.0 if own is None else _exp(-own)
    return stranger + _exp(rival - (own or 0.0))


def _exp(exponent: float) -> float:
    """The exponential, bounded so that no sum overflows."""
    return math.exp(max(min(exponent, _LIMIT), -_LIMIT))
