"""The body of a request as HTTP/1.1 has it: asked for once it is read, in chunks that end.

gunicorn asks every client that waits (`Expect: 100-continue`) for its body before the
request is looked at, and waits for the rest of a line of a chunk that can never end.
"""

from __future__ import annotations

import select
import ssl
from contextlib import suppress
from typing import Any

from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.errors import InvalidChunkSize

from web.wire.hanging_up import CONTINUE

MOST_CHUNK_BYTES = 1 << 40
"""More than any limit of an upload. A larger size is none."""


class RequestBody(Body):
    """A body that is asked for when it is first read.

    Until then the connection ends with the answer: nobody knows whether the body comes.
    """

    def __init__(self, req: Any, connection: Any) -> None:
        reader = req.body.reader
        super().__init__(Chunks(req, req.unreader) if _is_chunked(reader) else reader)
        self._req = req
        self._connection = connection
        self._is_asked_for = not req._expected_100_continue
        req._expected_100_continue = False
        if not self._is_asked_for:
            self._closes = req.must_close
            req.must_close = True

    @property
    def is_awaited(self) -> bool:
        """Whether the client sends nothing before it is asked to."""
        return not self._is_asked_for and not self._has_arrived()

    def read(self, size: int | None = None) -> bytes:
        """Read of the body. A connection ends with a body that cannot be read."""
        return bytes(self._read(super().read, size))

    def readline(self, size: int | None = None) -> bytes:
        """Read a line of the body."""
        return bytes(self._read(super().readline, size))

    def _read(self, read: Any, size: int | None) -> Any:
        self._ask()
        try:
            return read(size)
        except Exception:
            self._req.must_close = True
            raise

    def _ask(self) -> None:
        if self._is_asked_for:
            return
        if not self._has_arrived():
            with suppress(OSError):  # the read after it tells of a client that is gone
                self._connection.sendall(CONTINUE)
        self._is_asked_for = True
        self._req.must_close = self._closes

    def _has_arrived(self) -> bool:
        """Whether something of the body is there: some clients wait for a second at most."""
        if self._req.unreader.buf.getvalue():
            return True
        if isinstance(self._connection, ssl.SSLSocket) and self._connection.pending():
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(0))


class Chunks(ChunkedReader):
    """The chunks of a body, without waiting for what can never be complete."""

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> tuple[int, Any]:
        """Read the size of the next chunk. Raises InvalidChunkSize."""
        size, rest = super().parse_chunk_size(unreader, data)
        if size > MOST_CHUNK_BYTES:
            raise InvalidChunkSize(b"a chunk over a terabyte")
        return size, rest

    def read_into(self, unreader: Any, buf: bytearray) -> None:
        """Read more of a line. Raises InvalidChunkSize."""
        if b"\r\n" not in buf and (b"\n" in buf or b"\r" in buf[:-1]):
            raise InvalidChunkSize(b"a line that ends without CRLF")
        super().read_into(unreader, buf)


def _is_chunked(reader: Any) -> bool:
    return isinstance(reader, ChunkedReader)
