"""Tables of sound that does not fit a mouth."""

from __future__ import annotations

import numpy as np

from train.measure.liveness_sync import SyncScores, as_rows, summarise


def scores(genuine: list[float], dubbed: list[float], late: list[float]) -> SyncScores:
    return SyncScores("a set", 3, np.array(genuine), np.array(dubbed), np.array(late))


def test_errors_are_counted_at_the_threshold_in_use() -> None:
    rows = as_rows(scores([0.1, 0.5, 0.6, 0.7], [0.0, 0.1, 0.1, 0.3], [0.0] * 4))
    assert rows[0] == "| a set: genuine | BPCER | 1: 25.0 (0.6 to 80.6) | 4 | 3 | |"
    assert "| APCER | 1: 25.0 (0.6 to 80.6) | 4 | 3 | 0.875 |" in rows[1]
    assert "| APCER | 0: 0.0 (0.0 to 60.2) | 4 | 3 | 1.000 |" in rows[2]
    assert as_rows(scores([], [], [])) == []


def test_figures_of_a_card_are_at_a_bpcer_of_5_percent() -> None:
    figures = summarise(scores(np.linspace(0.2, 1, 101).tolist(), [0.1, 0.3], [0.0, 0.9]))
    assert figures["threshold_at_bpcer_5"] == 0.24
    assert figures["apcer_dubbed_at_bpcer_5"] == figures["apcer_late_at_bpcer_5"] == 0.5
    assert figures["auc_dubbed"] > figures["auc_late"]
