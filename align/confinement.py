"""What a process that decodes may do: little, as its input comes from strangers.

Limits of the operating system hold everywhere. On Linux, a filter of system calls
(seccomp) also refuses the network and other programs. Source of the numbers: Linux,
include/uapi/linux/{prctl,seccomp,filter,audit}.h and the tables of system calls.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import signal
import struct
from dataclasses import dataclass
from pathlib import Path

_MEBI = 1 << 20
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_FILTER_MODE = 2

# Architecture, and its numbers of socket, execve, io_uring_setup, execveat
_REFUSED = {
    "x86_64": (0xC000003E, (41, 59, 425, 322)),
    "aarch64": (0xC00000B7, (198, 221, 425, 281)),
}

# Instructions of the filter: load a word, compare, return
_LOAD = 0x20
_IF_EQUAL = 0x15
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050001  # with EPERM
_NUMBER_AT = 0
_ARCHITECTURE_AT = 4


@dataclass(frozen=True)
class Confinement:
    """Bounds of a process that decodes.

    - `memory_mb`: memory beyond what it has at its start.
    - `processor_s`: processor time for one file.
    - `stall_s`: how long it may do nothing at all while it has a file.
    - `open_files`: files that it may have open.
    """

    memory_mb: int = 2048
    processor_s: int = 200
    stall_s: float = 60.0
    open_files: int = 64


def confine(bounds: Confinement) -> None:
    """Confine this process for good. It ends with its parent."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, bounds.open_files)
    _limit(resource.RLIMIT_AS, _address_space() + bounds.memory_mb * _MEBI)
    if platform.system() == "Linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _filter_calls(libc)


def allow_processor_time(seconds: int) -> None:
    """Allow so many more seconds of processor time. Beyond them, SIGXCPU ends it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, most))


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))


def _address_space() -> int:
    """Bytes of address space in use. 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _filter_calls(libc: ctypes.CDLL) -> None:
    """Refuse some system calls from now on. A kernel without filters goes without."""
    if platform.machine() not in _REFUSED:
        return
    architecture, refused = _REFUSED[platform.machine()]
    program = _build_filter(architecture, refused)
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, and where they are
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.create_string_buffer(head, len(head)), 0, 0)


def _build_filter(architecture: int, refused: tuple[int, ...]) -> bytes:
    """Write the filter: `refused` fail with EPERM, and so does all of another ABI."""
    jump_to_refusal = len(refused) + 1
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 0, jump_to_refusal + 1, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for place, number in enumerate(refused):
        steps.append((_IF_EQUAL, len(refused) - place, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
