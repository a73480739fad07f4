"""Clips that a check for liveness refuses: whoever sends too many of them must wait."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from gallery.records.rejections import MOST, WINDOW_S, Rejections
from utils.errors import NotLiveError
from web.guard.limits import asker
from web.state import recognizer, settings
from web.wire.errors import RateLimitedError

REJECTED = "rejected"
"""Outcome of a clip that a check refuses."""


@contextmanager
def limit() -> Iterator[None]:
    """Read a clip, unless too many of this key and address were rejected before.

    A clip that is refused by NotLiveError counts. Raises RateLimitedError.
    """
    _check()
    try:
        yield
    except NotLiveError:
        count(REJECTED)
        raise


def count(outcome: str) -> None:
    """Count an answer whose outcome is `REJECTED`.

    Raises RateLimitedError in place of the answer where too many were rejected meanwhile:
    clips that come at the same time are no more tries than those that come in turn. It is
    asked before the answer is noted: what is withheld is no visit.
    """
    if outcome == REJECTED and _rejections().count(asker()) <= MOST:
        return
    _check()


def _check() -> None:
    wait_s = _rejections().wait_s(asker()) if settings().liveness.refuses else 0.0
    if wait_s > 0:
        raise RateLimitedError(
            f"{MOST} clips were rejected within {WINDOW_S / 60:g} minutes.",
            f"Wait {math.ceil(wait_s)} s, then record the person talking.",
            retry_after_s=math.ceil(wait_s),
        )


def _rejections() -> Rejections:
    return Rejections(recognizer().store.database)
