"""New galleries without Alembic, and an engine of speech to text."""

from __future__ import annotations

from tests.support.fixtures import quick_schema, wordy

__all__ = ["quick_schema", "wordy"]
