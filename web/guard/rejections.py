"""Clips that a check for liveness refuses: whoever sends too many of them must wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from utils.errors import NotLiveError
from web.guard.limits import Limits

REJECTED = "rejected"
"""Outcome of a clip that a check refuses."""


@contextmanager
def limit() -> Iterator[None]:
    """Read a clip, unless too many of this key and address were rejected before.

    A clip that is refused by NotLiveError counts. Raises RateLimitedError.
    """
    _limits().check_rejections()
    try:
        yield
    except NotLiveError:
        _limits().count_rejection()
        raise


def count(outcome: str) -> None:
    """Count an answer whose outcome is `REJECTED`."""
    if outcome == REJECTED:
        _limits().count_rejection()


def _limits() -> Limits:
    limits: Limits = current_app.extensions["duet_limits"]
    return limits
