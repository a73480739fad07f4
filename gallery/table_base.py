"""What every table of the gallery is made with: moments in UTC, and names of constraints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator

from gallery.damage import damage_error

MAX_KEY = 2**31 - 1
"""Highest internal number of a row: PostgreSQL refuses to compare it with a higher one."""


def bound_key(number: int) -> int:
    """Bring a number that rows are asked for by into the range of internal numbers."""
    return min(max(number, 0), MAX_KEY)


class UtcDateTime(TypeDecorator[datetime]):
    """Time with time zone UTC, also in a database that stores none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Make what reads a value. It raises StoreUnavailableError for a damaged one."""
        read = super().result_processor(dialect, coltype)

        def read_moment(value: Any) -> Any:
            try:
                return read(value) if read else value
            except (TypeError, ValueError) as error:
                raise damage_error("a time that is none") from error

        return read_moment

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> Any:
        """Store as UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        """Read as UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
