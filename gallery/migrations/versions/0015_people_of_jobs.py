"""What jobs are told of the people whom they create."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add a column."""
    op.add_column("job_items", sa.Column("facts", sa.JSON))
