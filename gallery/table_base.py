"""What every table of the gallery is made with: moments in UTC, and names of constraints."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from gallery.damage import DamagedError, damage_error, name_kind

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


class Checked(TypeDecorator[Any]):
    """Type of a column whose values may be of another kind: SQLite stores what it is given.

    `place` is the name of the column. With `words` every value is one of them.
    """

    impl: Any = String
    cache_ok = True

    def __init__(
        self, impl: TypeEngine[Any], place: str, words: Collection[str] = frozenset()
    ) -> None:
        super().__init__()
        self.impl = impl
        self.place = place
        self.words = frozenset(words)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare as the column itself does."""
        return self.impl.coerce_compared_value(op, value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Make what reads a value. It raises DamagedError for a foreign one."""
        read = self.impl_instance.result_processor(dialect, coltype)
        if dialect.name != "sqlite":
            return read
        kinds, kind = stored_kinds(self.impl)

        def read_checked(value: Any) -> Any:
            if value is None:
                return None
            if type(value) not in kinds:
                raise damage_error(f"{name_kind(value)} in the place of {kind}", self.place)
            if self.words and value not in self.words:
                raise damage_error("a word that is none of those known", self.place)
            if read is None:
                return value
            try:
                return read(value)
            except DamagedError as error:
                raise damage_error(error.what, self.place) from error

        return read_checked


_KINDS: Mapping[type[TypeEngine[Any]], tuple[tuple[type, ...], str]] = {
    UtcDateTime: ((str,), "a time"),
    JSON: ((str,), "JSON"),
    Boolean: ((int,), "yes or no"),
    Integer: ((int,), "a whole number"),
    Float: ((float, int), "a number"),
    LargeBinary: ((bytes,), "bytes"),
    String: ((str,), "a text"),
}


def stored_kinds(kind: TypeEngine[Any]) -> tuple[tuple[type, ...], str]:
    """What SQLite stores for a type, and how that is called."""
    return next(stored for one, stored in _KINDS.items() if isinstance(kind, one))


def check_columns(tables: MetaData, words: Mapping[str, Collection[str]]) -> None:
    """Check the values of all columns when they are read.

    `words` are those that a column may hold, by table and column.
    """
    for table in tables.tables.values():
        for column in table.columns:
            column.type = _make_checked(column, words.get(f"{table.name}.{column.name}", ()))


def _make_checked(column: Column[Any], words: Collection[str]) -> TypeEngine[Any]:
    place = f"{column.table.name}.{column.name}"
    checked: TypeEngine[Any] = Checked(column.type, place, words)
    for dialect, variant in column.type._variant_mapping.items():
        checked = checked.with_variant(variant, dialect)
    return checked


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
