"""Errors of enrolling many people: of tables, and of files that are sent one by one."""

from __future__ import annotations

from utils.errors.base import DuetError


class TableError(DuetError):
    """A table of people, or a row of it, that cannot be used."""

    code = "table_malformed"


class TableMalformedError(TableError):
    """Not a table, or one that is too large."""


class TableEncodingError(TableError):
    """The bytes of a table are no text in the encoding, or in none that is read."""

    code = "table_encoding"


class TableColumnsError(TableError):
    """A table without a column that is needed, with an unknown one, or with one twice."""

    code = "table_columns"


class RowConflictError(TableError):
    """Two rows are of one person, and do not agree."""

    code = "row_conflict"


class FileSharedError(TableError):
    """One file is named for two people."""

    code = "file_shared"


class FileNotAwaitedError(DuetError):
    """A file of a job that came before, or that nobody waits for any more."""

    code = "file_not_awaited"
