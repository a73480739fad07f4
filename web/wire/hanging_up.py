"""Clients that hang up while their clip waits for its turn, which another clip gets then.

A client may also have sent all it has, and read on (`nc -N`). Both look the same until
something is sent: whoever is gone resets the connection.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from flask import request

from utils.wanted import CHECK_WANTED
from web.wire.errors import UploadBrokenError

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""An interim answer: every client of HTTP/1.1 reads on after it (RFC 9110, 15.2)."""
ROUND_TRIP_MS = 100
"""How long a reset is waited for. Only clients that have ended their half pay for it."""
# Of Linux. Elsewhere a client counts as gone once nothing can be sent to it either.
_CLOSED = getattr(select, "POLLRDHUP", 0)


@contextmanager
def unless_gone() -> Iterator[None]:
    """Answer a question only as long as its client is there when its turn comes.

    For questions alone: who is enrolled does not depend on who reads the answer. Raises
    UploadBrokenError.
    """
    connection = request.environ.get("gunicorn.socket")
    reads_interim = request.environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
    token = CHECK_WANTED.set(partial(_check, connection, reads_interim))
    try:
        yield
    finally:
        CHECK_WANTED.reset(token)


def _check(connection: socket.socket | None, reads_interim: bool) -> None:
    if connection is not None and has_hung_up(connection, reads_interim):
        raise UploadBrokenError("The client closed the connection before the turn of its clip.")


def has_hung_up(connection: socket.socket, reads_interim: bool = True) -> bool:
    """Whether the other end is gone, also where bytes of it are unread or encrypted.

    A client that has ended its half is sent an interim answer, unless it cannot read one:
    then it counts as there.
    """
    if not _poll(connection, _CLOSED, 0):
        return False
    if not reads_interim:
        return bool(_poll(connection, 0, 0))
    try:
        connection.sendall(CONTINUE)
    except OSError:
        return True
    return bool(_poll(connection, 0, ROUND_TRIP_MS))


def _poll(connection: socket.socket, events: int, timeout_ms: int) -> list[tuple[int, int]]:
    """Wait for events, or for the end of both directions."""
    poll = select.poll()
    poll.register(connection, events)
    return poll.poll(timeout_ms)
