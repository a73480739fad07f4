"""Pairs of entries that look like one person and are two, in the operator's word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "distinct_people",
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.Column("other_key", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("person_key", "other_key", name="pk_distinct_people"),
        sa.ForeignKeyConstraint(
            ["person_key"],
            ["people.key"],
            name="fk_distinct_people_person_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["other_key"],
            ["people.key"],
            name="fk_distinct_people_other_key",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_distinct_people_other_key", "distinct_people", ["other_key"])
