"""Rejected clips: five within three minutes are enough, in all replicas together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from gallery.records.rejections import MOST, WINDOW_S, Rejections
from gallery.store import Store
from gallery.tables import rejections as table

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """The moment `seconds` after the first clip."""
    return NOW + timedelta(seconds=seconds)


def test_whoever_is_rejected_too_often_waits_for_the_first_to_count_no_more(store: Store) -> None:
    replicas = [Rejections(store.database), Rejections(store.database)]
    for number in range(MOST):
        assert replicas[0].wait_s("key 1", after(number)) == 0.0
        replicas[number % 2].count("key 1", after(10.0 * number))
    for replica in replicas:
        assert replica.wait_s("key 1", after(50)) == pytest.approx(WINDOW_S - 50)
        assert replica.wait_s("key 2", after(50)) == 0.0
        assert replica.wait_s("key 1", after(WINDOW_S)) == 0.0
    replicas[0].count("key 1", after(50))
    assert replicas[1].wait_s("key 1", after(60)) == pytest.approx(WINDOW_S - 50)


def test_what_counts_no_more_is_deleted(store: Store) -> None:
    Rejections(store.database).count("key 1", NOW)
    Rejections(store.database).count("key 1", after(WINDOW_S))
    with store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 1
    store.forget_expired()
    with store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_a_clock_that_is_set_back_locks_nobody_out(store: Store) -> None:
    rejections = Rejections(store.database)
    for _ in range(MOST):
        rejections.count("key 1", NOW)
    assert rejections.wait_s("key 1", after(-60)) == WINDOW_S
    assert rejections.wait_s("key 1", after(-86400)) == 0.0
    assert rejections.count("key 1", after(-86400)) == 1
