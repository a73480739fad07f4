"""gunicorn's threaded worker with limits on stalls, and with our error shape."""

from __future__ import annotations

import json
import logging
import math
import signal
import socket
import ssl
import struct
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

from gunicorn.http import errors
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from utils.errors import DuetError, InvalidRequestError
from web.server.request_body import RequestBody
from web.wire.errors import error_body, where

log = logging.getLogger("duet.web")
STALL_LIMIT_S = 60
"""A connection that neither sends nor takes a byte for so long is closed."""
HEAD_LIMIT_S = 30
"""The handshake and the headers of a request must be there in so long, however steadily
they trickle in.
"""
FIRST_BYTE_S = 5.0
"""How long a thread waits for the first byte of a new connection."""
STOP_LINGER_S = 0.3
"""How long a service that ends waits for the head of a request that may be on its way."""
LINGER_S = 2.0
"""How long a client may take to end its connection once it has the answer."""
_HANDSHAKE = b"\x16"  # type of the first record of TLS (RFC 8446, 5.1)
IGNORED = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
"""Signals by which gunicorn changes how many workers there are, and opens its logs anew.

There is one worker, and the log goes to stdout.
"""
FAULTS: dict[type[ParseException], str] = {
    errors.InvalidRequestLine: "a first line that is none",
    errors.InvalidRequestMethod: "a method of other letters than A to Z",
    errors.InvalidHTTPVersion: "another version of HTTP",
    errors.ObsoleteFolding: "a header of several lines",
    errors.InvalidHeaderName: "a header whose name is none",
    errors.InvalidHeader: "a header that is none, or that is there twice",
    errors.UnsupportedTransferCoding: "a Transfer-Encoding other than chunked",
    errors.ExpectationFailed: "an Expect other than 100-continue",
}
"""What is wrong with the head of a request, without what stands in it."""


class TlsSpokenError(Exception):
    """A client speaks https to a port that speaks http."""


def ignore_signals() -> None:
    """Ignore what changes nothing in this service, or would end or double it."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)


class Worker(ThreadWorker):
    """One process, many threads, one set of networks."""

    nr_conns: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[Any] = set()
        self._silence_ends_s = math.inf

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Begin to stop. Live sessions would hold the process up for as long as they last."""
        self.app.end_talks()
        if self.alive:
            self._silence_ends_s = time.monotonic() + STOP_LINGER_S
        super().handle_exit(sig, frame)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what there is to do. Once the service ends, wait only a moment for requests."""
        left_s = max(0.0, self._silence_ends_s - time.monotonic())
        super().wait_for_and_dispatch_events(min(timeout, left_s))
        if time.monotonic() >= self._silence_ends_s:
            self._silence_ends_s = math.inf
            self._end_silent()

    def _end_silent(self) -> None:
        """End connections that were kept, or opened ahead, as browsers and proxies do.

        gunicorn waits up to 15 s for them.
        """
        self.murder_keepalived(force=True)
        for conn in self.pending_conns:
            conn.timeout = 0  # the loop ends them next
        for conn in tuple(self._idle):
            _cut(conn)

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Stop after Ctrl+C, too, once what was begun is answered."""
        self.handle_exit(sig, frame)

    def init_signals(self) -> None:
        """Leave it to the main process what a terminal that closes means."""
        super().init_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        ignore_signals()

    def is_parent_alive(self) -> bool:
        """Whether the main process is there. If it was killed, stop as after its SIGTERM.

        The port is free at once for the next service. The main process would kill what does
        not stop in time, so an alarm does.
        """
        if super().is_parent_alive():
            return True
        self.handle_exit(signal.SIGTERM, None)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        signal.alarm(self.cfg.graceful_timeout)
        return False

    def handle(self, conn: Any) -> Any:
        """Serve one request of a connection, with limits on stalls and on its head.

        The limit on stalls outlives gunicorn's own `setblocking`.
        """
        limit = struct.pack("ll", STALL_LIMIT_S, 0)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        conn.head_timer = threading.Timer(HEAD_LIMIT_S, _cut, [conn])
        conn.head_timer.daemon = True
        conn.head_timer.start()
        self._idle.add(conn)
        try:
            goes_on = self._serve(conn)
        finally:
            self._await_no_head(conn)
        if not goes_on:
            self._see_off(conn)
        return goes_on

    def _serve(self, conn: Any) -> Any:
        if self._is_spoken_to_in_tls(conn):
            self.handle_error(None, conn.sock, conn.client, TlsSpokenError())
            return False
        return super().handle(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Count a connection that ends once.

        gunicorn counts one that is closed already twice, as after a handshake that failed.
        A service that ends would then not wait for what is in flight.
        """
        least = self.nr_conns - 1
        super().finish_request(conn, fs)
        self.nr_conns = max(self.nr_conns, least)

    def _see_off(self, conn: Any) -> None:
        """Wait for a client to end its connection, in this thread.

        gunicorn would wait in the one that accepts connections, and nobody is served meanwhile.
        """
        self._idle.add(conn)
        with suppress(OSError):  # the client is gone, or stays
            _read_off(conn.sock)
        _cut(conn)
        self._idle.discard(conn)

    def _await_no_head(self, conn: Any) -> None:
        conn.head_timer.cancel()
        self._idle.discard(conn)

    def _is_spoken_to_in_tls(self, conn: Any) -> bool:
        """Whether a client begins with a handshake of TLS on a port that speaks http.

        It would wait for an answer, and the service for the end of a line.
        """
        if self.cfg.is_ssl or conn.initialized or not conn.wait_for_data(FIRST_BYTE_S):
            return False
        with suppress(OSError):
            first = conn.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            return bytes(first) == _HANDSHAKE
        return False

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request whose head is there."""
        self._await_no_head(conn)
        req.body = RequestBody(req, conn.sock)
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 - gunicorn's signature
        """Answer what is no HTTP request (gunicorn's own answer would be HTML)."""
        if isinstance(exc, ssl.SSLError):
            if exc.reason != "HTTP_REQUEST":
                return  # a handshake that failed: there is nothing to answer through
            client = socket.socket(fileno=client.detach())  # they speak http: so do we
        request_id = uuid.uuid4().hex
        status, error = _refusal(exc)
        log.warning("request_id=%s %d %s", request_id, status, where(exc))
        body = json.dumps(error_body(error, request_id)).encode()
        head = (
            f"HTTP/1.1 {status}"
            f" {'Bad Request' if status < 500 else 'Internal Server Error'}\r\nConnection:"
            " close\r\nContent-Type: application/json\r\nX-Content-Type-Options:"
            f" nosniff\r\nX-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with suppress(OSError):  # the client may be gone
            write_nonblock(client, head.encode() + body)
            if isinstance(exc, ssl.SSLError):  # others are seen off
                _read_off(client)
        if isinstance(exc, ssl.SSLError):
            client.close()


def _cut(conn: Any) -> None:
    """End a connection that another thread reads from, which then sees the end."""
    with suppress(OSError):
        # Of a TLS socket too, this is the connection below
        socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)


def _read_off(client: Any) -> None:
    """Read what the client still sends, for a while.

    Closing with bytes unread would reset the connection before it has read the answer.
    """
    client.shutdown(socket.SHUT_WR)
    end_s = time.monotonic() + LINGER_S
    while (left_s := end_s - time.monotonic()) > 0:
        client.settimeout(left_s)
        if not client.recv(64 * 1024):
            return


def _refusal(exc: BaseException) -> tuple[int, DuetError]:
    if isinstance(exc, LimitRequestLine):
        return 414, InvalidRequestError("A URL may have 4,000 bytes. This one has more.")
    if isinstance(exc, LimitRequestHeaders):
        return 431, InvalidRequestError(
            "A request may have 100 headers of 8,000 bytes each. This one has more."
        )
    if isinstance(exc, ParseException):
        received = next(
            (it for kind, it in FAULTS.items() if isinstance(exc, kind)), "something else"
        )
        return 400, InvalidRequestError(
            f"A request must be one of HTTP/1.1. Received: {received}",
            "Send it with a client for HTTP/1.1, such as curl.",
        )
    if isinstance(exc, ssl.SSLError):
        return 400, InvalidRequestError("This port speaks https.", "Write https:// in the address.")
    if isinstance(exc, TlsSpokenError):
        return 400, InvalidRequestError("This port speaks http.", "Write http:// in the address.")
    return 500, DuetError(
        "Something went wrong inside the service.",
        "Ask the operator to look this request_id up in the log.",
    )
