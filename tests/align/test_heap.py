"""Giving free memory back, now and then."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from align.heap import Heap, own_bytes
from utils.config import ROOT

PIECES = 4500
PIECE = 40_000  # less than malloc maps by itself

# Prints how many pages a thread that holds 60 MB faults in, for the same 14 MB ten times
LARGE_PIECES = """
import resource, threading
import numpy as np
from align.heap import bound_heap, keep_heap

def count_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def use():
    held = [np.ones(12 << 20, np.uint8) for _ in range(5)]
    np.ones(14 << 20, np.uint8)
    before = count_faults()
    for _ in range(10):
        np.ones(14 << 20, np.uint8)
    print(count_faults() - before)

assert bound_heap() and keep_heap()
thread = threading.Thread(target=use)
thread.start()
thread.join()
"""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc is told to give memory back"
)


def test_free_memory_is_given_back_once_there_is_much_of_it() -> None:
    heap = Heap()
    heap.tidy()
    assert not heap.tidy(), "nothing has come up since"
    before = own_bytes()
    pieces = [bytes(PIECE) + bytes([n % 256]) for n in range(PIECES)]
    pins = pieces[::100]
    assert own_bytes() > before + 150_000_000
    del pieces
    assert heap.tidy()
    assert own_bytes() < before + 60_000_000
    assert len(pins) == PIECES / 100
    assert not heap.tidy()


def test_what_was_held_in_a_rush_is_given_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that other clips hold meanwhile does not count as what is needed for good."""
    held = iter(mb << 20 for mb in (850, 850, 400, 520, 530, 420))
    monkeypatch.setattr("align.heap.own_bytes", lambda: next(held))
    heap = Heap()
    assert [heap.tidy() for _ in range(4)] == [True, False, False, True]


def test_a_thread_has_the_pages_of_its_large_pieces_again() -> None:
    """In an arena of its own, a piece that no heap of it can hold takes a new one each time."""
    command = [sys.executable, "-c", LARGE_PIECES]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert int(result.stdout) < 1000
