"""What calibrations are fitted on, and its scale, beside the score of an answer; and
who asked. NULL = from before; never used.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Columns more in two tables."""
    for table in ("identifications", "feedback"):
        op.add_column(table, sa.Column("strength", sa.Float))
        op.add_column(table, sa.Column("scale_id", sa.String(16)))
    op.add_column("identifications", sa.Column("actor", sa.String(80)))
