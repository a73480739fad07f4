"""Keeping the process small.

glibc gives every thread its own arena and keeps what each once needed, which is much
for pictures. An arena beside the first grows by heaps of 64 MB. Where one is full, each
large piece takes a new heap and gives it back, and all its pages are faulted in anew
(docs/research/request.md).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from pathlib import Path

_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 1

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 16 << 20
_SPARE_BYTES = 64 << 20

# Free memory that clips may leave to the next ones: what two of 1280 × 720 take at a time
_LEFT_BYTES = 128 << 20


def bound_heap() -> bool:
    """Let malloc use one arena for all threads.

    Returns:
        Whether the C library can. glibc can, others are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))


def keep_heap() -> bool:
    """Let malloc keep the memory of one clip for the next.

    That saves a process which does nothing but decode a sixth of its processor time.
    Larger pieces than a video frame go back to the system at once.

    Returns:
        Whether the C library can. glibc can, others are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    limits = {_M_MMAP_THRESHOLD: _LARGE_BYTES, _M_TRIM_THRESHOLD: _SPARE_BYTES}
    return all(libc.mallopt(option, size) for option, size in limits.items())


def release_heap() -> bool:
    """Give free memory of all arenas back to the system, in a millisecond or two.

    Otherwise, what lies free between two small pieces that live on stays with the
    process: more with every clip.

    Returns:
        Whether the C library can. glibc can, others are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))


class Heap:
    """Gives free memory back where the process has grown. One instance serves all threads.

    To take back at every clip what the last one gave would cost 20 ms of it.
    """

    def __init__(self) -> None:
        self._least_bytes = 0

    def tidy(self) -> bool:
        """Give free memory back if there may be much of it.

        Returns:
            Whether it was tried.
        """
        own = own_bytes()
        if own < self._least_bytes + _LEFT_BYTES:
            self._least_bytes = min(self._least_bytes, own)
            return False
        release_heap()
        self._least_bytes = own_bytes()
        return True


def own_bytes() -> int:
    """Resident memory that this process shares with no other. 0 where the system is no Linux."""
    try:
        fields = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * mmap.PAGESIZE
