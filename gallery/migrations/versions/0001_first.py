"""Tables of the first release: people, templates, the feed of changes and the audit.

A revision never imports `gallery.tables`: it states the schema of its own time.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)
# Sorted by code points, as SQLite does.
_ID = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    _meta()
    _people()
    _templates()
    _changes()
    _events()


def _meta() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_people"),
        sa.UniqueConstraint("person_id", name="uq_people_person_id"),
        sqlite_autoincrement=True,
    )


def _templates() -> None:
    op.create_table(
        "templates",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("template_id", sa.String(32), nullable=False),
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.Column("modality", sa.String(8), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("encoder_id", sa.String(200), nullable=False),
        sa.Column("source_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_templates"),
        sa.ForeignKeyConstraint(
            ["person_key"], ["people.key"], name="fk_templates_person_key", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("template_id", name="uq_templates_template_id"),
        sa.UniqueConstraint(
            "person_key",
            "modality",
            "encoder_id",
            "source_sha256",
            name="uq_templates_person_key_modality_encoder_id_source_sha256",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_templates_modality_encoder_id_person_key",
        "templates",
        ["modality", "encoder_id", "person_key"],
    )


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("change", sa.Integer, nullable=False),
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("change", name="pk_changes"),
        sqlite_autoincrement=True,
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.Integer, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("person_key", sa.Integer),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    for statement in _append_only(op.get_bind().dialect.name):
        op.execute(statement)


def _append_only(dialect: str) -> list[str]:
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        (
            "CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'the audit is append-only' USING ERRCODE ="
            " 'integrity_constraint_violation'; END $$"
        ),
        (
            "CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
            "FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()"
        ),
    ]
