"""Kept transcripts and their turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "transcripts",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("transcript_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("language", sa.String(12), nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("title", sa.LargeBinary),
        sa.Column("sealed_by", sa.String(16)),
        sa.PrimaryKeyConstraint("key", name="pk_transcripts"),
        sa.UniqueConstraint("transcript_id", name="uq_transcripts_transcript_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "transcript_turns",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("turn_id", sa.String(32), nullable=False),
        sa.Column("transcript_key", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("start_s", sa.Float, nullable=False),
        sa.Column("end_s", sa.Float, nullable=False),
        sa.Column("person_key", sa.Integer),
        sa.Column("speaker", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.Column("sealed_by", sa.String(16)),
        sa.PrimaryKeyConstraint("key", name="pk_transcript_turns"),
        sa.UniqueConstraint("turn_id", name="uq_transcript_turns_turn_id"),
        sa.UniqueConstraint(
            "transcript_key", "position", name="uq_transcript_turns_transcript_key_position"
        ),
        sa.ForeignKeyConstraint(
            ["transcript_key"],
            ["transcripts.key"],
            name="fk_transcript_turns_transcript_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_key"],
            ["people.key"],
            name="fk_transcript_turns_person_key",
            ondelete="SET NULL",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transcript_turns_person_key", "transcript_turns", ["person_key"])
