"""One process that decodes media (`align.decoder_program`), seen from the service.

It is a program of its own, neither forked from the service nor given its environment.
So it inherits no network, no gallery and no secret. Frames and sound come back through
a memory that both share.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from multiprocessing.connection import Connection
from typing import Any

from align.confinement import Confinement
from utils.config import ROOT
from utils.errors import ConfigError, MediaUnreadableError
from utils.tally import Tally

# Variables of the environment that the process inherits
_INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")

DEATHS = Tally()
"""Decoders of this process that died or hung."""

_START_S = 120.0
_STOP_S = 2.0


class SharedMemory:
    """Memory without a name, which only a process that is handed it can see.

    Attributes:
        descriptor: of the file that backs it.
        view: its bytes.
    """

    def __init__(self, size: int) -> None:
        """Take `size` bytes. Raises ConfigError where the system gives none."""
        self.descriptor = _open_nameless_file()
        weakref.finalize(self, os.close, self.descriptor)
        try:
            os.ftruncate(self.descriptor, size)
            self._map = mmap.mmap(self.descriptor, size)
        except OSError as error:
            raise ConfigError(
                f"A decoder needs {size >> 20} MB of memory for pictures."
                f" Received: {error.strerror}",
                "Raise the limit of this process (`ulimit -f`, LimitFSIZE; memory: LimitAS).",
            ) from error
        self.view = memoryview(self._map)

    def release(self, first: int) -> None:
        """Give the pages from byte `first` on back to the system."""
        start = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE
        if hasattr(mmap, "MADV_REMOVE") and start < len(self._map):
            self._map.madvise(mmap.MADV_REMOVE, start, len(self._map) - start)


class DecoderProcess:
    """A process that decodes one file at a time."""

    def __init__(self, memory: SharedMemory, bounds: Confinement, program: str) -> None:
        """Start the module `program`. It gets ready by itself."""
        self._bounds = bounds
        self._is_ready = False
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (theirs.fileno(), memory.descriptor)
            self._process = subprocess.Popen(  # noqa: S603 - a module of ours
                [sys.executable, "-m", program, *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},
                start_new_session=True,  # Ctrl-C is for the service
            )
        self._connection = Connection(ours.detach())
        self._news = select.poll()  # the one of a connection is made anew each time
        self._news.register(self._connection.fileno(), select.POLLIN)
        self.end = weakref.finalize(self, _end, self._process, self._connection)
        self._connection.send(bounds)

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def has_spoken(self) -> bool:
        """Whether it has said something that nobody has listened to yet, or has ended."""
        return bool(self._news.poll(0))

    def ask(self, *arguments: object) -> dict[str, Any]:
        """Send the arguments of a file, and wait for what the process says of it first.

        Raises:
            MediaUnreadableError: the process died or hung. It has ended then.
        """
        if not self._is_ready:
            self._receive(_START_S)
            self._is_ready = True
        try:
            self._connection.send(arguments)
        except OSError:
            raise self._explain_death() from None
        return self.listen()

    def listen(self) -> dict[str, Any]:
        """Wait for what the process says next. It raises what `ask` does."""
        return self._receive(self._bounds.stall_s)

    def _receive(self, stall_s: float) -> dict[str, Any]:
        """Wait for an answer, as long as the process does anything at all."""
        try:
            used_s = processor_s_of(self.pid)
            while not self._news.poll(1000 * stall_s):
                before_s = used_s
                used_s = processor_s_of(self.pid)
                if used_s == before_s:
                    self._process.kill()
                    self.end()
                    raise _unreadable(f"did nothing for {stall_s:g} s", "SIGKILL")
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
            return answer
        except (EOFError, OSError, ValueError):
            raise self._explain_death() from None

    def _explain_death(self) -> MediaUnreadableError:
        self.end()
        code = self._process.wait()
        if code >= 0:
            return _unreadable(f"ended with exit code {code}")
        name = signal.Signals(-code).name
        if name == "SIGXCPU":
            what = f"took more than {self._bounds.processor_s} s of processor time"
            return _unreadable(what, name)
        return _unreadable(f"died ({name})", name)


def processor_s_of(pid: int) -> float:
    """Processor time that a process has used, in seconds."""
    # Its clock, as clock_getcpuclockid(3) makes it on Linux
    return time.clock_gettime(~pid << 3 | 2)


def _unreadable(what: str, name: str = "") -> MediaUnreadableError:
    """Count the death of a decoder that did `what` and got a signal, and make its error."""
    DEATHS.add()
    return MediaUnreadableError(
        f"The file cannot be decoded: its decoder {what}.", details={"signal": name}
    )


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    """End the process. It ends by itself when its socket is closed, unless it hangs."""
    connection.close()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _open_nameless_file() -> int:
    if hasattr(os, "memfd_create"):  # Linux
        return os.memfd_create("duet-media")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
