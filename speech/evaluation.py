"""Error rates of an engine on recordings whose words are there.

A manifest is a CSV file with the columns `path`, `text` and, where it is known,
`speaker`. Texts with digits are left out and counted, because digits may be spoken in
several ways. Digits that an engine writes are read out in the way that is nearest.
"""

from __future__ import annotations

import csv
import re
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from align.sound_stream import open_sound
from scoring.bootstrap import bootstrap_interval
from speech.conditions import CLEAN, Condition
from speech.error_rates import (
    NORMALISER,
    Errors,
    count_character_errors,
    count_word_errors,
    total,
)
from speech.numbers import read_out
from speech.ports import LONGEST_S, Transcriber
from speech.transcription_session import TranscriptionSession
from utils.arrays import RATE_HZ, Float32Array, IndexArray
from utils.errors import DatasetError

MEASURES = ("cer_without_spaces", "cer", "wer")
_HAS_DIGIT = re.compile(r"\d")
_DURATIONS_S = (2, 5, 10)
_WORST = 10
_LONGEST_FILE_S = 3600.0


@dataclass(frozen=True)
class Utterance:
    """A line of a manifest."""

    path: str
    text: str
    speaker: str


@dataclass(frozen=True)
class Result:
    """What an engine wrote of an utterance, with the errors by measure."""

    utterance: Utterance
    written: str
    duration_s: float
    processor_s: float
    errors: dict[str, Errors]


Write = Callable[[Float32Array], str]
"""Writes down what is said in a sound (n,)."""


def read_manifest(file: Path) -> tuple[list[Utterance], int]:
    """Read the utterances without digits, and count those that are left out.

    Raises DatasetError.
    """
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or not {"path", "text"} <= rows[0].keys():
        raise DatasetError("A manifest has the columns path and text, and a row at least.")
    utterances = [Utterance(row["path"], row["text"], row.get("speaker") or "") for row in rows]
    plain = [u for u in utterances if u.text.strip() and not _HAS_DIGIT.search(u.text)]
    if not plain:
        raise DatasetError("The manifest holds no text without digits.")
    return plain, len(rows) - len(plain)


def write_by_session(transcriber: Transcriber, language: str | None) -> Write:
    """Write as the product does: voice activity, windows, filters."""

    def write(samples: Float32Array) -> str:
        session = TranscriptionSession(transcriber, language=language)
        lines = [*session.accept(samples), *session.finish()]
        return " ".join(line.text for line in lines)

    return write


def write_directly(transcriber: Transcriber, language: str | None) -> Write:
    """Write with the engine alone, of the first half minute, to see what the rest costs."""

    def write(samples: Float32Array) -> str:
        first = samples[: int(LONGEST_S * RATE_HZ)]
        return transcriber.transcribe(first, language=language).text

    return write


def evaluate(
    utterances: Iterable[Utterance], media: Path, write: Write, *, condition: Condition = CLEAN
) -> Iterator[Result]:
    """Write each utterance down and count the errors.

    Args:
        utterances: what is said.
        media: folder or zip archive that the paths are in.
        write: what is measured.
        condition: what is made of each recording first.

    Raises MediaError.
    """
    for utterance in utterances:
        samples = condition.change(_read(media, utterance.path))
        started = time.process_time()
        written = write(samples)
        processor_s = time.process_time() - started
        yield Result(
            utterance=utterance,
            written=written,
            duration_s=len(samples) / RATE_HZ,
            processor_s=processor_s,
            errors=count_all(utterance.text, written),
        )


def count_all(reference: str, written: str) -> dict[str, Errors]:
    """Count the errors by each measure. Digits that are written are read out first."""

    def count_errors(text: str) -> int:
        return count_character_errors(reference, text, spaces=False).count

    written = read_out(written, reference, count_errors)
    return {
        "cer_without_spaces": count_character_errors(reference, written, spaces=False),
        "cer": count_character_errors(reference, written, spaces=True),
        "wer": count_word_errors(reference, written),
    }


def summarise(results: list[Result]) -> dict[str, Any]:
    """Sum results up: rates with intervals, by speaker, by duration, and the worst."""
    duration_s = sum(r.duration_s for r in results)
    worst = sorted(results, key=lambda r: -_rate(r, MEASURES[0]))[:_WORST]
    return {
        "normaliser": NORMALISER,
        "utterances": len(results),
        "duration_s": round(duration_s, 1),
        "processor_time_per_second": round(
            sum(r.processor_s for r in results) / max(duration_s, 1e-9), 3
        ),
        **{measure: _describe(results, measure) for measure in MEASURES},
        "by_speaker": _group(results, lambda r: r.utterance.speaker or "-"),
        "by_duration": _group(results, lambda r: _name_duration(r.duration_s)),
        "worst": [_show(result) for result in worst],
        "results": [_show(result) for result in results],
    }


def describe_conditions(results: dict[str, list[Result]], left_out: int) -> dict[str, Any]:
    """Sum up results by the name of their condition.

    The first condition is described in full. Of all there are the rates with their
    intervals. `left_out` counts the texts with digits.
    """
    first = next(iter(results))
    return {
        "condition": first,
        "digits": "texts with digits are left out; digits that are written are read out",
        "left_out": left_out,
        **summarise(results[first]),
        "conditions": {name: _with_intervals(group) for name, group in results.items()},
    }


def _with_intervals(group: list[Result]) -> dict[str, Any]:
    intervals = {f"{measure}_95": _interval(group, measure) for measure in MEASURES}
    return {**_sum_up(group), **intervals}


def _describe(results: list[Result], measure: str) -> dict[str, Any]:
    errors = _total(results, measure)
    return {
        "rate": round(errors.rate, 4),
        "interval_95": _interval(results, measure),
        "substitutions": errors.substitutions,
        "deletions": errors.deletions,
        "insertions": errors.insertions,
        "length": errors.length,
    }


def _interval(results: list[Result], measure: str) -> list[float] | None:
    """Interval by bootstrap over speakers. None for fewer than two."""
    speakers = [r.utterance.speaker for r in results]
    if len(set(speakers)) < 2:
        return None

    def rate(rows: IndexArray) -> float:
        return _total((results[row] for row in rows), measure).rate

    interval = bootstrap_interval(rate, speakers)
    return [round(interval.low, 4), round(interval.high, 4)]


def _group(results: list[Result], key: Callable[[Result], str]) -> dict[str, Any]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return {name: _sum_up(group) for name, group in sorted(groups.items())}


def _sum_up(group: list[Result]) -> dict[str, Any]:
    rates = {m: round(_total(group, m).rate, 4) for m in MEASURES}
    return {"utterances": len(group), **rates}


def _total(results: Iterable[Result], measure: str) -> Errors:
    return total(result.errors[measure] for result in results)


def _name_duration(seconds: float) -> str:
    for limit_s in _DURATIONS_S:
        if seconds < limit_s:
            return f"below {limit_s} s"
    return f"{_DURATIONS_S[-1]} s and more"


def _rate(result: Result, measure: str) -> float:
    return result.errors[measure].rate if result.errors[measure].length else 0.0


def _show(result: Result) -> dict[str, Any]:
    return {
        "path": result.utterance.path,
        "reference": result.utterance.text,
        "written": result.written,
        MEASURES[0]: round(_rate(result, MEASURES[0]), 4),
    }


def _read(media: Path, name: str) -> Float32Array:
    with (
        _locate(media, name) as path,
        open_sound(path, max_s=_LONGEST_FILE_S, filename=name) as sound,
    ):
        return np.concatenate(list(sound.blocks))


@contextmanager
def _locate(media: Path, name: str) -> Iterator[Path]:
    """Find a file of the folder, or take it out of the archive for a while."""
    if media.is_dir():
        yield media / name
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(media) as archive:
        try:
            path = archive.extract(name, folder)
        except KeyError:
            raise DatasetError(f"The archive lacks a file. Received: {name!r}") from None
        yield Path(path)
