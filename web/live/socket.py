"""A WebSocket that keeps little waiting, and ends cleanly whatever the client sends.

simple-websocket reads in a thread of its own and keeps all that comes. Here that thread
stops reading while half a minute of sound is waiting, so a client that is too fast is
slowed by its own connection.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from simple_websocket import ConnectionClosed, Server
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from utils.errors import InvalidRequestError

MOST_WAITING_S = 30.0
"""Seconds of sound that wait to be written down."""
MOST_MESSAGE_BYTES = 1 << 20
PING_S = 25.0
_BYTES_A_SECOND = 32_000
# A record of TLS (16 KB) must be read whole: what is left of it inside the TLS library
# makes the connection readable to nobody
_READ_BYTES = 1 << 16
_LINGER_S = 2.0
_LINGER_READ = 1 << 20

Arrived = tuple[float, bytes | str]
"""A message, and the time at which it came: seconds since 1970."""


class SharedTls:
    """A TLS connection that one thread reads and another one writes, but not at a time.

    The TLS library keeps one state for both directions.
    """

    def __init__(self, tls: ssl.SSLSocket, one: AbstractContextManager[Any]) -> None:
        self._tls = tls
        self._one = one

    def recv(self, size: int) -> bytes:
        """Read what is there, once the connection is readable."""
        with self._one:
            return self._tls.recv(size)

    def send(self, data: bytes) -> None:
        """Write all of `data`."""
        with self._one:
            self._tls.sendall(data)

    def close(self) -> None:
        """Close it while nobody writes: its number may be another connection's at once."""
        with self._one:
            self._tls.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tls, name)


class LiveSocket(Server):
    """The server's end of one connection."""

    sock: Any
    connected: bool
    pong_received: bool

    def __init__(self, environ: dict[str, Any], too_large: Callable[[], dict[str, Any]]) -> None:
        """Accept a connection. `too_large` makes the message for one that is refused."""
        self._too_large = too_large
        self._waiting: deque[Arrived] = deque()
        self._waiting_bytes = 0
        self._most_bytes = int(MOST_WAITING_S * _BYTES_A_SECOND)
        self._changed = threading.Condition()
        self._sending = threading.RLock()
        super().__init__(environ, receive_bytes=_READ_BYTES, ping_interval=PING_S)

    def handshake(self) -> None:
        """Shake hands, over a connection that two threads may use from now on.

        Raises InvalidRequestError.
        """
        # Until the client says why it closes, an end is a connection that was cut
        self.close_reason = CloseReason.ABNORMAL_CLOSURE
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock = SharedTls(self.sock, self._sending)
        try:
            super().handshake()
        except ProtocolError as error:
            raise InvalidRequestError(
                f"A WebSocket opens with the headers of RFC 6455. Received: {error}",
                "Use a client of version 13, and look for a proxy that drops headers.",
            ) from error

    @property
    def is_idle(self) -> bool:
        """Whether no message is waiting."""
        return not self._waiting

    def state_rate(self, rate_hz: int) -> None:
        """Measure what is waiting by sound of this rate."""
        self._most_bytes = int(MOST_WAITING_S * 2 * rate_hz)

    def take(self, timeout_s: float) -> Arrived | None:
        """Take the next message. None: none came in time. Raises ConnectionClosed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self.connected, timeout_s)
            if self._waiting:
                arrived = self._waiting.popleft()
                self._waiting_bytes -= len(arrived[1])
                self._changed.notify_all()
                return arrived
        if not self.connected:
            raise ConnectionClosed(self.close_reason, self.close_message)
        return None

    def send_json(self, message: dict[str, Any]) -> None:
        """Send a message. Raises ConnectionClosed."""
        try:
            with self._sending:
                self.send(json.dumps(message, ensure_ascii=False))
        except OSError as error:
            raise ConnectionClosed(CloseReason.ABNORMAL_CLOSURE, "") from error

    def _handle_events(self) -> bool:
        """Take what was read, then wait until there is room for more."""
        with self._sending:
            goes_on = bool(super()._handle_events())
        if self.incoming_message_len > MOST_MESSAGE_BYTES:
            self._refuse_large()
            return False
        with self._changed:
            self._waiting.extend((time.monotonic(), message) for message in self.input_buffer)
            self._waiting_bytes += sum(map(len, self.input_buffer))
            self.input_buffer.clear()
            self._changed.notify_all()
            if not self._has_room():
                self._changed.wait_for(self._has_room)
                # The answer to a ping lies unread meanwhile: that is no broken connection
                self.pong_received = True
        return goes_on

    def _has_room(self) -> bool:
        return self._waiting_bytes <= self._most_bytes or not self.connected

    def _refuse_large(self) -> None:
        self.incoming_message = None
        self.incoming_message_len = 0
        with suppress(ConnectionClosed, OSError), self._sending:
            self.send_json(self._too_large())
            self.close(CloseReason.MESSAGE_TOO_BIG, "message too big")
            self._read_off()

    def _read_off(self) -> None:
        """Read what the client still sends, so that it gets to read the answer."""
        end = time.monotonic() + _LINGER_S
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.settimeout(_LINGER_S)
        while time.monotonic() < end and self.sock.recv(_LINGER_READ):
            pass

    def _thread(self) -> None:
        """Read until the end, also where what comes is no WebSocket."""
        try:
            super()._thread()
        except (ProtocolError, UnicodeDecodeError):
            with suppress(ConnectionClosed, OSError, ProtocolError), self._sending:
                self.close(CloseReason.PROTOCOL_ERROR, "no WebSocket message")
        finally:
            with self._changed:
                self.connected = False
                self._changed.notify_all()
            with suppress(OSError):
                self.sock.close()

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Close the connection."""
        with self._sending:
            super().close(reason, message)
        with self._changed:
            self._changed.notify_all()
