"""Groups of people, sightings of them, and sightings that are still to be sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add four tables."""
    op.create_table(
        "people_groups",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("group_id", sa.String(128), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("watched", sa.Boolean, nullable=False),
        sa.Column("retention_days", sa.Integer),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_people_groups"),
        sa.UniqueConstraint("group_id", name="uq_people_groups_group_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "group_members",
        sa.Column("group_key", sa.Integer, nullable=False),
        sa.Column("person_key", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("group_key", "person_key", name="pk_group_members"),
        _reference("group_members", "group_key", "people_groups.key"),
        _reference("group_members", "person_key", "people.key"),
    )
    op.create_index("ix_group_members_person_key", "group_members", ["person_key"])
    _create_sightings()


def _create_sightings() -> None:
    op.create_table(
        "sightings",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("person_key", sa.Integer),
        sa.Column("group_key", sa.Integer),
        sa.PrimaryKeyConstraint("key", name="pk_sightings"),
        _reference("sightings", "person_key", "people.key"),
        _reference("sightings", "group_key", "people_groups.key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sightings_at", "sightings", ["at"])
    op.create_index("ix_sightings_person_key", "sightings", ["person_key"])
    op.create_table(
        "deliveries",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("sighting_key", sa.Integer, nullable=False),
        sa.Column("receiver", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_deliveries"),
        _reference("deliveries", "sighting_key", "sightings.key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_sighting_key", "deliveries", ["sighting_key"])
    op.create_index("ix_deliveries_next_at", "deliveries", ["next_at"])


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """Refer to a row that takes this one with it."""
    return sa.ForeignKeyConstraint(
        [column], [target], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )
