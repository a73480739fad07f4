"""A store of each kind of database, and the service over one."""

from __future__ import annotations

from tests.support.fixtures import (
    app,
    client,
    clip,
    gallery,
    postgres_url,
    quick_schema,
    recognizer,
    settings,
    sqlite_url,
    store,
    store_url,
)

__all__ = [
    "app",
    "client",
    "clip",
    "gallery",
    "postgres_url",
    "quick_schema",
    "recognizer",
    "settings",
    "sqlite_url",
    "store",
    "store_url",
]
