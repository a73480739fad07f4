"""How often digits that are said are heard, and how often others pass.

Bona fide are strings of digits that are read aloud, judged as the challenge that asks for
them. Attacks are the same sound where other digits are asked for: two of the string are
others, or, as an old recording, six digits of a speaker meet a challenge that is drawn
anew. All of it is listened to as the service does.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import soundfile
from scipy.stats import binomtest
from tqdm import tqdm

from liveness.challenge import DIGITS, MOST_WRONG, Hear, Listen, count_wrong
from liveness.spoken_digits import SpokenDigit, read_digits
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import DatasetError

LEAST_DIGITS = 4
ATTACKS = 300
SEED = 0
LANGUAGE = "en"
_WORDS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
_PAUSE = np.zeros(RATE_HZ // 5, np.float32)
_MOST_OLD_S = 20.0

Rng = np.random.Generator


@dataclass(frozen=True)
class Saying:
    """A string of digits that a speaker says.

    `samples` are (n,) at 16 kHz, `digits` them as "2599".
    """

    speaker: str
    digits: str
    samples: Float32Array


@dataclass(frozen=True)
class Reading:
    """A string of digits that a speaker says, what is asked for, and what is heard."""

    speaker: str
    asked: str
    heard: str

    @property
    def passes(self) -> bool:
        """Whether a challenge that asks for these digits passes."""
        return count_wrong(self.asked, self.heard) <= MOST_WRONG


@dataclass(frozen=True)
class Readings:
    """What is heard where the digits that are said are asked for, and where others are."""

    genuine: list[Reading]
    others: list[Reading]
    old: list[Reading]


def measure(folder: Path, listen: Listen) -> Readings:
    """Listen to all strings of English digits in the research data. Raises DatasetError."""
    sayings = read_sayings(folder)
    rng = np.random.default_rng(SEED)
    genuine = []
    others = []
    for one in tqdm(sayings, unit="string", disable=None):
        hear = listen(one.samples, LANGUAGE, len(one.digits))
        genuine.append(_ask(one, hear, one.digits))
        others.append(_ask(one, hear, change_two(one.digits, rng)))
    return Readings(genuine, others, _attack(sayings, listen, rng))


def read_sayings(folder: Path) -> list[Saying]:
    """Read all strings of English digits in the research data. Raises DatasetError."""
    strings = list(_strings(folder / "voices.csv"))
    if not strings:
        raise DatasetError(f"There must be strings of digits. Received: {folder.name}")
    with zipfile.ZipFile(folder / "voices.zip") as voices:
        return [
            Saying(
                speaker, digits, soundfile.read(io.BytesIO(voices.read(path)), dtype="float32")[0]
            )
            for path, speaker, digits in strings
        ]


def _strings(listing: Path) -> Iterator[tuple[str, str, str]]:
    """Path, speaker and digits of each recording in which only digits are said."""
    with listing.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            words = row["text"].split()
            if len(words) >= LEAST_DIGITS and set(words) <= set(_WORDS):
                digits = "".join(str(_WORDS.index(word)) for word in words)
                yield row["path"], row["speaker"], digits


def _ask(one: Saying, hear: Hear, asked: str) -> Reading:
    return Reading(one.speaker, asked, "".join(digit.digit for digit in _hear(hear, asked)))


def _hear(hear: Hear, asked: str) -> tuple[SpokenDigit, ...]:
    return read_digits(hear(asked), LANGUAGE)


def _attack(sayings: Sequence[Saying], listen: Listen, rng: Rng) -> list[Reading]:
    """Answer `ATTACKS` fresh challenges with old recordings, each as often as the others."""
    recordings = list(chain.from_iterable(_cut(joined, listen) for joined in _join(sayings)))
    readings: list[Reading] = []
    for number, one in enumerate(tqdm(recordings, unit="recording", disable=None)):
        hear = listen(one.samples, LANGUAGE, DIGITS)
        count = len(range(number, ATTACKS, len(recordings)))
        readings += [_ask(one, hear, draw(rng)) for _ in range(count)]
    return readings


def _join(sayings: Sequence[Saying]) -> Iterator[Saying]:
    """Join the strings of each speaker, with pauses between them."""
    for speaker in dict.fromkeys(one.speaker for one in sayings):
        own = [one for one in sayings if one.speaker == speaker]
        samples = np.concatenate([np.append(one.samples, _PAUSE) for one in own])
        digits = "".join(one.digits for one in own)
        yield Saying(speaker, digits, samples[: int(_MOST_OLD_S * RATE_HZ)])


def _cut(joined: Saying, listen: Listen) -> Iterator[Saying]:
    """Cut a recording where six digits each are heard."""
    heard = _hear(listen(joined.samples, LANGUAGE, len(joined.digits)), joined.digits)
    edges = [0.0, *((a.end_s + b.start_s) / 2 for a, b in pairwise(heard))]
    edges.append(len(joined.samples) / RATE_HZ)
    for first in range(0, len(heard) - DIGITS + 1, DIGITS):
        start, end = (round(edges[place] * RATE_HZ) for place in (first, first + DIGITS))
        digits = "".join(one.digit for one in heard[first : first + DIGITS])
        yield Saying(joined.speaker, digits, joined.samples[start:end])


def change_two(digits: str, rng: Rng) -> str:
    """Put other digits in two places, so that no reading of one string fits both."""
    while True:
        others = list(digits)
        for place in rng.choice(len(digits), 2, replace=False):
            others[place] = str(rng.choice(sorted(set("0123456789") - {digits[place]})))
        if count_wrong(digits, "".join(others)) > MOST_WRONG:
            return "".join(others)


def draw(rng: Rng) -> str:
    """Draw digits as a challenge does, by a seed."""
    digits = str(rng.integers(10))
    while len(digits) < DIGITS:
        digits += str(rng.choice(sorted(set("0123456789") - {digits[-1]})))
    return digits


def as_markdown(readings: Readings) -> str:
    """Table of all kinds of errors, and which digits are missed."""
    rows = [
        _row("the digits that are asked for", "BPCER", readings.genuine),
        _row("two of the digits are others", "APCER", readings.others),
        _row("six digits of an old recording", "APCER", readings.old),
    ]
    missed = [f"{one.asked} as {one.heard}" for one in readings.genuine if not one.passes]
    return "\n".join(
        [
            "Check `challenge`, in English.",
            "",
            "| what is said | rate | errors: share in % (95 % interval) | trials | speakers |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Refused: {', '.join(missed) or 'none'}.",
        ]
    )


def _row(name: str, kind: str, readings: Sequence[Reading]) -> str:
    errors = sum(one.passes == (kind == "APCER") for one in readings)
    speakers = len({one.speaker for one in readings})
    return f"| {name} | {kind} | {_share(errors, len(readings))} | {len(readings)} | {speakers} |"


def _share(errors: int, count: int) -> str:
    if not count:
        return "-"
    interval = binomtest(errors, count).proportion_ci(method="exact")
    bounds = f"({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    return f"{errors}: {100 * errors / count:.1f} {bounds}"
