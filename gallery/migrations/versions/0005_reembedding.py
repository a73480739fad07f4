"""Vectors of the next model, staged until the gallery is switched to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "reembedded",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("encoder_id", sa.String(200), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("sealed_by", sa.String(16)),
        sa.PrimaryKeyConstraint("key", name="pk_reembedded"),
        sa.ForeignKeyConstraint(
            ["key"], ["templates.key"], name="fk_reembedded_key", ondelete="CASCADE"
        ),
    )
