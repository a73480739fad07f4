"""Checks of the reports of evaluations."""

from __future__ import annotations

from typing import Any


def assert_intervals(report: dict[str, Any]) -> None:
    """Every rate of a report lies within an interval of its own."""
    rates = [
        (name, one["value"], one["interval_95"]) for name, one in report["verification"].items()
    ]
    for entry in report["identification"]:
        rates += [
            (name, one["fnir"], one["fnir_interval_95"])
            for name, one in entry.items()
            if name.startswith("at_fpir_")
        ]
        rates.append(("rank1", entry["rank1"], entry["rank1_interval_95"]))
    assert len(rates) >= 8 + 3 * len(report["identification"])
    for name, value, (low, high) in rates:
        assert 0 <= low <= value + 1e-9, name
        assert value - 1e-9 <= high, name
