"""Batch jobs, their files, and the people whom their results name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add three tables."""
    op.create_table(
        "jobs",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("action", sa.String(12), nullable=False),
        sa.Column("force", sa.Boolean, nullable=False),
        sa.Column("replace", sa.Boolean, nullable=False),
        sa.Column("root", sa.Text),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_jobs"),
        sa.UniqueConstraint("job_id", name="uq_jobs_job_id"),
        sqlite_autoincrement=True,
    )
    _items()
    op.create_table(
        "job_mentions",
        sa.Column("item_key", sa.Integer, nullable=False),
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("item_key", "person_key", name="pk_job_mentions"),
        sa.ForeignKeyConstraint(
            ["item_key"], ["job_items.key"], name="fk_job_mentions_item_key", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_key"], ["people.key"], name="fk_job_mentions_person_key", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_job_mentions_person_key", "job_mentions", ["person_key"])


def _items() -> None:
    op.create_table(
        "job_items",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("job_key", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("media", sa.Text, nullable=False),
        sa.Column("uploaded", sa.Boolean, nullable=False),
        sa.Column("person_id", sa.String(128)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(80)),
        sa.Column("leased_until", _TIME),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.PrimaryKeyConstraint("key", name="pk_job_items"),
        sa.ForeignKeyConstraint(
            ["job_key"], ["jobs.key"], name="fk_job_items_job_key", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("job_key", "position", name="uq_job_items_job_key_position"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_items_person_id", "job_items", ["person_id"])
    op.create_index("ix_job_items_state", "job_items", ["state"])
