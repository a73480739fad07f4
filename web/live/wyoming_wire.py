"""Events of the Wyoming protocol over one connection, none of them larger than it may be.

The package `wyoming` reads and writes them. What it is given to read is bounded here, as
a peer states how many bytes follow.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from io import BufferedIOBase
from typing import Any, BinaryIO, TypeVar, cast

from wyoming.event import Event, Eventable, read_event, write_event

from utils.errors import InvalidRequestError

_MOST_LINE = 64 * 1024
_MOST_BYTES = 1 << 20
_LINGER_S = 2.0
_LINGER_READ = 1 << 16
_Kind = TypeVar("_Kind", bound=Eventable)


class _Bounded:
    """A stream that is read in parts of a bounded size."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self.has_ended = False

    def readline(self) -> bytes:
        """Read a line. Raises InvalidRequestError for a long one."""
        line = self._stream.readline(_MOST_LINE)
        self.has_ended = not line
        if len(line) == _MOST_LINE:
            raise InvalidRequestError(
                f"The line of an event must have fewer than {_MOST_LINE:,} bytes."
            )
        return line

    def read(self, size: int) -> bytes:
        """Read the part of an event that has a stated size. Raises InvalidRequestError."""
        if size > _MOST_BYTES:
            raise InvalidRequestError(
                f"A part of an event may have {_MOST_BYTES:,} bytes. Received: {size:,} bytes",
                "Send sound in chunks of a tenth of a second to a few seconds.",
            )
        part = self._stream.read(size)
        self.has_ended = len(part) < size
        return part


class WyomingWire:
    """The events of one connection."""

    def __init__(
        self, connection: socket.socket, stream: BufferedIOBase, output: BufferedIOBase
    ) -> None:
        self._connection = connection
        self._input = _Bounded(stream)
        self._output = cast(BinaryIO, output)

    def read(self) -> Event | None:
        """Read the next event. None: the peer has ended. Raises InvalidRequestError, OSError."""
        try:
            event = read_event(cast(BinaryIO, self._input))
        except (AttributeError, KeyError, RecursionError, TypeError):
            event = None
        is_event = (
            event is not None
            and isinstance(event.type, str)
            and isinstance(event.data, dict)
            and _is_text(event.data)
        )
        if not is_event and not self._input.has_ended:
            raise InvalidRequestError("This is no event of the Wyoming protocol.")
        return event if is_event else None

    def send(self, event: Eventable) -> None:
        """Send an event. Raises OSError."""
        write_event(event.event(), self._output)

    def end(self) -> None:
        """Read what the peer still sends for a while, so that it gets to read the answer."""
        until_s = time.monotonic() + _LINGER_S
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            self._connection.settimeout(_LINGER_S)
            while time.monotonic() < until_s and self._connection.recv(_LINGER_READ):
                pass


def _is_text(data: dict[str, Any]) -> bool:
    """Whether an answer may repeat what was sent: half of a pair of surrogates is no text."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def take(kind: type[_Kind], event: Event) -> _Kind:
    """Read an event as one of this kind. Raises InvalidRequestError."""
    try:
        return cast(_Kind, kind.from_event(event))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"The event lacks what it must have. Received: {event.type[:40]!r}"
        ) from error
