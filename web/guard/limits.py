"""How often somebody may ask: an allowance for each key, and each address without one.

It is the setting DUET_RATE_LIMIT.

Reading a clip takes about as long as ten other requests, and is counted so. Wrong keys
have a small allowance for each address. The counts are kept in the memory of the
process.
"""

from __future__ import annotations

import ipaddress
import math
import time

from flask import Flask, g, request
from flask_limiter import Limiter, RequestLimit
from limits import RateLimitItem, parse, parse_many

from utils.config import Settings
from utils.errors import ConfigError
from utils.settings.subject import PREFIX
from web.guard import roles
from web.wire.errors import RateLimitedError

CLIP_COST = 10
WRONG_KEYS = parse("20 per minute")
# A clock that is only corrected is not set back
_SET_BACK_S = 5.0
NOTES_EACH = parse("1 per minute")
NOTES_ALL = parse("60 per minute")
"""Rows in the audit about refused requests: for one address or key and reason, and in
all. Nobody fills the disk by being refused.
"""


class Limits:
    """The counters of one application."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        """Add a check before every request that needs a key.

        What finds out who is asking must be registered before. Raises ConfigError.
        """
        allowance = parse_allowance(settings.limits.rate_limit)
        self._latest = time.time()
        app.before_request(self._heed_clock)
        self._limiter = Limiter(
            _asker,
            app=app,
            storage_uri="memory://",
            on_breach=_refuse,
            application_limits_cost=_cost,
            application_limits_exempt_when=lambda: roles.allowed_roles() == roles.OPEN,
            application_limits=[] if allowance is None else [_times(allowance, CLIP_COST)],
        )

    def _heed_clock(self) -> None:
        """Count anew after the clock was set back: what was counted would count for long."""
        now = time.time()
        if now < self._latest - _SET_BACK_S:
            self._limiter.reset()
        self._latest = now

    def check_wrong_keys(self) -> None:
        """Raise RateLimitedError for an address that has used up its wrong keys."""
        self._heed_clock()
        if not self._limiter.limiter.test(WRONG_KEYS, "wrong-key", address()):
            raise _too_many_wrong(
                self._limiter.limiter.get_window_stats(
                    WRONG_KEYS, "wrong-key", address()
                ).reset_time
            )

    def count_wrong_key(self) -> None:
        """Count one more wrong key of this address. Raises RateLimitedError."""
        if not self._limiter.limiter.hit(WRONG_KEYS, "wrong-key", address()):
            self.check_wrong_keys()

    def may_note(self, who: str, reason: str) -> bool:
        """Whether the audit takes another row about a refused request."""
        return self._limiter.limiter.hit(
            NOTES_EACH, "note", who, reason
        ) and self._limiter.limiter.hit(NOTES_ALL, "notes")


def parse_allowance(text: str) -> RateLimitItem | None:
    """Parse the setting DUET_RATE_LIMIT. None = no limit. Raises ConfigError."""
    if not text:
        return None
    try:
        (item,) = parse_many(text)
        if item.amount < 1:
            raise ValueError("nobody may ask")
        return item
    except ValueError:
        raise ConfigError(
            f"{PREFIX}RATE_LIMIT must be one number of requests, above 0, for a time, as"
            f" 240/minute. Received: {text[:40]!r}"
        ) from None


def address() -> str:
    """Get the address that the request comes from.

    Of IPv6 it is the network of 64 bits: who has one address there has them all.
    """
    text = request.remote_addr or ""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return text or "unknown"
    if parsed.version == 6 and not parsed.is_loopback:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return text


def asker() -> str:
    """Get who asks, by key and address together."""
    caller = g.get("caller")
    return f"{caller.actor if caller else 'nobody'} {address()}"


def _asker() -> str:
    """Whose allowance this request takes from."""
    caller = g.get("caller")
    return f"key {caller.actor}" if caller is not None and caller.by_key else f"address {address()}"


def _cost() -> int:
    return CLIP_COST if roles.route() in roles.CLIPS else 1


def _times(item: RateLimitItem, factor: int) -> str:
    return f"{item.amount * factor} per {item.multiples} {item.GRANULARITY.name}"


def _refuse(limit: RequestLimit) -> None:
    clips = limit.limit.amount // CLIP_COST
    window = f"{limit.limit.multiples} {limit.limit.GRANULARITY.name}"
    raise RateLimitedError(
        f"The rate limit is reached. A key, or an address without one, may send {clips} clips in"
        f" {window}, or ten times as many other requests.",
        retry_after_s=_seconds_to(limit.reset_at),
    )


def _too_many_wrong(reset_at: float) -> RateLimitedError:
    wait_s = _seconds_to(reset_at)
    return RateLimitedError(
        f"Too many wrong keys. An address may send {WRONG_KEYS.amount} in a minute.",
        f"Check the key that is sent, then ask again in {wait_s} s.",
        retry_after_s=wait_s,
    )


def _seconds_to(moment: float) -> int:
    return max(1, math.ceil(moment - time.time()))
