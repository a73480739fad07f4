"""When the last file came that a job waited for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add a column."""
    op.add_column("jobs", sa.Column("received_at", sa.DateTime(timezone=True)))
