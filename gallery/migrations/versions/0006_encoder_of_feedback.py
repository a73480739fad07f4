"""Encoder that made the score of an answer.

Scores of two models are not calibrated together. NULL = from before; such a row is
never used.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a column to two tables."""
    for table in ("identifications", "feedback"):
        op.add_column(table, sa.Column("encoder_id", sa.String(200)))
