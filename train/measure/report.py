"""The report of an evaluation: as text, and as files with plots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train import plots
from train.data.protocols import Trials
from train.measure.identification import FPIRS
from utils.arrays import Float64Array


def write_report(
    out: Path, report: Mapping[str, Any], trials: Trials, scores: Float64Array
) -> None:
    """Write report.json, scores.tsv, curves.png and histogram.png into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    rows = zip(trials.labels, scores, trials.pairs, strict=True)
    lines = [f"{label}\t{value:.6f}\t{left}\t{right}\n" for label, value, (left, right) in rows]
    (out / "scores.tsv").write_text("".join(lines), encoding="utf-8")
    name = report["trials"]["name"]
    curves = {name: (scores, trials.labels)}
    plots.draw_curves(out / "curves.png", curves)
    threshold = report["verification"]["eer"]["threshold"]
    plots.draw_histograms(out / "histogram.png", curves, {name: threshold})


def format_report(report: Mapping[str, Any]) -> str:
    """Format the report as text."""
    counts = report["trials"]
    heading = (
        f"{report['encoder']} on {counts['name']}: {counts['target']} target and"
        f" {counts['impostor']} impostor trials, {counts['people']} people, {counts['left_out']}"
        f" trials left out; normalisation: {report['normalisation']}"
    )
    lines = [heading]
    for name, figure in report["verification"].items():
        threshold = "none" if figure["threshold"] is None else f"{figure['threshold']:.4f}"
        interval = _format_interval(figure.get("interval_95"))
        lines.append(f"  {name:52} {figure['value']:.4f}  at {threshold}{interval}")
    for entry in report["identification"]:
        lines += _format_identification(entry)
    return "\n".join(lines)


def _format_identification(entry: Mapping[str, Any]) -> list[str]:
    interval = _format_interval(entry.get("rank1_interval_95"))
    lines = [
        f"  {entry['people']} people, {entry['strangers']} strangers:",
        f"    {'rank-1':50} {entry['rank1']:.4f}{interval}",
    ]
    for fpir in FPIRS:
        figure = entry[f"at_fpir_{fpir:g}"]
        interval = _format_interval(figure.get("fnir_interval_95"))
        lines.append(f"    {f'FNIR at FPIR {fpir:g}':50} {figure['fnir']:.4f}{interval}")
    return lines


def _format_interval(interval: Sequence[float] | None) -> str:
    return f"  95 % [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
