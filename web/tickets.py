"""Tickets that open one connection each, for pages that cannot send a key with it."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Generic, TypeVar

from utils.errors import BusyError, KeyRequiredError

TICKET_S = 60
_MOST_TICKETS = 1000
T = TypeVar("T")


class Tickets(Generic[T]):
    """Tickets that wait to be used, and who asked for each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: dict[str, tuple[T, float]] = {}

    def issue(self, caller: T) -> str:
        """Make a ticket. Raises BusyError where too many wait."""
        ticket = secrets.token_urlsafe(24)
        now = time.monotonic()
        with self._lock:
            alive = {k: v for k, v in self._tickets.items() if v[1] > now}
            if len(alive) >= _MOST_TICKETS:
                raise BusyError(f"{_MOST_TICKETS} tickets wait to be used.")
            self._tickets = {**alive, ticket: (caller, now + TICKET_S)}
        return ticket

    def redeem(self, ticket: str) -> T:
        """Use up a ticket, and say who asked for it. Raises KeyRequiredError."""
        with self._lock:
            entry = self._tickets.pop(ticket, None)
        if entry is None or entry[1] < time.monotonic():
            raise KeyRequiredError(
                "The ticket is unknown, used or too old.",
                f"Ask for another one. It holds for {TICKET_S} s and one connection.",
            )
        return entry[0]
