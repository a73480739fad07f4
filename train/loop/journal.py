"""The journal of a training run: CSV logs, a line to watch, and the curves as PNG."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from utils.whole_file import whole_file

LOSSES_LOG = "log.csv"
METRICS_LOG = "validation.csv"
LOGS = (LOSSES_LOG, METRICS_LOG)
# Columns that are no loss and no metric.
COUNTS = frozenset({"step", "samples", "seconds", "samples_per_s"})
NOT_DRAWN = COUNTS | {"rate", "gradient_norm"}


@dataclass(frozen=True)
class Position:
    """How far a run has come: steps, samples seen, and seconds of training."""

    step: int
    samples: int
    seconds: float


class Journal:
    """Collects losses per step and writes the logs of a run.

    The means of the losses go to `log.csv`, metrics to `validation.csv`, both to
    `curves.png`.
    """

    def __init__(self, run_dir: Path) -> None:
        """Log into `run_dir`, appending to the logs of an earlier part of the run."""
        run_dir.mkdir(parents=True, exist_ok=True)
        self._run_dir = run_dir
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._last: dict[str, float] = {}
        self._since: Position | None = None

    def rewind(self, step: int) -> None:
        """Drop the rows after `step`.

        A run that was killed repeats the steps since its last checkpoint.
        """
        for name in LOGS:
            file = self._run_dir / name
            rows = read_log(file)
            earlier = [row for row in rows if row["step"] <= step]
            if len(earlier) < len(rows):
                _rewrite(file, _read_header(file), earlier)

    def record(self, at: Position, losses: Mapping[str, float], *, every: int) -> bool:
        """Count one step, and write the means on every `every`-th one.

        Returns:
            Whether a row was written.
        """
        if self._since is None:  # the first step traces the graph: its speed says nothing
            self._since = at
            return False
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        if self._steps < every:
            return False
        passed_s = max(at.seconds - self._since.seconds, 1e-9)
        means = {name: value / self._steps for name, value in self._sums.items()}
        self._last = {
            "step": at.step,
            "samples": at.samples,
            "seconds": at.seconds,
            "samples_per_s": (at.samples - self._since.samples) / passed_s,
            **means,
        }
        _append(self._run_dir / LOSSES_LOG, self._last)
        self._sums = {}
        self._steps = 0
        self._since = at
        return True

    def line(self, progress: float) -> str:
        """The last log entry in one line, with a bar, the speed and the expected end.

        The end is in local time.
        """
        row = self._last
        left_s = row["seconds"] * (1 - progress) / max(progress, 1e-6)
        end = datetime.now().astimezone() + timedelta(seconds=min(left_s, 1e7))
        bar = "#" * round(20 * progress) + "." * (20 - round(20 * progress))
        losses = "  ".join(
            f"{name} {value:.4g}" for name, value in row.items() if name not in COUNTS
        )
        return f"[{bar}] {row['step']:.0f}  {row['samples_per_s']:.0f}/s  end {end:%H:%M}  {losses}"

    def record_metrics(self, at: Position, metrics: Mapping[str, float]) -> None:
        """Write a row of metrics, and draw the curves anew."""
        row = {"step": at.step, "samples": at.samples, "seconds": at.seconds, **metrics}
        _append(self._run_dir / METRICS_LOG, row)
        draw_curves(self._run_dir)


def read_log(file: Path) -> list[dict[str, float]]:
    """Rows of a CSV log, none where the file does not exist."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return [_parse_row(row) for row in csv.DictReader(stream)]


def _parse_row(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if value}


def draw_curves(run_dir: Path) -> None:
    """Draw the losses and the dev metrics of a run over samples seen: `curves.png`."""
    # Half a second, only when a curve is drawn.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_log(left, read_log(run_dir / LOSSES_LOG), marker="")
    _draw_log(right, read_log(run_dir / METRICS_LOG), marker=".")
    left.set_yscale("log")
    left.set_title("training losses")
    right.set_title("dev metrics (average weights)")
    figure.savefig(run_dir / "curves.png", dpi=110)


def _draw_log(axes: Any, rows: list[dict[str, float]], marker: str) -> None:
    names = [name for name in (rows[0] if rows else {}) if name not in NOT_DRAWN]
    for name in names:
        points = [(row["samples"], row[name]) for row in rows if name in row]
        axes.plot(*zip(*points, strict=True), label=name, marker=marker)
    axes.set_xlabel("samples seen")
    axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
    if rows:
        axes.legend()


def _append(file: Path, row: Mapping[str, float]) -> None:
    """Append a row.

    Where it has other columns than the file so far, the file is written anew with all
    of them.
    """
    header = _read_header(file)
    if list(row) != header:
        rows = read_log(file)
        header += [name for name in row if name not in header]
        _rewrite(file, header, rows)
    _write(file, "a", header, [_format_row(row)])


def _rewrite(file: Path, header: list[str], rows: list[dict[str, float]]) -> None:
    """Replace a log in one step, so that a kill cannot cost all of it."""
    titles = dict(zip(header, header, strict=True))
    with whole_file(file) as partial:
        _write(partial, "w", header, [titles, *map(_format_row, rows)])


def _read_header(file: Path) -> list[str]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream), [])


def _write(file: Path, mode: str, header: list[str], rows: list[dict[str, str]]) -> None:
    with file.open(mode, newline="", encoding="utf-8") as stream:
        csv.DictWriter(stream, header).writerows(rows)


def _format_row(row: Mapping[str, float]) -> dict[str, str]:
    return {name: _format_number(value) for name, value in row.items()}


def _format_number(value: float) -> str:
    return f"{value:.6g}" if isinstance(value, float) and value % 1 else f"{value:.0f}"
