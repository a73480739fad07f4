"""Strength of an answer, which calibrations are fitted on, its scale, and who asked.

NULL = from before; such a row is never used.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add columns to two tables."""
    for table in ("identifications", "feedback"):
        op.add_column(table, sa.Column("strength", sa.Float))
        op.add_column(table, sa.Column("scale_id", sa.String(16)))
    op.add_column("identifications", sa.Column("actor", sa.String(80)))
