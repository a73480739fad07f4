"""Places that are given in turn."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import pytest

from utils.fair_semaphore import FairSemaphore

LIMIT_S = 60.0


def waiting(places: FairSemaphore) -> int:
    return len(places._waiting)


def ask(pool: ThreadPoolExecutor, places: FairSemaphore) -> Future[bool]:
    """Wait for a place in another thread. It is in the queue then."""
    before = waiting(places)
    future = pool.submit(places.acquire, LIMIT_S)
    end = time.monotonic() + LIMIT_S
    while waiting(places) == before and not future.done() and time.monotonic() < end:
        pass
    return future


def test_who_waits_longest_gets_the_next_place() -> None:
    places = FairSemaphore(1)
    assert places.acquire(0)
    with ThreadPoolExecutor(3) as pool:
        asked = [ask(pool, places) for _ in range(3)]
        for earlier, later in pairwise(asked):
            places.release()
            assert earlier.result(LIMIT_S)
            assert not later.done()
            assert not places.acquire(0), "nobody goes before those who wait"
        places.release()
        assert asked[-1].result(LIMIT_S)


def test_there_are_as_many_places_as_were_said() -> None:
    places = FairSemaphore(2)
    assert [places.acquire(0) for _ in range(3)] == [True, True, False]
    assert waiting(places) == 0
    places.release()
    assert places.acquire(0)


@pytest.mark.parametrize("came", [False, True], ids=["none came", "one came just now"])
def test_who_is_interrupted_takes_no_place_along(came: bool) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if came:
                places.release()
            raise KeyboardInterrupt

    places = FairSemaphore(1, Interrupted)
    assert places.acquire(0)
    with pytest.raises(KeyboardInterrupt):
        places.acquire(LIMIT_S)
    assert waiting(places) == 0
    if not came:
        places.release()
    assert places.acquire(0)
