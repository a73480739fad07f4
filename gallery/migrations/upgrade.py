"""Creates the schema of a database, or brings it up to date, with Alembic's revisions.

It runs in the caller's transaction. Alembic is imported only where the version differs,
so a start on a database that is up to date does not pay for it. No copy of the database
is made before: the upgrade is one transaction, and a copy would keep the templates of
people who are deleted later.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from gallery import audit
from utils.errors import ConfigError

HEAD = "0017"
"""The latest revision; a test compares it with the files."""

_FIRST = "0001"
_FOLDER = Path(__file__).parent
# Alembic keeps the upgrade that runs in variables of its module.
_ALEMBIC = threading.Lock()


def is_current(connection: Connection) -> bool:
    """Whether the database needs no upgrade.

    Raises ConfigError for a database of a later release, or of another program.
    """
    version = version_of(connection)
    if version is not None and version > HEAD:
        raise ConfigError(
            f"The database must be of schema {HEAD} or earlier. Received: {version}",
            "A later release of the service wrote it: use that release, or a copy of the database"
            " from before.",
        )
    return version == HEAD


def version_of(connection: Connection) -> str | None:
    """Read the revision of the database (None = it is empty).

    The first release noted none. Raises ConfigError for a database of another program.
    """
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version
    if {"meta", "templates"} <= tables:
        return _FIRST
    if "people" in tables or "templates" in tables:
        raise ConfigError(
            "The database belongs to another program: it is not empty, and its tables are not"
            " those of this service.",
            "Give the service a database of its own: DUET_DATABASE_URL.",
        )
    return None


def upgrade(connection: Connection) -> None:
    """Create the tables, or change them up to `HEAD`.

    Nothing happens where they are up to date. Raises ConfigError as `is_current`.
    """
    if is_current(connection):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        if version_of(connection) == _FIRST:
            command.stamp(config, _FIRST)
        command.upgrade(config, "head")
    _name_gallery(connection)
    audit.start_chain(connection)


def _name_gallery(connection: Connection) -> None:
    """Give the database an id of its own, and the version that the first release reads.

    The id tells the memory index that another database took the place of this one. The
    first release refuses a `schema_version` other than 1.
    """
    rows = {"schema_version": "2", "gallery_id": uuid.uuid4().hex}
    present = set(connection.scalars(text("SELECT name FROM meta")))
    for name in rows.keys() - present:
        connection.execute(
            text("INSERT INTO meta (name, value) VALUES (:name, :value)"),
            {"name": name, "value": rows[name]},
        )
