"""Posts each event to the receivers that the operator set, signed.

A receiver answers 2xx within seconds, or is asked again later, ever more rarely. What it
answers is not read, and a redirection is not followed: only addresses of the settings are
ever asked. No proxy of the environment is used.

The header `X-Duet-Signature` is `t=<time>,v1=<HMAC>`: the HMAC-SHA256 (RFC 2104), in
hexadecimal digits, of the time, a point and the body. Receivers refuse old times, and
numbers that they have seen, so that nobody can send an event again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from gallery.records.sightings import Delivery, Sighting
from gallery.store import Store
from utils.config import Settings
from utils.errors import DuetError

log = logging.getLogger("duet.jobs")
LOOK_S = 1.0
"""Seconds between two looks for events to send."""
WAIT_S = 5.0
"""Seconds for connecting, and for each piece of an answer."""
LIMIT_S = 10.0
"""Seconds for a whole delivery."""


class WebhookThread:
    """Posts the events of a gallery: a daemon thread where DUET_WEBHOOK_URLS is set."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._receivers = settings.events.receivers
        self._secret = settings.events.webhook_secret
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to look for events, where there are receivers."""
        if self._receivers and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def stop(self, wait_s: float = LIMIT_S) -> None:
        """End after the delivery at hand."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    def deliver(self, now: datetime | None = None) -> int:
        """Post what is due. Returns how many deliveries were tried.

        Raises StoreUnavailableError, StorageFullError.
        """
        claimed = self._store.claim_deliveries(now or datetime.now(UTC))
        for delivery in claimed:
            if self._stop.is_set():
                break  # the lease ends, and the next start sends it
            error = self._send(delivery)
            self._store.finish_delivery(delivery, error, now or datetime.now(UTC))
        return len(claimed)

    def _send(self, delivery: Delivery) -> str:
        body = encode(delivery.sighting)
        error = post(self._receivers[delivery.receiver], body, self._secret)
        if error:
            what = "event %d was not taken by receiver %s: %s"
            log.warning(what, delivery.sighting.number, delivery.receiver, error)
        return error

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                while self.deliver() and not self._stop.is_set():
                    pass
            except DuetError as error:
                log.error("events were not sent: %s", error.code)
            except Exception as unexpected:  # the thread outlives what nobody foresaw
                log.error("events were not sent: unexpected %s", type(unexpected).__name__)


def encode(sighting: Sighting) -> bytes:
    """Write an event as it is posted."""
    return json.dumps(event_to_json(sighting), ensure_ascii=False).encode()


def event_to_json(sighting: Sighting) -> dict[str, Any]:
    """Show an event as JSON: who was seen or heard, of which group, when and by what."""
    is_unknown = sighting.person_id is None
    return {
        "event_id": sighting.number,
        "event": "unknown" if is_unknown else "group_member",
        "at": sighting.at.isoformat(timespec="milliseconds"),
        "source": sighting.source,
        "request_id": sighting.request_id,
        "group_id": sighting.group_id,
        "person_id": sighting.person_id,
        "name": sighting.name,
    }


def sign(secret: str, at_s: int, body: bytes) -> str:
    """Make the header X-Duet-Signature of a body that is sent at a Unix time."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (at_s, body), hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def post(url: str, body: bytes, secret: str) -> str:
    """Post a body, signed now. Returns why it was not taken ("" = it was)."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=WAIT_S)
    watch = threading.Timer(LIMIT_S, _abort, [connection])
    watch.daemon = True
    watch.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, _headers(body, secret))
        status = connection.getresponse().status
        return "" if 200 <= status < 300 else f"It answers {status}."
    except (OSError, HTTPException) as error:
        return f"{type(error).__name__}: {getattr(error, 'strerror', None) or 'no answer'}"
    finally:
        watch.cancel()
        connection.close()


def _headers(body: bytes, secret: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "duet-id",
        "X-Duet-Signature": sign(secret, int(datetime.now(UTC).timestamp()), body),
    }


def _abort(connection: HTTPConnection) -> None:
    """End a connection whose answer comes too slowly."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)
