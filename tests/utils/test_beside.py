"""Work beside a block: its result and its error come to who asks, and it ends first."""

from __future__ import annotations

import threading

import pytest

from utils.beside import beside


def test_work_is_done_while_the_block_runs() -> None:
    asked = threading.Event()

    def work() -> str:
        assert asked.wait(60)
        return threading.current_thread().name

    with beside(work) as future:
        asked.set()  # the block would never come here if the work were done first
        name = future.result()
    assert name != threading.current_thread().name


def test_the_error_of_the_work_comes_to_who_asks() -> None:
    def work() -> None:
        raise LookupError("no sound")

    with pytest.raises(LookupError, match="no sound"), beside(work) as future:
        future.result()


def test_a_block_that_fails_ends_after_the_work() -> None:
    may_end = threading.Event()
    ended: list[bool] = []

    def work() -> None:
        assert may_end.wait(60)
        ended.append(True)

    def fail() -> None:
        with beside(work):
            threading.Timer(0.05, may_end.set).start()
            raise LookupError("no picture")

    with pytest.raises(LookupError, match="no picture"):
        fail()
    assert ended == [True]
