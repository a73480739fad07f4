"""Consent, retention, encryption, kept media, feedback, API keys, chained audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns and tables. Rows that are there keep their meaning."""
    _people()
    op.add_column("templates", sa.Column("sealed_by", sa.String(16)))
    _kept_media()
    _identifications()
    _feedback()
    _api_keys()
    _events()
    # The first release looks at it, to refuse the database.
    op.execute("UPDATE meta SET value = '2' WHERE name = 'schema_version'")


def _people() -> None:
    op.add_column("people", sa.Column("consent", sa.Text, nullable=False, server_default=""))
    op.add_column("people", sa.Column("enrolled_at", _TIME))
    op.add_column("people", sa.Column("retention_days", sa.Integer))
    op.add_column("people", sa.Column("last_seen_at", _TIME))
    op.execute(
        "UPDATE people SET enrolled_at = (SELECT min(created_at) FROM templates WHERE"
        " templates.person_key = people.key)"
    )


def _kept_media() -> None:
    op.create_table(
        "kept_media",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("template_key", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("sealed_by", sa.String(16)),
        sa.PrimaryKeyConstraint("key", name="pk_kept_media"),
        sa.ForeignKeyConstraint(
            ["template_key"],
            ["templates.key"],
            name="fk_kept_media_template_key",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("template_key", "kind", name="uq_kept_media_template_key_kind"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_kept_media_template_key", "kept_media", ["template_key"])


def _identifications() -> None:
    op.create_table(
        "identifications",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("modality", sa.String(8), nullable=False),
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("speech_s", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("request_id", "modality", name="pk_identifications"),
        sa.ForeignKeyConstraint(
            ["person_key"], ["people.key"], name="fk_identifications_person_key", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_identifications_at", "identifications", ["at"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.Column("modality", sa.String(8), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("speech_s", sa.Float, nullable=False),
        sa.Column("same", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_feedback"),
        sa.ForeignKeyConstraint(
            ["person_key"], ["people.key"], name="fk_feedback_person_key", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "request_id",
            "person_key",
            "modality",
            name="uq_feedback_request_id_person_key_modality",
        ),
        sqlite_autoincrement=True,
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )


def _events() -> None:
    op.add_column("events", sa.Column("hash", sa.String(64), nullable=False, server_default=""))
