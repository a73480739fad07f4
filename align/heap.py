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


def bound_heap() -> bool:
    """Let malloc use two arenas for all threads to come.

    Returns:
        Whether the C library can. glibc can, others are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))


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
