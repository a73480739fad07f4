"""Clients that hang up while their clip waits for its turn, which another clip gets then."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from flask import request

from utils.wanted import CHECK_WANTED
from web.wire.errors import UploadBrokenError

# Of Linux. Elsewhere a client counts as gone once nothing can be sent to it either.
_CLOSED = getattr(select, "POLLRDHUP", 0)


@contextmanager
def unless_gone() -> Iterator[None]:
    """Answer a question only as long as its client is there when its turn comes.

    For questions alone: who is enrolled does not depend on who reads the answer. Raises
    UploadBrokenError.
    """
    connection = request.environ.get("gunicorn.socket")
    token = CHECK_WANTED.set(partial(_check, connection))
    try:
        yield
    finally:
        CHECK_WANTED.reset(token)


def _check(connection: socket.socket | None) -> None:
    if connection is not None and has_hung_up(connection):
        raise UploadBrokenError("The client closed the connection before the turn of its clip.")


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the other end sends no more, also where bytes of it are unread or encrypted."""
    poll = select.poll()
    poll.register(connection, _CLOSED)
    return bool(poll.poll(0))
