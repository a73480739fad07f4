"""The process that decodes media for the service: one file after the other.

`align.decoder_process` starts it, and hands it a socket and a shared memory. It holds neither
networks nor the gallery, and it may neither write nor reach the network
(`align.confinement`).
"""

from __future__ import annotations

import gc
import json
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from align.audience import Audience
from align.confinement import Confinement, allow_processor_time, confine
from align.decode import read_timed
from align.handover import Sender
from align.heap import bound_heap, keep_heap
from align.limits import ReadLimits
from utils.errors import DuetError
from utils.media import Clip

# The service closed the socket, or ended. An answer that it had not read yet resets it
_OTHER_END_GONE = (EOFError, ConnectionError)

Read = Callable[[Path, ReadLimits, str | None, Audience], tuple[Clip, dict[str, float]]]


def serve(read: Read = read_timed) -> None:
    """Answer until the other end closes the socket.

    The arguments of the program are the descriptors of the socket and of the memory. The
    first message is a `Confinement`. A message is the arguments of `read` but the last.
    What is there of a clip is told (`align.handover`) until the answer comes.
    """
    keep_heap()
    with suppress(*_OTHER_END_GONE):
        connection, memory, bounds = _get_ready()
        gc.freeze()
        while True:
            arguments = connection.recv()
            allow_processor_time(bounds.processor_s)
            sender = Sender(
                memory,
                lambda news: _send(connection, {"news": news}),
                lambda: bool(connection.recv()[0]),
            )
            _send(connection, _answer(read, arguments, sender))
            # A frame whose side data was read is freed by the collector alone. Each holds
            # two threads, with 16 MB of address space, and ten clips of frames all there is.
            gc.collect()


def serve_in_steps(answer: Callable[..., Iterator[dict[str, Any]]]) -> None:
    """Answer on one file, step by step, until the other end closes the socket.

    The first message is the arguments of `answer`, which is given the shared memory, too.
    Every other one asks for the next step.
    """
    with suppress(*_OTHER_END_GONE):
        connection, memory, bounds = _get_ready()
        arguments = connection.recv()
        allow_processor_time(bounds.processor_s)
        for step in _describe_failures(answer(*arguments, memory=memory)):
            _send(connection, step)
            connection.recv()
            allow_processor_time(bounds.processor_s)


def _get_ready() -> tuple[Connection, memoryview, Confinement]:
    """Take what the service hands over, and give up what is not needed.

    Returns:
        The socket, the shared memory, and the bounds that hold from now on.
    """
    connection = Connection(int(sys.argv[1]))
    memory = mmap.mmap(int(sys.argv[2]), 0)
    bound_heap()
    bounds: Confinement = connection.recv()
    confine(bounds)
    connection.send_bytes(b"{}")
    return connection, memoryview(memory), bounds


def _describe_failures(steps: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    try:
        yield from steps
    except Exception as error:
        yield _describe_failure(error)


def _describe_failure(error: Exception) -> dict[str, Any]:
    """Describe what went wrong with a file, for the service."""
    if isinstance(error, DuetError):
        details = {"message": error.message, "hint": error.hint, "details": error.details}
        return {"error": type(error).__name__, **details}
    if isinstance(error, MemoryError):
        return {"failure": "memory"}
    return {"failure": type(error).__name__}  # its text may hold a path


def _answer(
    read: Read,
    arguments: tuple[Path, ReadLimits, str | None],
    sender: Sender,
) -> dict[str, Any]:
    try:
        clip, timings_ms = read(*arguments, sender)
        return {"clip": sender.finish(clip), "timings_ms": timings_ms}
    except Exception as error:
        return _describe_failure(error)


def _send(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


if __name__ == "__main__":
    serve()
