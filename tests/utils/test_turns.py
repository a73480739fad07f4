"""Places that are given in turn."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import pytest

from utils.turns import Turns

LIMIT_S = 60.0


def waiting(turns: Turns) -> int:
    return len(turns._waiting)


def ask(pool: ThreadPoolExecutor, turns: Turns) -> Future[bool]:
    """Wait for a place in another thread. It is in the queue then."""
    before = waiting(turns)
    future = pool.submit(turns.acquire, LIMIT_S)
    end = time.monotonic() + LIMIT_S
    while waiting(turns) == before and not future.done() and time.monotonic() < end:
        pass
    return future


def test_who_waits_longest_gets_the_next_place() -> None:
    turns = Turns(1)
    assert turns.acquire(0)
    with ThreadPoolExecutor(3) as pool:
        asked = [ask(pool, turns) for _ in range(3)]
        for earlier, later in pairwise(asked):
            turns.release()
            assert earlier.result(LIMIT_S)
            assert not later.done()
            assert not turns.acquire(0), "nobody goes before those who wait"
        turns.release()
        assert asked[-1].result(LIMIT_S)


def test_there_are_as_many_places_as_were_said() -> None:
    turns = Turns(2)
    assert [turns.acquire(0) for _ in range(3)] == [True, True, False]
    assert waiting(turns) == 0
    turns.release()
    assert turns.acquire(0)


@pytest.mark.parametrize("came", [False, True], ids=["none came", "one came just now"])
def test_who_is_interrupted_takes_no_place_along(came: bool) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if came:
                turns.release()
            raise KeyboardInterrupt

    turns = Turns(1, Interrupted)
    assert turns.acquire(0)
    with pytest.raises(KeyboardInterrupt):
        turns.acquire(LIMIT_S)
    assert waiting(turns) == 0
    if not came:
        turns.release()
    assert turns.acquire(0)
