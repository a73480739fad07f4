"""Sketching beside searches: what fails or moves meanwhile costs sketches, never a search."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gallery.records.feed import Revision
from gallery.search import sketch, sketching
from gallery.search.codes import decode, encode
from gallery.search.memory import ALL, Snapshot
from gallery.search.sketch import Sketches
from gallery.search.sketching import Sketching
from tests.gallery.test_search_codes import rows_of
from tests.support.waiting import until
from utils.arrays import Float32Array
from utils.modality import Modality

ROWS = 300
AT_ONCE = 16
TABLE: Any = encode(rows_of(np.random.default_rng(0), ROWS, 64))


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sketch so small a gallery, a few rows at once, in the search itself."""
    monkeypatch.setattr(sketching, "_LEAST_ROWS", 100)
    monkeypatch.setattr(sketching, "_ROWS_AT_ONCE", AT_ONCE)


def snapshot_of(layout: int, count: int = ROWS) -> Snapshot:
    """The first rows of the gallery, in all modalities."""
    return Snapshot(
        revision=Revision("gallery", "file", 1),
        keys=np.arange(1, count + 1),
        vectors=dict.fromkeys(ALL, TABLE[:count]),
        has=dict.fromkeys(ALL, np.ones(count, np.bool_)),
        refs={},
        stale=(),
        people=count,
        layout=layout,
    )


def begin(decoding: Any = decode) -> Sketching:
    made = Sketching(decoding)
    made.begin(7)
    return made


def test_no_search_counts_who_has_a_modality() -> None:
    """A million marks of a modality that nobody has take longer than all else here."""
    made = begin()
    totals = {m: ROWS if m == Modality.FACE else 0 for m in ALL}
    rows = replace(snapshot_of(7), totals=totals, has={})
    made.keep_up(rows)
    assert made.of(rows, Modality.FACE) is not None
    assert made.of(rows, Modality.VOICE) is None


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_a_search_goes_on_where_no_thread_can_start(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise error

    made = begin()
    monkeypatch.setattr(sketching, "_ROWS_NOW", 10)
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        made.keep_up(snapshot_of(7, ROWS - 1))
    made.keep_up(snapshot_of(7))
    until(lambda: not made._turn.locked(), every_s=0.001)
    assert made.of(snapshot_of(7), Modality.FACE) is not None


def test_directions_that_hold_too_little_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan of all codes is faster, and sketches would be memory for nothing."""
    calls = []

    def count(rows: Any) -> Float32Array:
        calls.append(len(rows))
        return decode(rows)

    monkeypatch.setattr(sketch, "DIRECTIONS", 16)
    made = begin(count)
    for rows in (ROWS - 1, ROWS):
        made.keep_up(snapshot_of(7, rows))
        assert made.of(snapshot_of(7, rows), Modality.FACE) is None
    assert calls == [ROWS - 1] * len(ALL)


def test_any_error_is_said_once_and_tried_again_after_a_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = []
    errors: list[Exception] = [np.linalg.LinAlgError("no convergence"), ValueError("not packed")]

    def failing(rows: Any) -> Float32Array:
        calls.append(len(rows))
        if errors:
            raise errors.pop()
        return decode(rows)

    made = begin(failing)
    with caplog.at_level(logging.WARNING, "duet.gallery"):
        for count in (ROWS - 2, ROWS - 2, ROWS - 1, ROWS - 1):
            made.keep_up(snapshot_of(7, count))
            assert made.of(snapshot_of(7, count), Modality.FACE) is None
    assert len(calls) == 2
    assert len(caplog.records) == 1
    made.keep_up(snapshot_of(7))
    assert made.of(snapshot_of(7), Modality.FACE) is not None


def test_rows_that_have_moved_are_sketched_no_further() -> None:
    calls = []

    def moving(rows: Any) -> Float32Array:
        calls.append(len(rows))
        if len(calls) == 3:  # those to learn from, the first rows, these
            made.move(np.ones(ROWS, np.bool_), 8)
        return decode(rows)

    made = begin(moving)
    made.keep_up(snapshot_of(7))
    assert calls == [ROWS, AT_ONCE, AT_ONCE]
    made.keep_up(snapshot_of(8))
    sketches = made.of(snapshot_of(8), Modality.FACE)
    assert sketches is not None
    fresh = Sketches(sketches._axes)
    fresh.add(decode(TABLE))
    np.testing.assert_array_equal(sketches._rows[:ROWS], fresh._rows[:ROWS])


class Interrupted(Sketching):
    """Another thread moves the rows as soon as it may, once sketches have failed."""

    moved = False

    @property
    def _made(self) -> tuple[int, dict[Modality, Sketches | None]]:
        made: tuple[int, dict[Modality, Sketches | None]] = self.__dict__["made"]
        if getattr(self, "_failed", None) and not self.moved and not self._lock.locked():
            self.moved = True
            self.move(np.ones(ROWS, np.bool_), 8)
        return made

    @_made.setter
    def _made(self, made: tuple[int, dict[Modality, Sketches | None]]) -> None:
        self.__dict__["made"] = made


def test_rows_that_move_while_sketches_fail_stay_moved() -> None:
    errors = [MemoryError()]

    def failing(rows: Any) -> Float32Array:
        if errors:
            raise errors.pop()
        return decode(rows)

    made = Interrupted(failing)
    made.begin(7)
    made.keep_up(snapshot_of(7))
    assert made.of(snapshot_of(7), Modality.FACE) is None  # the other thread may move by now
    assert made.moved
    made.keep_up(snapshot_of(8))
    assert made.of(snapshot_of(8), Modality.FACE) is not None
