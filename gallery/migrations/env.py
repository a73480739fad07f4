"""Configuration of Alembic, which runs in the transaction of its caller.

`gallery.migrations.upgrade` is the only caller. All revisions of one upgrade are one
transaction, on SQLite too: a process that is killed in the middle leaves the old state.
"""

from __future__ import annotations

from alembic import context

from gallery import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    transactional_ddl=True,
)
context.run_migrations()
