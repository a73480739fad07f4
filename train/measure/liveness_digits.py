"""How often digits that are said are heard, and how often an old recording passes.

Bona fide are strings of digits that are read aloud, judged as the challenge that asks for
them. An old recording is what was heard of one speaker, joined, from which six digits
answer a challenge that is drawn anew.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.stats import binomtest
from tqdm import tqdm

from liveness.challenge import DIGITS, MOST_WRONG, Listen, count_wrong
from liveness.spoken_digits import read_digits
from utils.arrays import Float32Array
from utils.errors import DatasetError

LEAST_DIGITS = 4
ATTACKS = 300
SEED = 0
_WORDS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")


@dataclass(frozen=True)
class Reading:
    """A string of digits that a speaker says, and the digits that are heard."""

    speaker: str
    asked: str
    heard: str

    @property
    def is_refused(self) -> bool:
        """Whether a challenge that asks for these digits fails."""
        return count_wrong(self.asked, self.heard) > MOST_WRONG


def listen_to_all(folder: Path, listen: Listen) -> list[Reading]:
    """Listen to all strings of English digits in the research data. Raises DatasetError."""
    strings = list(_strings(folder / "voices.csv"))
    if not strings:
        raise DatasetError(f"There must be strings of digits. Received: {folder.name}")
    with zipfile.ZipFile(folder / "voices.zip") as voices:
        return [
            Reading(speaker, asked, _listen(voices.read(path), asked, listen))
            for path, speaker, asked in tqdm(strings, unit="string", disable=None)
        ]


def _strings(listing: Path) -> Iterator[tuple[str, str, str]]:
    """Path, speaker and digits of each recording in which only digits are said."""
    with listing.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            words = row["text"].split()
            if len(words) >= LEAST_DIGITS and set(words) <= set(_WORDS):
                digits = "".join(str(_WORDS.index(word)) for word in words)
                yield row["path"], row["speaker"], digits


def _listen(recording: bytes, asked: str, listen: Listen) -> str:
    samples, _ = soundfile.read(io.BytesIO(recording), dtype="float32")
    speech: Float32Array = samples
    words = listen(speech, "en", len(asked))
    return "".join(one.digit for one in read_digits(words, "en"))


def attack(readings: Sequence[Reading], count: int = ATTACKS) -> list[bool]:
    """Answer fresh challenges with old recordings. Returns whether each passes."""
    rng = np.random.default_rng(SEED)
    joined: dict[str, str] = {}
    for one in readings:
        joined[one.speaker] = joined.get(one.speaker, "") + one.heard
    old = [digits for digits in joined.values() if len(digits) >= DIGITS]
    return [_attack(old[rng.integers(len(old))], rng) for _ in range(count)] if old else []


def _attack(old: str, rng: np.random.Generator) -> bool:
    start = int(rng.integers(len(old) - DIGITS + 1))
    return count_wrong(_draw(rng), old[start : start + DIGITS]) <= MOST_WRONG


def _draw(rng: np.random.Generator) -> str:
    """Draw digits as a challenge does, by a seed."""
    digits = str(rng.integers(10))
    while len(digits) < DIGITS:
        digits += str(rng.choice(sorted(set("0123456789") - {digits[-1]})))
    return digits


def as_markdown(readings: Sequence[Reading]) -> str:
    """Table of both kinds of errors, and which digits are missed."""
    speakers = len({one.speaker for one in readings})
    refused = _share([one.is_refused for one in readings])
    passed = attack(readings)
    missed = ", ".join(f"{one.asked} as {one.heard}" for one in readings if one.is_refused)
    return "\n".join(
        [
            "Check `challenge`, in English.",
            "",
            "| what is said | rate | errors: share in % (95 % interval) | clips | speakers |",
            "|---|---|---|---|---|",
            f"| the digits that are asked for | BPCER | {refused} | {len(readings)} | {speakers} |",
            f"| six digits of an old recording | APCER | {_share(passed)} | {len(passed)} | |",
            "",
            f"Refused: {missed or 'none'}.",
        ]
    )


def _share(errors: Sequence[bool]) -> str:
    if not errors:
        return "-"
    interval = binomtest(sum(errors), len(errors)).proportion_ci(method="exact")
    bounds = f"({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    return f"{sum(errors)}: {100 * sum(errors) / len(errors):.1f} {bounds}"
