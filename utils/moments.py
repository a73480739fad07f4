"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime


def read_moment(text: str) -> datetime | None:
    """Read a moment in ISO 8601, in UTC where no zone is named. None: it is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_moment(at: datetime) -> str:
    """Write a moment in UTC, as `read_moment` reads it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
