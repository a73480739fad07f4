"""What was written of a recording so far, as JSON: a job goes on from it after a stop.

Sound is decoded and listened to again, which takes a fiftieth of its length. Windows
that the engine has written down are not decoded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speech.lines import Line
from speech.ports import Word


@dataclass(frozen=True)
class Checkpoint:
    """What is written of one channel: `windows` of it, which made these lines."""

    windows: int
    language: str | None
    lines: tuple[Line, ...]


def to_json(checkpoints: Sequence[Checkpoint]) -> list[dict[str, Any]]:
    """Write the checkpoints of all channels."""
    return [
        {"windows": c.windows, "language": c.language, "lines": list(map(_write_line, c.lines))}
        for c in checkpoints
    ]


def from_json(data: Sequence[Mapping[str, Any]]) -> list[Checkpoint]:
    """Read what `to_json` returned."""
    return [
        Checkpoint(one["windows"], one["language"], tuple(map(_read_line, one["lines"])))
        for one in data
    ]


def _write_line(line: Line) -> list[Any]:
    words = [[w.text, w.start_s, w.end_s, w.probability] for w in line.words]
    return [
        words,
        line.mean_log_probability,
        line.no_speech_probability,
        line.compression_ratio,
    ]


def _read_line(data: Sequence[Any]) -> Line:
    words, *figures = data
    return Line(tuple(Word(*word) for word in words), *figures)
