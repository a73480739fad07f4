"""Visits, and strangers who came by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add three tables."""
    _create_strangers()
    op.create_table(
        "visits",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("visit_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("person_key", sa.Integer),
        sa.Column("stranger_key", sa.Integer),
        sa.Column("corrected_at", sa.DateTime(timezone=True)),
        sa.Column("actual_key", sa.Integer),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("sealed_by", sa.String(16)),
        sa.PrimaryKeyConstraint("key", name="pk_visits"),
        sa.UniqueConstraint("visit_id", name="uq_visits_visit_id"),
        _reference("visits", "person_key", "people.key", "CASCADE"),
        _reference("visits", "stranger_key", "strangers.key", "SET NULL"),
        _reference("visits", "actual_key", "people.key", "SET NULL"),
        sqlite_autoincrement=True,
    )
    for column in ("at", "person_key", "stranger_key", "actual_key"):
        op.create_index(f"ix_visits_{column}", "visits", [column])


def _create_strangers() -> None:
    op.create_table(
        "strangers",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("stranger_id", sa.String(32), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_strangers"),
        sa.UniqueConstraint("stranger_id", name="uq_strangers_stranger_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_strangers_last_at", "strangers", ["last_at"])
    op.create_table(
        "stranger_values",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("value_id", sa.String(32), nullable=False),
        sa.Column("stranger_key", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("speech_s", sa.Float, nullable=False),
        sa.Column("encoder_id", sa.String(200), nullable=False),
        sa.Column("source_sha256", sa.String(64), nullable=False),
        sa.Column("sealed_by", sa.String(16)),
        sa.PrimaryKeyConstraint("key", name="pk_stranger_values"),
        sa.UniqueConstraint("value_id", name="uq_stranger_values_value_id"),
        _reference("stranger_values", "stranger_key", "strangers.key", "CASCADE"),
        sqlite_autoincrement=True,
    )
    for column in ("stranger_key", "at"):
        op.create_index(f"ix_stranger_values_{column}", "stranger_values", [column])


def _reference(table: str, column: str, target: str, on_delete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [target], name=f"fk_{table}_{column}", ondelete=on_delete
    )
