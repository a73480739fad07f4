"""The tables that tests repeat without Alembic are those that Alembic makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from gallery.database.open import open_database
from tests.support import schema
from tests.support.postgres import new_database

pytestmark = pytest.mark.slow

SQLITE = ("SELECT type, name, tbl_name, sql FROM sqlite_master",)
POSTGRES = (
    """SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
    FROM information_schema.columns WHERE table_schema = 'public'""",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT extname FROM pg_extension",
)


@pytest.fixture(params=["sqlite", "postgres"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Empty databases of one kind, one after the other."""
    if request.param == "sqlite":
        return (f"sqlite:///{tmp_path / f'{number}.db'}" for number in range(3))
    return (new_database() for _ in range(3))


def describe(connection: Connection) -> list[list[str]]:
    """Everything that stands in the catalogue, and the revision."""
    catalogue = SQLITE if connection.dialect.name == "sqlite" else POSTGRES
    queries = (*catalogue, "SELECT version_num FROM alembic_version")
    return [sorted(map(repr, connection.execute(text(query)))) for query in queries]


def make(url: str) -> list[list[str]]:
    open_database(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        made = describe(connection)
    engine.dispose()
    return made


def test_repeated_tables_are_those_of_alembic(
    urls: Iterator[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(next(urls))  # noted here, unless a test before did
    with monkeypatch.context() as changed:
        changed.setattr(schema, "_migrate", None)  # which is not needed any more
        repeated = make(next(urls))
    monkeypatch.setattr("alembic.command.upgrade", schema._migrate)
    url = next(urls)
    assert repeated == make(url)
    assert all(repeated[:2])
    noted = schema._noted(url.split(":")[0].split("+")[0])
    assert noted
    assert not [statement for statement, values in noted if values is not None]
