"""The time by which terms count: the clock, as long as it can be trusted.

A clock without a battery starts in 1970, and a wrong setting may be years ahead. Either
would delete people before their time, or never. So `meta` notes the last time that could
be trusted, and when that was by a clock that counts from the start of the machine. Where
the clock is more than a day off what has passed since, nothing is deleted by term.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from gallery import audit
from gallery.damage import list_whole
from gallery.tables import events, meta

JUMP = timedelta(days=1)
"""How far the clock may be off before it is not believed."""

SKEW = timedelta(minutes=10)
"""How far the clocks of two machines may be apart. A moment later than that is not believed."""

_NAME = "clock"
# Rows of the audit of which one can be read
_LAST_ROWS = 100
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ClockJump:
    """A clock that shows the time `shown` where `expected` is due."""

    shown: datetime
    expected: datetime

    @property
    def days(self) -> float:
        """How far the clock is ahead, in days. Below 0 it is behind."""
        return (self.shown - self.expected) / timedelta(days=1)

    def __str__(self) -> str:
        way = "ahead" if self.days > 0 else "behind"
        return f"The clock shows {self.shown:%Y-%m-%d %H:%M} UTC, {way} by {abs(self.days):.0f} d"


def look(connection: Connection) -> ClockJump | None:
    """Compare the clock with the time that has passed, and note which time it is.

    Returns None for a clock that can be trusted.
    """
    jump = find_jump(connection)
    _note(connection, jump.expected if jump else now())
    return jump


def find_jump(connection: Connection) -> ClockJump | None:
    """Compare the clock with the time that has passed."""
    shown = now()
    expected = _expect(connection) or shown
    return None if abs(shown - expected) <= JUMP else ClockJump(shown, expected)


def now_for_terms(connection: Connection) -> datetime:
    """The time from which a term counts: that of the clock, if it can be trusted."""
    jump = find_jump(connection)
    return jump.expected if jump else now()


def trust(connection: Connection) -> ClockJump | None:
    """Take the clock for right from now on. Returns how far it was off."""
    jump = find_jump(connection)
    _note(connection, now())
    detail = {"days": round(jump.days, 1)} if jump else {}
    audit.append(connection, "trust_clock", "trusted", detail=detail)
    return jump


def _expect(connection: Connection) -> datetime | None:
    """The time that the clock should show. None in a gallery without any past."""
    noted = connection.scalar(select(meta.c.value).where(meta.c.name == _NAME))
    try:
        at, boot, up_s = (noted or "").split("|")
        noted_at = datetime.fromisoformat(at).astimezone(UTC)
        noted_up_s = float(up_s)
    except ValueError:  # nothing is noted yet, or the note is damaged
        return _last_moment(connection)
    now_boot, now_up_s = uptime()
    # After a start of the machine nobody knows how long it was off
    passed_s = max(0.0, now_up_s - noted_up_s) if boot == now_boot else 0.0
    return noted_at + timedelta(seconds=passed_s)


def _last_moment(connection: Connection) -> datetime | None:
    """When the audit was written last, as far as its last rows can be read."""
    last = select(events.c.at).order_by(events.c.event_id.desc()).limit(_LAST_ROWS)
    return max(list_whole(connection, last, events, lambda row: row.at), default=None)


def _note(connection: Connection, at: datetime) -> None:
    boot, up_s = uptime()
    value = f"{at.isoformat(timespec='seconds')}|{boot}|{up_s:.0f}"
    connection.execute(delete(meta).where(meta.c.name == _NAME))
    connection.execute(insert(meta).values(name=_NAME, value=value))


def now() -> datetime:
    """The time that the clock shows."""
    return datetime.now(UTC)


def uptime() -> tuple[str, float]:
    """Which start of the machine this is ("" = unknown), and seconds since then."""
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        boot = ""
    # On Linux one that goes on while the machine is suspended
    kind = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return boot, time.clock_gettime(kind)
