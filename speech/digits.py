"""Which of the digits that may be said are written down, where some are asked for.

An engine hears sounds that are alike one way or the other: a five as a nine. What is as
likely as what it heard best is heard in favour of who speaks. All else is not: digits that
are asked for are never heard because they are asked for.
"""

from __future__ import annotations

from liveness.challenge import count_wrong
from liveness.spoken_digits import read_digits
from speech.ports import DigitReadings, Word

DOUBT = 1.5
"""Doubt up to which a reading may be what is said (`cli.py evaluate digits`)."""


def choose_digits(readings: DigitReadings, language: str, asked: str) -> tuple[Word, ...]:
    """Write down the reading that is nearest to `asked` among those that may be said.

    What is written freely is one of them: "forty-eight" is no string of digits.
    """
    doubts = readings.doubts
    likely = [digits for digits, doubt in doubts.items() if doubt <= DOUBT]
    nearest = min(likely, key=lambda digits: (count_wrong(asked, digits), doubts[digits]))
    written = "".join(one.digit for one in read_digits(readings.written, language))
    if count_wrong(asked, written) < count_wrong(asked, nearest):
        return readings.written
    return readings.place(nearest)
