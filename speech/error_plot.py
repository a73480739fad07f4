"""Error rates as a picture: by condition, by duration and by speaker.

PNG. No display is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

MEASURE_NAMES = {
    "cer_without_spaces": "CER without spaces",
    "cer": "CER",
    "wer": "WER",
}
_MOST_SPEAKERS = 40
_WIDTH = 0.8 / len(MEASURE_NAMES)


def draw_report(file: Path, report: dict[str, Any]) -> None:
    """Draw a report of `speech.evaluation.describe_conditions`."""
    # Half a second, only when something is drawn
    from matplotlib.figure import Figure

    speakers = sorted(report["by_speaker"].items(), key=lambda one: -one[1]["wer"])
    panels = {
        "condition": report["conditions"],
        "duration": report["by_duration"],
        f"speaker (worst {_MOST_SPEAKERS})": dict(speakers[:_MOST_SPEAKERS]),
    }
    figure = Figure(figsize=(17.0, 4.8), layout="constrained")
    axes = figure.subplots(1, len(panels), width_ratios=(1, 0.6, 1.6))
    for ax, (name, rates) in zip(axes, panels.items(), strict=True):
        _draw_panel(ax, name, rates)
    axes[0].legend(fontsize=8)
    figure.savefig(file, dpi=110)


def _draw_panel(ax: Any, name: str, rates: dict[str, dict[str, Any]]) -> None:
    """Draw a bar for each measure of each group, with its interval where there is one."""
    for number, (measure, label) in enumerate(MEASURE_NAMES.items()):
        places = [place + (number - 1) * _WIDTH for place in range(len(rates))]
        values = [100 * one[measure] for one in rates.values()]
        ax.bar(places, values, _WIDTH, label=label)
        _draw_intervals(ax, places, [one.get(f"{measure}_95") for one in rates.values()])
    ax.set_xticks(range(len(rates)), list(rates), rotation=90 if len(rates) > 8 else 30)
    ax.set(title=f"by {name}", ylabel="error rate in %", ylim=(0, None))
    ax.grid(axis="y", alpha=0.3)


def _draw_intervals(ax: Any, places: list[float], intervals: list[list[float] | None]) -> None:
    for place, interval in zip(places, intervals, strict=True):
        if interval:
            ax.vlines(place, 100 * interval[0], 100 * interval[1], color="black", linewidth=1)
