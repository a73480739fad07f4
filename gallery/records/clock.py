"""The time by which terms count: the clock, as long as it can be trusted.

A clock without a battery starts in 1970, and a wrong setting may be years ahead. Either
would delete people before their time, or never. So `meta` notes the last time that could
be trusted, and when that was by a clock that counts from the start of the machine. Where
the clock is more than a day off what has passed since, nothing is deleted by term. How long
the machine was off nobody knows. So after that a clock is believed that is ahead, if the
kernel says that a time server sets it. Of several machines on one gallery the last starts
are noted, which tell one that was off from one that was on while another one noted the time.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Table, delete, insert, select

from gallery import audit
from gallery.damage import list_whole
from gallery.tables import events, meta

JUMP = timedelta(days=1)
"""How far the clock may be off before it is not believed."""

SKEW = timedelta(minutes=10)
"""How far the clocks of two machines may be apart. A moment later than that is not believed."""

SWEEP = timedelta(hours=1)
"""Visits and strangers whose term is over are deleted together, so often at most."""

_NAME = "clock"
# In a note: the machine was off before, and the clock is doubted since
_OFF = "off"
# Other starts that a note lists, those that looked last, and how much of their ids
_MOST_STARTS = 5
_START_SIGNS = 8
# Rows of the audit of which one can be read
_LAST_ROWS = 100
# Enough for the struct timex of any architecture, and its TIME_ERROR
_TIMEX_BYTES = 512
_TIME_ERROR = 5
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
    shown = now()
    due = _expect(connection)
    jump = _compare(shown, due)
    if jump:
        _note(connection, jump.expected, was_off=due is not None and due.was_off)
    else:
        _note(connection, shown)
    return jump


def find_jump(connection: Connection) -> ClockJump | None:
    """Compare the clock with the time that has passed."""
    return _compare(now(), _expect(connection))


def _compare(shown: datetime, due: _Due | None) -> ClockJump | None:
    if due is None or abs(shown - due.at) <= JUMP:
        return None
    if due.was_off and shown > due.at and is_synchronised():
        return None
    return ClockJump(shown, due.at)


def now_for_terms(connection: Connection) -> datetime:
    """The time from which a term counts: that of the clock, if it can be trusted."""
    jump = find_jump(connection)
    return jump.expected if jump else now()


def find_end(connection: Connection, table: Table, days: float, now: datetime) -> list[datetime]:
    """Find when the next rows of a table are to be deleted: `days` after their column `at`.

    It is an hour from now at the earliest. Empty where there is no row.
    """
    oldest = select(table.c.at).order_by(table.c.at).limit(1)
    starts = list_whole(connection, oldest, table, lambda row: row.at)
    return [max(start + timedelta(days=days), now + SWEEP) for start in starts]


def trust(connection: Connection) -> ClockJump | None:
    """Take the clock for right from now on. Returns how far it was off."""
    jump = find_jump(connection)
    # With it go the times by which other machines would doubt this one
    connection.execute(delete(meta).where(meta.c.name == _NAME))
    _note(connection, now())
    detail = {"days": round(jump.days, 1)} if jump else {}
    audit.append(connection, "trust_clock", "trusted", detail=detail)
    return jump


@dataclass(frozen=True)
class _Due:
    """The time that the clock should show, and whether the machine may have been off since."""

    at: datetime
    was_off: bool


@dataclass(frozen=True)
class _Noted:
    """A note: the time, whether the clock is doubted since a machine was off, and starts.

    Starts of machines are by a part of their id.
    """

    at: datetime
    was_off: bool
    starts: dict[str, datetime]


def _expect(connection: Connection) -> _Due | None:
    """What the clock should show. None in a gallery without any past."""
    noted = _read_note(connection)
    if noted is None:
        last = _last_moment(connection)
        return _Due(last, was_off=True) if last else None
    boot, up_s = uptime()
    started = noted.starts.get(boot[:_START_SIGNS])
    if started is None:
        return _Due(noted.at, was_off=True)
    return _Due(max(noted.at, started + timedelta(seconds=up_s)), noted.was_off)


def _read_note(connection: Connection) -> _Noted | None:
    """Read the note. None: nothing is noted yet, or the note is damaged."""
    noted = connection.scalar(select(meta.c.value).where(meta.c.name == _NAME))
    try:
        text, boot, up_s, *more = (noted or "").split("|")
        at = datetime.fromisoformat(text).astimezone(UTC)
        off, others = (*more, "", "")[:2]
        pairs = (other.split(":") for other in others.split(",") if other)
        starts = {start: datetime.fromtimestamp(float(at_s), UTC) for start, at_s in pairs}
        starts[boot[:_START_SIGNS]] = at - timedelta(seconds=float(up_s))
    except (ValueError, OverflowError):
        return None
    return _Noted(at, off == _OFF, starts)


def _last_moment(connection: Connection) -> datetime | None:
    """When the audit was written last, as far as its last rows can be read."""
    last = select(events.c.at).order_by(events.c.event_id.desc()).limit(_LAST_ROWS)
    return max(list_whole(connection, last, events, lambda row: row.at), default=None)


def _note(connection: Connection, at: datetime, *, was_off: bool = False) -> None:
    boot, up_s = uptime()
    noted = _read_note(connection)
    others = [*noted.starts.items()] if noted else []
    last = [f"{one}:{at_s.timestamp():.0f}" for one, at_s in others if one != boot[:_START_SIGNS]]
    fields = [at.isoformat(timespec="seconds"), boot, f"{up_s:.0f}", _OFF * was_off]
    value = "|".join([*fields, ",".join(last[-_MOST_STARTS:])])
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


def is_synchronised() -> bool:
    """Whether the kernel says that a time server sets the clock. It does so on Linux alone."""
    call = getattr(ctypes.CDLL(None), "adjtimex", None)
    # man 2 adjtimex: zeros only read, and a clock that was set by hand is an error
    return call is not None and 0 <= call(ctypes.create_string_buffer(_TIMEX_BYTES)) < _TIME_ERROR
