"""The recognizer on a database of each kind."""

from __future__ import annotations

from tests.support.fixtures import postgres_url, recognizer, settings, sqlite_url, store_url

__all__ = ["postgres_url", "recognizer", "settings", "sqlite_url", "store_url"]
