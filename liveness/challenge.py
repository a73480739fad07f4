"""Does the person say the digits that were just asked for? An old recording does not.

The digits are new each time, so that a film of the person, shown or fed in, holds other
ones. Whoever can make a mouth and a voice say anything within the time still passes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from align.speech import find_source_time
from liveness.judgement import Judgement, LivenessOutcome
from liveness.spoken_digits import HeardWord, SpokenDigit, read_digits
from utils.arrays import Float32Array
from utils.media import Capture, SpeechSegment

MODEL_ID = "challenge-1"

DIGITS = 6

MOST_WRONG = 1
"""Digits that may be missing, added or another one: engines mishear, and so do people."""

LONGEST_S = 30.0
"""Seconds of speech that are listened to."""

Hear = Callable[[str], Sequence[HeardWord]]
"""Writes down what is said. It is told the digits that are asked for, as they decide where
the sound leaves a doubt.
"""

Listen = Callable[[Float32Array, str, int], Hear]
"""Listens to speech (n,), 16 kHz mono float32 in [-1, 1], in a language by its code. The
number of digits that should be in it helps.
"""


@dataclass(frozen=True)
class Challenge:
    """Digits that a clip must say.

    Attributes:
        digits: `DIGITS` of them, as "482913".
        language: code of the language they are said in.
        listen: listens to what is said.
    """

    digits: str
    language: str
    listen: Listen


def draw_digits() -> str:
    """Draw `DIGITS` random digits, none the same as the one before it."""
    digits = secrets.choice("0123456789")
    while len(digits) < DIGITS:
        digits += secrets.choice("0123456789".replace(digits[-1], ""))
    return digits


def judge(capture: Capture, challenge: Challenge | None) -> Judgement:
    """Judge whether the clip says the digits of its challenge.

    The score is the number of digits that are right, in [0, `DIGITS`].

    Raises what `challenge.listen` raises.
    """
    if challenge is None:
        return _not_checked("no_challenge", "The clip answers no challenge")
    speech = capture.speech_analysis.speech
    if speech is None:
        return _not_checked("no_speech", "No speech is heard")
    samples = speech.samples[: int(LONGEST_S * speech.rate_hz)]
    words = challenge.listen(samples, challenge.language, DIGITS)(challenge.digits)
    heard = read_digits(words, challenge.language)
    wrong = count_wrong(challenge.digits, "".join(one.digit for one in heard))
    is_right = wrong <= MOST_WRONG
    return Judgement(
        outcome=LivenessOutcome.PASSED if is_right else LivenessOutcome.FAILED,
        reason="The digits are said" if is_right else "Other digits are asked for than are said",
        score=float(max(0, DIGITS - wrong)),
        threshold=float(DIGITS - MOST_WRONG),
        model_id=MODEL_ID,
        code="" if is_right else "wrong_digits",
        digits=_place(heard, capture.speech_analysis.segments),
    )


def count_wrong(asked: str, heard: str) -> int:
    """Count digits that are missing, added or another one: the Levenshtein distance."""
    row = list(range(len(heard) + 1))
    for i, wanted in enumerate(asked, 1):
        above = row
        row = [i]
        for j, digit in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (wanted != digit)))
    return row[-1]


def _not_checked(code: str, reason: str) -> Judgement:
    return Judgement(
        outcome=LivenessOutcome.NOT_CHECKED,
        reason=reason,
        threshold=float(DIGITS - MOST_WRONG),
        model_id=MODEL_ID,
        code=code,
    )


def _place(
    digits: Sequence[SpokenDigit], segments: Sequence[SpeechSegment]
) -> tuple[SpokenDigit, ...]:
    """Place digits of the joined speech in the time of the clip."""
    return tuple(
        SpokenDigit(
            one.digit,
            find_source_time(one.start_s, segments),
            find_source_time(one.end_s, segments),
        )
        for one in digits
    )
