"""Times of stages."""

from __future__ import annotations

import pytest

from utils.clock import timed


def test_the_milliseconds_of_a_block_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 1.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(seconds))
    timings: dict[str, float] = {"before": 1.0}
    with timed(timings, "work"):
        pass
    assert timings == {"before": 1.0, "work": 250.0}


def test_a_block_that_fails_notes_nothing() -> None:
    timings: dict[str, float] = {}
    with pytest.raises(ValueError, match="failed"), timed(timings, "work"):
        raise ValueError("failed")
    assert timings == {}
