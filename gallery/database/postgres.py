"""PostgreSQL with pgvector, for any number of processes and machines on one gallery.

- Readers see one state throughout (REPEATABLE READ) and never wait. Writers take turns
  by an advisory lock, so that there is nothing to retry: no transaction can fail
  because of another one.
- A connection that broke is replaced when it is next taken from the pool: the service
  recovers by itself once the server is back.
- Statements, waits for locks and transactions that do nothing are bounded in time.
- Deleted rows are gone for every query at once. Their bytes go when the server cleans
  up (autovacuum) and recycles its log. Where that is not soon enough, encrypt the
  templates (DUET_ENCRYPTION_KEY) or the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.engine import URL

from gallery.database.base import Database, LockedError
from utils.errors import (
    ConfigError,
    DuetError,
    InvalidRequestError,
    StorageFullError,
    StoreUnavailableError,
)

log = logging.getLogger("duet.gallery")

CONNECT_S = 5
STATEMENT_S = 60
LOCK_WAIT_S = 30
# The advisory lock of this database that its writer holds: "duet".
WRITER_LOCK = 0x6475_6574
# The first version with halfvec.
LEAST_PGVECTOR = (0, 7)

_OPTIONS = (
    f"-c statement_timeout={STATEMENT_S * 1000} -c lock_timeout={LOCK_WAIT_S * 1000} "
    f"-c idle_in_transaction_session_timeout={STATEMENT_S * 1000}"
)
SEALED = (
    "templates",
    "kept_media",
    "reembedded",
    "transcripts",
    "transcript_turns",
    "job_items",
    "visits",
    "stranger_values",
)
"""Tables that hold sealed values."""
_KEEP_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


class PostgresDatabase(Database):
    """Database of a PostgreSQL server that belongs to the service alone."""

    searches = True

    def __init__(self, url: URL) -> None:
        engine = make_engine(url)
        super().__init__(
            engine.execution_options(isolation_level="REPEATABLE READ"),
            engine.execution_options(writes=True),
        )
        self._unlocked = engine
        event.listen(engine, "begin", _begin)
        with self._closing_on_failure():
            self._use_pgvector()
            self._prepare()

    @contextmanager
    def write_if_free(self) -> Iterator[Connection | None]:
        """As `write`, but yield None where somebody else writes."""
        if not self._turn.acquire(blocking=False):
            yield None
            return
        try:
            with (
                self.translating_errors(),
                self._unlocked.connect() as connection,
                connection.begin(),
            ):
                free = connection.scalar(text(f"SELECT pg_try_advisory_xact_lock({WRITER_LOCK})"))
                yield connection if free else None
        finally:
            self._turn.release()

    def file_id(self, connection: Connection) -> str:
        """Number of the database, and when its server started.

        A dump that was restored has another number. A server that was set back to an
        earlier state was started since.
        """
        return str(
            connection.scalar(
                text(
                    "SELECT oid || ':' || extract(epoch FROM pg_postmaster_start_time()) FROM"
                    " pg_database WHERE datname = current_database()"
                )
            )
        )

    def find_damage(self, _connection: Connection) -> list[str]:
        """Leave it to the server, which refuses rows that refer to nothing."""
        return []

    def scrub(self) -> bool:
        """Leave it to the server, which cleans up by itself."""
        return True

    def forget(self, _traces: Collection[bytes], *, earlier: bool = False) -> bool:  # noqa: ARG002
        """Leave it to the server, as `scrub`."""
        return self.scrub()

    def compact(self) -> bool:
        """Write the tables that hold sealed values anew.

        The codes of people, which are never sealed, go. A plain gallery makes them
        again.
        """
        with self._turn, self.translating_errors(), self._engine.connect() as connection:
            # On the connection, as the level of the engine comes before another
            # engine's.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("SET statement_timeout = 0"))
            empty_codes(connection)
            for table in (*SEALED, "person_codes"):
                connection.execute(text(f"VACUUM FULL {table}"))
            connection.invalidate()  # its settings are not those of the others
        return True

    def last_keys(self, connection: Connection) -> dict[str, int]:
        """Read the numbers of the sequences, which are named after table and column."""
        rows = connection.execute(text(_SEQUENCES))
        return {row.name: row.last_value for row in rows if row.last_value}

    def set_last_keys(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Write the numbers into the sequences."""
        for row in connection.execute(text(_SEQUENCES)).all():
            if row.name in numbers:
                connection.execute(
                    text("SELECT setval(CAST(:s AS regclass), :n)"),
                    {"s": row.sequence, "n": numbers[row.name]},
                )

    def _use_pgvector(self) -> None:
        """Create the extension where it is not there yet.

        Raises ConfigError where the server lacks it, or the login may not create it.
        """
        with self.read() as connection:
            lacks = lacks_pgvector(connection)
        if lacks:
            with self.translating_errors(), self._writer.connect() as connection:
                create_pgvector(connection)
                connection.commit()

    def _translate(self, error: BaseException | None) -> DuetError:
        return meaning_of(error)


# Every sequence, the table that it numbers, and the highest number it gave.
_SEQUENCES = """
    SELECT t.relname AS name,
           CAST(s.oid AS regclass)::text AS sequence,
           pg_sequence_last_value(s.oid) AS last_value
    FROM pg_class AS s
    JOIN pg_depend AS d ON d.objid = s.oid AND d.deptype = 'a'
    JOIN pg_class AS t ON t.oid = d.refobjid
    WHERE s.relkind = 'S' AND s.relnamespace = CAST(current_schema() AS regnamespace)
"""


def lacks_pgvector(connection: Connection) -> bool:
    """Whether pgvector is to be created. Raises ConfigError where the server lacks it."""
    version = _scalar(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    available = _scalar(
        connection, "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
    )
    if version is None and available is None:
        raise _no_pgvector("The server does not have it.")
    if _numbers(version or available) < LEAST_PGVECTOR:
        raise _no_pgvector(f"Received: version {version or available}")
    return version is None


def create_pgvector(connection: Connection) -> None:
    """Create the extension, unless the transaction is undone.

    Raises ConfigError where the login may not do that.
    """
    try:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
    except exc.ProgrammingError as error:
        raise _no_pgvector(f"The login may not create it ({_state(error.orig)}).") from error


def meaning_of(error: BaseException | None) -> DuetError:
    """What an error of the driver means, and note it in the log."""
    state = _state(error)
    # The driver's own check, before anything is sent.
    if not state and type(error).__name__ == "DataError":
        return InvalidRequestError("Text must not hold NUL characters.")
    # The text of a statement's error may quote a value, that of a connection's does not
    about = type(error).__name__ if state else str(error).split("\n", 1)[0]
    log.error("database: %s (%s)", state or type(error).__name__, about)
    for start, make in _MEANINGS.items():
        if state.startswith(start):
            return make()
    if state:
        return StoreUnavailableError(f"The database does not answer ({state}).")
    if any(words in about for words in _FULL):
        return StoreUnavailableError("PostgreSQL takes no further connection.")
    if _is_refused(error, about):
        return StoreUnavailableError(
            "PostgreSQL refuses the login.",
            "Look at user and database in DUET_DATABASE_URL, and at the password there, in"
            " PGPASSWORD or in ~/.pgpass. The log has the server's words.",
        )
    return StoreUnavailableError("PostgreSQL cannot be reached.")


_FULL = ("too many clients", "too many connections", "connection slots")
"""Of the server's words to a login that it would let in at another time."""


def _is_refused(error: BaseException | None, about: str) -> bool:
    """Whether a server that is up turned a new connection away. It gives no code for that."""
    attempt = getattr(error, "pgconn", None)
    if attempt is not None and (attempt.needs_password or attempt.used_password):
        return True
    return "FATAL:" in about and "the database system is" not in about


def empty_codes(connection: Connection) -> None:
    """Delete the codes of everybody. A search in the database makes them again."""
    connection.execute(text("UPDATE person_codes_state SET encoders = '', change = 0"))
    connection.execute(text("DELETE FROM person_codes"))


def make_engine(url: URL) -> Engine:
    """Make the connections to a server. Raises ConfigError without psycopg."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"PostgreSQL needs the package psycopg. {error.name} is not installed.",
            "pip install -r requirements-postgres.txt",
        ) from None
    arguments = {
        "connect_timeout": CONNECT_S,
        "options": _OPTIONS,
        "application_name": "duet",
        **_KEEP_ALIVE,
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=24,
        pool_timeout=30,
        hide_parameters=True,
        connect_args={k: v for k, v in arguments.items() if k not in url.query},
    )


def _begin(connection: Connection) -> None:
    """Let a writer wait for the one before it.

    It then sees what that one committed: each statement reads the latest state.
    """
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")


def _scalar(connection: Connection, query: str) -> str | None:
    value: str | None = connection.scalar(text(query))
    return value


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in (version or "0").split(".")[:2])


def _state(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def _no_pgvector(reason: str) -> ConfigError:
    """Make the error that says how to install pgvector."""
    least = ".".join(map(str, LEAST_PGVECTOR))
    return ConfigError(
        f"PostgreSQL needs the extension pgvector, {least} or later. {reason}",
        "Install it on the database server (Debian, Ubuntu: apt-get install"
        " postgresql-<version>-pgvector; containers: the image pgvector/pgvector), then run as its"
        " superuser, in this database: CREATE EXTENSION vector; (where there is an older one: ALTER"
        " EXTENSION vector UPDATE;)",
    )


# By the start of PostgreSQL's error code
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_MEANINGS: dict[str, Callable[[], DuetError]] = {
    "53100": lambda: StorageFullError("The disk of the database is full."),
    "53300": lambda: StoreUnavailableError("PostgreSQL has no connection free."),
    "53": lambda: StoreUnavailableError("PostgreSQL lacks memory or another resource."),
    "55P03": lambda: LockedError("The database is locked by another program."),
    "57014": lambda: StoreUnavailableError("The database took too long."),
    "57P": lambda: StoreUnavailableError("PostgreSQL is starting or stopping."),
    "25006": lambda: StoreUnavailableError("The database is read-only."),
    "40": lambda: LockedError("The database is busy."),
    "42501": lambda: StoreUnavailableError("The login may not do this in the database."),
    "42": lambda: StoreUnavailableError("The database is not one of this service."),
}
