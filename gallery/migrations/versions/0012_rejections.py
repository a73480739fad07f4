"""Clips that a check for liveness refused, for as long as they count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "rejections",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("asker", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_rejections"),
    )
    op.create_index("ix_rejections_at", "rejections", ["at"])
