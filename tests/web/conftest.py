"""The service over the real recognizer and a real SQLite file."""

from __future__ import annotations

from tests.support.fixtures import app, client, recognizer, settings

__all__ = ["app", "client", "recognizer", "settings"]
