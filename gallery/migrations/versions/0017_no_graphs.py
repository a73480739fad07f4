"""The graphs of earlier releases go.

They are of vectors of one size: codes of a fusion of another size could not be written
beside them. Nothing searches through them any more.
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"

_SEARCHES = ("face", "voice", "fused", "face_alone", "voice_alone")


def upgrade() -> None:
    """Drop five indexes in PostgreSQL, where they are."""
    if op.get_bind().dialect.name == "postgresql":
        for search in _SEARCHES:
            op.execute(f"DROP INDEX IF EXISTS ix_person_codes_{search}")
