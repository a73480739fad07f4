"""The journal of a training run: CSV logs, lines to watch, and the curves as PNG.

Losses go to `log.csv`, metrics to `validation.csv`, and what both were in each epoch to
`epochs.csv`.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from operator import mul
from pathlib import Path
from typing import Any

from utils.whole_file import whole_file

LOSSES_LOG = "log.csv"
METRICS_LOG = "validation.csv"
EPOCHS_LOG = "epochs.csv"
LOGS = (LOSSES_LOG, METRICS_LOG, EPOCHS_LOG)
# Columns that are no loss and no metric.
COUNTS = frozenset({"step", "epoch", "samples", "seconds", "samples_per_s"})
NOT_DRAWN = COUNTS | {"rate", "gradient_norm"}
# Values of a line that have a place of their own in it.
NAMED = COUNTS | {"loss", "accuracy", "rate"}
# A line comes after so many seconds at the latest.
LONGEST_SILENCE_S = 30.0
# Least time between two drawings of the curves while a run goes on.
DRAW_PAUSE_S = 20.0


@dataclass(frozen=True)
class Position:
    """How far a run has come: steps, samples seen, and seconds of training."""

    step: int
    samples: int
    seconds: float


@dataclass(frozen=True)
class Place:
    """How far a run has come in epochs, after a step.

    `batch` of `batches` is over in epoch number `epoch` of about `epochs`, and the part
    `progress` in [0, 1] of the whole schedule.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    progress: float

    @property
    def ends_epoch(self) -> bool:
        """Whether the epoch is over."""
        return self.batch == self.batches

    @property
    def first_step(self) -> int:
        """Steps that were over when the epoch began."""
        return (self.epoch - 1) * self.batches


class Journal:
    """Collects losses per step and writes the logs of a run."""

    def __init__(self, run_dir: Path) -> None:
        """Log into `run_dir`, appending to the logs of an earlier part of the run."""
        run_dir.mkdir(parents=True, exist_ok=True)
        self._run_dir = run_dir
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._last: dict[str, float] = {}
        self._since = Position(0, 0, 0.0)
        self._drawn_at = 0.0

    def begin(self, at: Position) -> None:
        """Begin at a position, and drop the rows after it.

        A run that was killed repeats the steps since its last checkpoint.
        """
        self._since = at
        for name in LOGS:
            file = self._run_dir / name
            rows = read_log(file)
            earlier = [row for row in rows if row["step"] <= at.step]
            if len(earlier) < len(rows):
                _rewrite(file, _read_header(file), earlier)

    def record(
        self, at: Position, losses: Mapping[str, float], *, every: int, now: bool = False
    ) -> bool:
        """Count one step, and write the means of the steps since the last row.

        A row comes after the first step, on every `every`-th step, after
        `LONGEST_SILENCE_S`, and where `now` asks for it.

        Returns:
            Whether a row was written.
        """
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        passed_s = at.seconds - self._since.seconds
        if self._last and self._steps < every and passed_s < LONGEST_SILENCE_S and not now:
            return False
        means = {name: value / self._steps for name, value in self._sums.items()}
        self._last = {
            "step": at.step,
            "samples": at.samples,
            "seconds": at.seconds,
            "samples_per_s": (at.samples - self._since.samples) / max(passed_s, 1e-9),
            **means,
        }
        _append(self._run_dir / LOSSES_LOG, self._last)
        self._sums = {}
        self._steps = 0
        self._since = at
        return True

    def line(self, place: Place) -> str:
        """The last log entry in one line, as trainers of voiceprints know it."""
        row = self._last
        left_s = row["seconds"] * (1 - place.progress) / max(place.progress, 1e-6)
        parts = [
            f"Train epoch: [{place.epoch}/{place.epochs}]",
            f"batch: [{place.batch}/{place.batches}]",
            f"loss: {row['loss']:.5f}",
        ]
        if "accuracy" in row:
            parts.append(f"accuracy: {row['accuracy']:.5f}")
        parts += [
            f"lr: {row['rate']:.8f}",
            f"speed: {row['samples_per_s']:.2f} samples/s",
            f"eta: {timedelta(seconds=round(min(left_s, 1e7)))}",
        ]
        parts += [f"{name}: {value:.4g}" for name, value in row.items() if name not in NAMED]
        return stamp(", ".join(parts))

    def record_metrics(self, at: Position, metrics: Mapping[str, float]) -> None:
        """Write a row of metrics."""
        row = {"step": at.step, "samples": at.samples, "seconds": at.seconds, **metrics}
        _append(self._run_dir / METRICS_LOG, row)

    def record_epoch(self, epoch: int, at: Position, first_step: int) -> None:
        """Write a row of an epoch that is over, from the rows since `first_step`."""
        losses = _rows_after(self._run_dir / LOSSES_LOG, first_step)
        measured = _rows_after(self._run_dir / METRICS_LOG, first_step)
        row: dict[str, float] = {"epoch": epoch, "step": at.step, "samples": at.samples}
        row |= {"seconds": at.seconds, **_means(losses, first_step)}
        if measured:
            row |= {name: value for name, value in measured[-1].items() if name not in COUNTS}
        file = self._run_dir / EPOCHS_LOG
        rows = [earlier for earlier in read_log(file) if earlier["epoch"] < epoch]
        rows.append(row)
        _rewrite(file, _join_names(rows), rows)

    def draw(self, pause_s: float = 0.0) -> None:
        """Draw the curves, unless that was done within the last `pause_s` seconds."""
        if time.monotonic() - self._drawn_at >= pause_s:
            draw_curves(self._run_dir)
            self._drawn_at = time.monotonic()


def stamp(text: str) -> str:
    """A line of a log: the local time, and the text."""
    return f"[{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}] INFO {text}"


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics in one line."""
    return ", ".join(f"{name}: {value:.4f}" for name, value in metrics.items())


def _join_names(rows: list[dict[str, float]]) -> list[str]:
    """The names of all columns, in the order of their first row."""
    names: list[str] = []
    for row in rows:
        names += [name for name in row if name not in names]
    return names


def _rows_after(file: Path, step: int) -> list[dict[str, float]]:
    return [row for row in read_log(file) if row["step"] > step]


def _means(rows: list[dict[str, float]], first_step: int) -> dict[str, float]:
    """Means of the losses of rows, each of which stands for the steps since the last."""
    names = [name for name in (rows[0] if rows else {}) if name not in COUNTS]
    steps = [first_step, *(row["step"] for row in rows)]
    weights = [after - before for before, after in pairwise(steps)]
    means = {}
    for name in names:
        values = [row.get(name, 0.0) for row in rows]
        means[name] = sum(map(mul, weights, values)) / sum(weights)
    return means


def read_log(file: Path) -> list[dict[str, float]]:
    """Rows of a CSV log, none where the file does not exist."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return [_parse_row(row) for row in csv.DictReader(stream)]


def _parse_row(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if value}


def draw_curves(run_dir: Path) -> None:
    """Draw losses, dev metrics and learning rate: `curves.png`.

    They are over the samples above, and over the epochs below.
    """
    # Half a second, only when a curve is drawn.
    from matplotlib.figure import Figure

    epochs = read_log(run_dir / EPOCHS_LOG)
    figure = Figure(figsize=(15, 8 if epochs else 4), layout="constrained")
    axes = figure.subplots(2 if epochs else 1, 3, squeeze=False)
    losses = read_log(run_dir / LOSSES_LOG)
    metrics = read_log(run_dir / METRICS_LOG)
    _draw_log(axes[0, 0], losses, "samples", "training, per step")
    _draw_log(axes[0, 1], metrics, "samples", "dev metrics (average weights)")
    _draw_rate(axes[0, 2], losses, "samples")
    if epochs:
        measured = set(metrics[0] if metrics else {})
        _draw_log(axes[1, 0], epochs, "epoch", "training, per epoch", hide=measured)
        learned = set(losses[0] if losses else {})
        _draw_log(axes[1, 1], epochs, "epoch", "dev metrics, per epoch", hide=learned)
        _draw_rate(axes[1, 2], epochs, "epoch")
    for left in axes[:, 0]:
        left.set_yscale("log")
    figure.savefig(run_dir / "curves.png", dpi=110)


def _draw_log(
    axes: Any,
    rows: list[dict[str, float]],
    over: str,
    title: str,
    *,
    hide: Collection[str] = frozenset(),
) -> None:
    """Draw the columns of a log over one of them, but those to `hide`."""
    names = [name for name in _join_names(rows) if name not in NOT_DRAWN.union(hide)]
    for name in names:
        points = [(row[over], row[name]) for row in rows if name in row]
        axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 50 else "")
    axes.set_xlabel("samples seen" if over == "samples" else over)
    axes.set_title(title)
    if names:
        # The best place takes seconds to find on a busy machine.
        axes.legend(fontsize=8, loc="upper right")


def _draw_rate(axes: Any, rows: list[dict[str, float]], over: str) -> None:
    """Draw the learning rate over a column of a log."""
    points = [(row[over], row["rate"]) for row in rows if "rate" in row]
    if points:
        axes.plot(*zip(*points, strict=True))
    axes.set(title="learning rate", xlabel="samples seen" if over == "samples" else over)


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
