"""Tables of visitors: whom answers were about, and strangers who came by.

Both are empty unless a setting says that they are kept (`utils/settings/visitors.py`).
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
)

from gallery.table_base import UtcDateTime, metadata

strangers = Table(
    "strangers",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("stranger_id", String(32), nullable=False, unique=True),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False, index=True),
    # Clips that were taken for this stranger, also those whose templates are gone.
    Column("times", Integer, nullable=False),
    # "Stay unknown", in the operator's word.
    Column("hidden", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

# What is kept of clips of strangers: embeddings and, with DUET_STRANGER_PICTURES=1, a
# picture. Each has a term of its own, from `at` on.
stranger_values = Table(
    "stranger_values",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("value_id", String(32), nullable=False, unique=True),
    Column(
        "stranger_key", ForeignKey("strangers.key", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("at", UtcDateTime, nullable=False, index=True),
    # face, voice or picture.
    Column("kind", String(8), nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("quality", Float, nullable=False),
    Column("speech_s", Float, nullable=False),
    Column("encoder_id", String(200), nullable=False),
    Column("source_sha256", String(64), nullable=False),
    Column("sealed_by", String(16)),
    sqlite_autoincrement=True,
)

# An answer about somebody who came by.
visits = Table(
    "visits",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("visit_id", String(32), nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("outcome", String(12), nullable=False),
    # Who was named, or a stranger who was enrolled later; NULL = nobody known.
    Column("person_key", ForeignKey("people.key", ondelete="CASCADE"), index=True),
    Column("stranger_key", ForeignKey("strangers.key", ondelete="SET NULL"), index=True),
    # When somebody said that the answer is wrong; NULL = nobody did.
    Column("corrected_at", UtcDateTime),
    # Who it was then; NULL = nobody known.
    Column("actual_key", ForeignKey("people.key", ondelete="SET NULL"), index=True),
    # How sure, by what, asked by whom: JSON, sealed as templates are.
    Column("data", LargeBinary, nullable=False),
    Column("sealed_by", String(16)),
    sqlite_autoincrement=True,
)
