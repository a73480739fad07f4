"""New galleries without Alembic."""

from __future__ import annotations

from tests.support.fixtures import quick_schema

__all__ = ["quick_schema"]
