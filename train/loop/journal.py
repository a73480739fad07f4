"""The journal of a training run: CSV logs, the line a person watches, and the curves as
PNG.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from utils.whole_file import whole_file

LOGS = ("log.csv", "validation.csv")


class Journal:
    """Collects losses per step; writes their means to `log.csv`, metrics to
    `validation.csv`, both to `curves.png`.
    """

    def __init__(self, run_dir: Path) -> None:
        """Log into `run_dir`, appending to the logs of an earlier part of the run."""
        run_dir.mkdir(parents=True, exist_ok=True)
        self._run_dir = run_dir
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._last: dict[str, float] = {}
        self._since: tuple[int, float] | None = None

    def rewind(self, step: int) -> None:
        """Drop what was logged after `step`: a run that was killed repeats the steps
        since its last checkpoint.
        """
        for name in LOGS:
            file = self._run_dir / name
            rows = read_log(file)
            kept = [row for row in rows if row["step"] <= step]
            if len(kept) < len(rows):
                _write_anew(file, _header(file), kept)

    def record(
        self, step: int, samples: int, seconds: float, losses: Mapping[str, float], every: int
    ) -> bool:
        """Count one step; on every `every`-th one write the means to the log and return
        True.
        """
        if self._since is None:  # the first step traces the graph: it says nothing about the speed
            self._since = (samples, seconds)
            return False
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        if self._steps < every:
            return False
        rate = (samples - self._since[0]) / max(seconds - self._since[1], 1e-9)
        means = {name: value / self._steps for name, value in self._sums.items()}
        self._last = {
            "step": step,
            "samples": samples,
            "seconds": seconds,
            "samples_per_s": rate,
            **means,
        }
        _append(self._run_dir / "log.csv", self._last)
        self._sums = {}
        self._steps = 0
        self._since = (samples, seconds)
        return True

    def line(self, progress: float) -> str:
        """The last log entry in one line, with a bar, the speed and the expected end
        (local time).
        """
        row = self._last
        left_s = row["seconds"] * (1 - progress) / max(progress, 1e-6)
        end = datetime.now().astimezone() + timedelta(seconds=min(left_s, 1e7))
        bar = "#" * round(20 * progress) + "." * (20 - round(20 * progress))
        known = {"step", "samples", "seconds", "samples_per_s"}
        losses = "  ".join(
            f"{name} {value:.4g}" for name, value in row.items() if name not in known
        )
        return f"[{bar}] {row['step']:.0f}  {row['samples_per_s']:.0f}/s  end {end:%H:%M}  {losses}"

    def validated(
        self, step: int, samples: int, seconds: float, metrics: Mapping[str, float]
    ) -> None:
        """Write a row of metrics to `validation.csv` and draw the curves anew."""
        row = {"step": step, "samples": samples, "seconds": seconds, **metrics}
        _append(self._run_dir / "validation.csv", row)
        draw_curves(self._run_dir)


def read_log(file: Path) -> list[dict[str, float]]:
    """Rows of a CSV log; none where the file does not exist."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(stream)
        ]


def draw_curves(run_dir: Path) -> None:
    """Draw the losses and the dev metrics of a run over samples seen into `curves.png`."""
    from matplotlib.figure import Figure  # half a second, only when a curve is drawn

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, name in zip((left, right), LOGS, strict=True):
        rows = read_log(run_dir / name)
        skipped = {"step", "samples", "seconds", "samples_per_s", "rate", "gradient_norm"}
        for key in [key for key in (rows[0] if rows else {}) if key not in skipped]:
            points = [(row["samples"], row[key]) for row in rows if key in row]
            axes.plot(
                *zip(*points, strict=True),
                label=key,
                marker="." if name == "validation.csv" else "",
            )
        axes.set_xlabel("samples seen")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
        if rows:
            axes.legend()
    left.set_yscale("log")
    left.set_title("training losses")
    right.set_title("dev metrics (average weights)")
    figure.savefig(run_dir / "curves.png", dpi=110)


def _append(file: Path, row: Mapping[str, float]) -> None:
    """Append a row; where it has other columns than the file so far, the file is
    written anew with all of them.
    """
    header = _header(file)
    if list(row) != header:
        rows = read_log(file)
        header += [name for name in row if name not in header]
        _write_anew(file, header, rows)
    _write(file, "a", header, [_shown(row)])


def _write_anew(file: Path, header: list[str], rows: list[dict[str, float]]) -> None:
    """Replace a log in one step, so that a kill cannot cost all of it."""
    titles = dict(zip(header, header, strict=True))
    with whole_file(file) as partial:
        _write(partial, "w", header, [titles, *map(_shown, rows)])


def _header(file: Path) -> list[str]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream), [])


def _write(file: Path, mode: str, header: list[str], rows: list[dict[str, str]]) -> None:
    with file.open(mode, newline="", encoding="utf-8") as stream:
        csv.DictWriter(stream, header).writerows(rows)


def _shown(row: Mapping[str, float]) -> dict[str, str]:
    return {
        name: f"{value:.6g}" if isinstance(value, float) and value % 1 else f"{value:.0f}"
        for name, value in row.items()
    }
