"""Keeping the process small.

glibc gives every thread its own arena and keeps what each once needed, which is much
for pictures. Measured with 8 threads analysing clips of up to 1080p at once: about
1200 MB with the default, 880 MB with two arenas, at the same processor time
(docs/measurements/decode.md).
"""

from __future__ import annotations

import ctypes
import platform

_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 2

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 16 << 20
_SPARE_BYTES = 64 << 20


def bound_heap() -> bool:
    """Let malloc use two arenas for all threads to come.

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
