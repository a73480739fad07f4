"""Work shared out among threads: in order, whole, and never waiting for a busy thread."""

from __future__ import annotations

import threading
from itertools import chain

import pytest

from tests.support.waiting import LIMIT_S
from utils import sharing
from utils.sharing import share


def test_parts_come_in_their_order_and_leave_nothing_out() -> None:
    for shares in (1, 2, 3, 16):
        parts = share(10, lambda a, b: list(range(a, b)), shares)
        assert len(parts) == shares
        assert list(chain.from_iterable(parts)) == list(range(10))


def test_work_that_is_shared_may_be_shared_again() -> None:
    nested = share(8, lambda a, b: share(b - a, lambda c, d: a + c, 2), 8)
    assert [part[0] for part in nested] == list(range(8))


def test_what_goes_wrong_in_a_part_is_raised() -> None:
    def work(a: int, _b: int) -> int:
        if a == 5:
            raise ValueError("five")
        return a

    with pytest.raises(ValueError, match="five"):
        share(10, work, 10)


def test_the_calling_thread_waits_for_no_thread_that_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "THREADS", 2)
    done = threading.Event()
    busy = [sharing._pool().submit(done.wait, LIMIT_S) for _ in range(4)]
    try:
        assert share(4, lambda a, _b: a, 4) == [0, 1, 2, 3]
        assert not done.is_set()
    finally:
        done.set()
    assert all(thread.result() for thread in busy)
