"""Right of way: who has none waits, and not for ever."""

from __future__ import annotations

import threading
import time

from utils.right_of_way import RightOfWay


def test_nobody_waits_where_nobody_has_right_of_way() -> None:
    started = time.monotonic()
    RightOfWay().give(60.0)
    assert time.monotonic() - started < 30


def test_who_has_none_waits_until_the_last_one_has_passed() -> None:
    way = RightOfWay()
    order: list[str] = []
    waits = threading.Event()

    def wait() -> None:
        waits.set()
        way.give(60.0)
        order.append("gave way")

    thread = threading.Thread(target=wait)
    with way.take():
        with way.take():
            thread.start()
            waits.wait()
        order.append("one passed")
        thread.join(0.2)
        assert thread.is_alive()
        order.append("all passed")
    thread.join()
    assert order == ["one passed", "all passed", "gave way"]


def test_nobody_waits_for_ever() -> None:
    way = RightOfWay()
    with way.take():
        started = time.monotonic()
        way.give(0.1)
        assert time.monotonic() - started >= 0.09
    way.give(60.0)
