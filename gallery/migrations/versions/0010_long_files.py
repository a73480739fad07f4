"""Options of jobs, and the progress and the words of recordings in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add columns."""
    op.add_column("jobs", sa.Column("options", sa.JSON))
    op.add_column("job_items", sa.Column("progress", sa.JSON))
    op.add_column("job_items", sa.Column("words", sa.LargeBinary))
    op.add_column("job_items", sa.Column("sealed_by", sa.String(16)))
