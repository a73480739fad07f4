"""The service over the real recognizer and a real SQLite file."""

from __future__ import annotations

from tests.support.fixtures import app, client, clip, gallery, recognizer, settings

__all__ = ["app", "client", "clip", "gallery", "recognizer", "settings"]
